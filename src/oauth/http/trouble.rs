//! Why there is no answer: which part of the way failed, in one line that says what to do. No URL of a proxy is in it, which
//! may hold a password, and nothing of the request.

use std::error::Error;
use std::time::Duration;

use super::passage::Through;
use super::{HttpError, certificate};
use crate::redact;

/// How the library calls what went wrong between here and a proxy's answer to CONNECT, and to SOCKS.
const TUNNEL: &str = "tunnel error: ";
const SOCKS: &str = "error connecting to socks proxy";

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// This machine, which doesn't send it.
    Here,
    /// The address of whom is connected to.
    Name,
    /// To the server, or to the proxy and no further.
    Connection,
    /// Through the proxy.
    Proxy,
    /// Whose server it is.
    Tls,
    /// Its answer.
    Answer,
}

impl Hop {
    /// In a word or two, for people.
    pub fn name(self) -> &'static str {
        match self {
            Hop::Here => "this machine",
            Hop::Name => "name",
            Hop::Connection => "connection",
            Hop::Proxy => "proxy",
            Hop::Tls => "TLS",
            Hop::Answer => "answer",
        }
    }
}

/// Where a request was on its way to.
pub(super) struct Bound<'a> {
    pub(super) host: &'a str,
    pub(super) through: Option<&'a Through>,
    pub(super) connect_timeout: Duration,
}

impl Bound<'_> {
    /// Where the way ended, and the error.
    pub(super) fn ended(&self, error: &reqwest::Error) -> (Hop, HttpError) {
        let host = self.host;
        let reason = innermost(error);
        if error.is_builder() {
            return (Hop::Here, HttpError::Refused(format!("the request to {host} could not be made: {reason}")));
        }
        if !error.is_connect() {
            let lost = format!("the answer of {host} did not come whole: {reason}");
            return (Hop::Answer, HttpError::AnswerLost(lost));
        }
        let at_proxy = self.through.filter(|_| is_named(error, TUNNEL) || is_named(error, SOCKS));
        let (hop, message) =
            match (certificate::complaint(error, at_proxy.map_or(host, |proxy| &proxy.address)), at_proxy) {
                (Some(complaint), Some(_)) => (Hop::Proxy, complaint),
                (Some(complaint), None) => (Hop::Tls, complaint),
                (None, Some(proxy)) => (Hop::Proxy, self.refused_by(proxy, error, &reason)),
                (None, None) if is_named(error, "operation timed out") => self.silence(),
                (None, None) => {
                    let hop = if is_named(error, "tcp connect error") || is_named(error, "dns error") {
                        Hop::Connection
                    } else {
                        Hop::Tls
                    };
                    (hop, format!("{host} could not be reached: {reason}"))
                }
            };
        (hop, HttpError::NotSent(message))
    }

    fn silence(&self) -> (Hop, String) {
        let (host, limit) = (self.host, self.connect_timeout.as_secs());
        match self.through {
            Some(Through { address, origin, .. }) => {
                let message = format!(
                    "the proxy {address} ({origin}) did not lead to {host} within {limit} s: it does not answer, \
                     or {host} doesn't"
                );
                (Hop::Proxy, message)
            }
            None => {
                let message = format!(
                    "{host} could not be reached within {limit} s: is there a network, and does it need a proxy \
                     (`proxy` in [network] of the configuration)?"
                );
                (Hop::Connection, message)
            }
        }
    }

    fn refused_by(&self, proxy: &Through, error: &reqwest::Error, reason: &str) -> String {
        let Through { address, origin, has_credentials } = proxy;
        let host = self.host;
        let says = |what: &str| is_named(error, &format!("{TUNNEL}{what}"));
        if says("proxy authorization required") {
            return match has_credentials {
                true => format!("the proxy {address} refuses the name and password that {origin} has (HTTP 407)"),
                false => format!(
                    "the proxy {address} wants a name and a password (HTTP 407): {origin} takes them as \
                     http://NAME:PASSWORD@HOST:PORT"
                ),
            };
        }
        if says("unsuccessful") {
            return format!(
                "the proxy {address} ({origin}) does not let through to {host}: whoever runs it says why; a host that \
                 needs no proxy goes into `no_proxy` in [network] of the configuration"
            );
        }
        if says("unexpected end of file") || says("proxy response headers too long") {
            return format!("the proxy {address} ({origin}) did not answer as a proxy does: is it one?");
        }
        if is_named(error, SOCKS) && !is_named(error, "tcp connect error") {
            return format!("the proxy {address} ({origin}) does not let through to {host}: {reason}");
        }
        format!("the proxy {address} could not be reached: {reason}; {origin} names it")
    }
}

/// Whether one of the causes says that.
fn is_named(error: &reqwest::Error, words: &str) -> bool {
    causes(error).any(|cause| cause.to_string().starts_with(words))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first = error.source();
    std::iter::successors(first, |cause: &&(dyn Error + 'static)| -> Option<&(dyn Error + 'static)> {
        (*cause).source()
    })
}

/// The cause at the bottom, which is the one that people understand ("connection refused"). It never holds the request.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let stated = cause.downcast_ref::<reqwest::Error>().is_none();
    if stated { redact::server_text(&cause.to_string()) } else { "the HTTP library refused it".to_owned() }
}

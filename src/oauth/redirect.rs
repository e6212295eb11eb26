//! Whether a request to the loopback listener is this login's redirect (RFC 8252 section 7.3). Any program and any web page
//! on this machine can send one, so all of it has to fit: Host, path, method, state.
//!
//! Pure: `grant/loopback.rs` listens, this judges.

use super::authorization::{self, Redirected};
use crate::secret::Secret;

/// A request, as far as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    /// GET, it is to be hoped.
    pub method: &'a str,
    /// `None`: not exactly one, or not readable.
    pub host: Option<&'a str>,
    /// The path, without the query.
    pub path: &'a str,
    /// The query, without its question mark.
    pub query: Option<&'a str>,
}

/// Why a request is not this login's redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another host or path.
    NotFound,
    /// Another method than GET.
    Method,
    /// The right place, and no redirect.
    NotARedirect,
    /// The state of another login, or none.
    OtherLogin,
}

/// Judges a request. The Host is checked because a web page can make a name of its own resolve to this machine (DNS
/// rebinding).
pub fn judge(knock: Knock<'_>, authority: &str, path: &str, state: &Secret) -> Result<Redirected, Refused> {
    let redirected = judge_place(knock, authority, path)?;
    match &redirected.state {
        Some(claimed) if claimed.matches(state) => Ok(redirected),
        _ => Err(Refused::OtherLogin),
    }
}

/// The same where the state is part of the path, which nobody else knows.
pub fn judge_place(knock: Knock<'_>, authority: &str, path: &str) -> Result<Redirected, Refused> {
    let host = knock.host.is_some_and(|host| {
        host.eq_ignore_ascii_case(authority) || authority.strip_suffix(":80").is_some_and(|bare| bare == host)
    });
    if !host || knock.path != path {
        return Err(Refused::NotFound);
    }
    if knock.method != "GET" {
        return Err(Refused::Method);
    }
    authorization::decode(knock.query.unwrap_or("")).map_err(|_| Refused::NotARedirect)
}

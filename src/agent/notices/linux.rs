//! Linux: the session's bus (Desktop Notifications Specification).
//!
//! Each telling has a connection of its own: they are rare, and an agent with nothing to tell holds none. Whatever hangs has
//! [`LIMIT`].

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zbus::export::futures_core::Stream as _;
use zbus::message::Type;
use zbus::proxy::{self, CacheProperties, MethodFlags, Proxy};
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, MessageStream, connection};

use crate::html;
use crate::paths::Paths;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const BUS: &str = "org.freedesktop.DBus";
/// How long the bus and the service have for an answer; the bus may have to start the service.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection to where notifications are shown.
pub(super) struct Desktop {
    connection: Connection,
    /// What the bus says of the service's coming and going.
    news: MessageStream,
    /// Whether the service reads a body as markup.
    markup: AtomicBool,
}

/// Whether there may be one: without a session nothing is asked.
pub(super) fn is_there() -> bool {
    Paths::session_bus().is_some()
}

impl Desktop {
    /// Connects to the bus; whoever shows notifications need not be there yet.
    pub(super) async fn connect() -> Result<Self, String> {
        bounded(async {
            let address = Paths::session_bus().unwrap_or_default();
            let builder = connection::Builder::address(address.as_str())?;
            let connection = builder.method_timeout(LIMIT).build().await?;
            let rule = MatchRule::builder().msg_type(Type::Signal).sender(BUS)?.interface(BUS)?;
            let rule = rule.member("NameOwnerChanged")?.arg(0, NAME)?.build();
            // Nothing else goes into it: while it is full, the connection stands still, and it is read now and then only.
            let news = MessageStream::for_match_rule(rule, &connection, None).await?;
            Ok(Self { connection, news, markup: AtomicBool::default() })
        })
        .await
    }

    /// Asks the service what it can do. The bus starts one for that, unless `started` is what is asked for: one that ends as
    /// soon as it is started would be started for having appeared, without end.
    pub(super) async fn is_ready(&self, started: bool) -> Result<(), String> {
        bounded(async {
            let service = proxy::Builder::<Proxy<'_>>::new(&self.connection).destination(NAME)?.path(PATH)?;
            let service = service.interface(NAME)?.cache_properties(CacheProperties::No).build().await?;
            let flags = started.then_some(MethodFlags::NoAutoStart).into_iter().collect();
            let capabilities: Option<Vec<String>> = service.call_with_flags("GetCapabilities", flags, &()).await?;
            let markup = capabilities.iter().flatten().any(|one| one == "body-markup");
            self.markup.store(markup, Ordering::Relaxed);
            Ok(())
        })
        .await
    }

    /// Until a service appears; an error if the bus goes away.
    pub(super) async fn appears(&mut self) -> Result<(), String> {
        loop {
            let news = &mut self.news;
            let message = std::future::poll_fn(|context| Pin::new(&mut *news).poll_next(context)).await;
            let message = message.and_then(Result::ok).ok_or("the session's bus has closed")?;
            let header = message.header();
            let of_bus = header.sender().is_some_and(|sender| sender.as_str() == BUS)
                && header.member().is_some_and(|member| member.as_str() == "NameOwnerChanged");
            let changed = message.body().deserialize::<(String, String, String)>();
            if of_bus && changed.is_ok_and(|(name, _, owner)| name == NAME && !owner.is_empty()) {
                return Ok(());
            }
        }
    }

    pub(super) async fn show(&self, summary: &str, body: &str) -> Result<(), String> {
        let body = as_read(body, self.markup.load(Ordering::Relaxed));
        let (replaces, icon, actions, for_as_long_as_usual) = (0u32, "dialog-password", Vec::<&str>::new(), -1i32);
        // Normal urgency: it is no matter of seconds.
        let hints = HashMap::from([("urgency", Value::U8(1))]);
        let arguments = ("cred-helper", replaces, icon, summary, body, actions, hints, for_as_long_as_usual);
        bounded(async {
            self.connection.call_method(Some(NAME), PATH, Some(NAME), "Notify", &arguments).await?;
            Ok(())
        })
        .await
    }
}

/// A body as the service will read it.
fn as_read(body: &str, markup: bool) -> String {
    if markup { html::escape(body) } else { body.to_owned() }
}

async fn bounded<T>(work: impl Future<Output = zbus::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_escaped_for_those_who_read_markup_alone() {
        assert_eq!(as_read("a <b> & c", true), "a &lt;b&gt; &amp; c");
        assert_eq!(as_read("a <b> & c", false), "a <b> & c");
    }
}

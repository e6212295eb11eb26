//! Linux: the session's bus (Desktop Notifications Specification).
//!
//! Each telling has a connection of its own: they are rare, and an idle agent holds none. Whatever hangs has [`LIMIT`].

use std::collections::HashMap;
use std::time::Duration;

use zbus::zvariant::Value;
use zbus::{Connection, connection};

use crate::html;
use crate::paths::Paths;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// How long the bus and the service have for an answer; the bus may have to start the service.
const LIMIT: Duration = Duration::from_secs(10);

/// What shows notifications.
pub(super) struct Service {
    connection: Connection,
    /// Whether it reads a body as markup.
    markup: bool,
}

/// Whether there may be one: without a session nothing is asked.
pub(super) fn is_there() -> bool {
    Paths::session_bus().is_some()
}

impl Service {
    /// Finds it, and what it can do.
    pub(super) async fn find() -> Result<Self, String> {
        bounded(async {
            let address = Paths::session_bus().unwrap_or_default();
            let builder = connection::Builder::address(address.as_str())?;
            let connection = builder.method_timeout(LIMIT).build().await?;
            let reply = connection.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &()).await?;
            let capabilities: Vec<String> = reply.body().deserialize()?;
            Ok(Self { connection, markup: capabilities.iter().any(|one| one == "body-markup") })
        })
        .await
    }

    pub(super) async fn show(&self, summary: &str, body: &str) -> Result<(), String> {
        let body = as_read(body, self.markup);
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

//! A stand-in for the desktop's password dialog (`org.gnome.keyring.SystemPrompter`), which closes what it is shown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zbus::blocking::{Connection, connection};
use zbus::message::Header;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

/// Counts what it was asked.
pub(crate) struct Prompter {
    asked: Arc<AtomicUsize>,
    _connection: Connection,
}

impl Prompter {
    pub(crate) fn start(address: &str) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let connection = connection::Builder::address(address)
            .and_then(|builder| builder.serve_at("/org/gnome/keyring/Prompter", Dialog { asked: asked.clone() }))
            .and_then(|builder| builder.name("org.gnome.keyring.SystemPrompter"))
            .and_then(connection::Builder::build)
            .expect("the prompter serves");
        Self { asked, _connection: connection }
    }

    /// How many dialogs it was asked to show.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct Dialog {
    asked: Arc<AtomicUsize>,
}

#[zbus::interface(name = "org.gnome.keyring.internal.Prompter")]
impl Dialog {
    fn begin_prompting(
        &self,
        callback: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) {
        ready(connection, &header, callback.into(), "");
    }

    fn perform_prompt(
        &self,
        callback: ObjectPath<'_>,
        _kind: &str,
        _properties: HashMap<String, OwnedValue>,
        _exchange: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        ready(connection, &header, callback.into(), "no");
    }

    fn stop_prompting(&self, _callback: ObjectPath<'_>) {}
}

/// Tells the keyring that the dialog was answered; from a thread, because it answers only after this call returned.
fn ready(connection: &zbus::Connection, header: &Header<'_>, callback: OwnedObjectPath, reply: &'static str) {
    let connection = Connection::from(connection.clone());
    let keyring = header.sender().expect("a sender").to_string();
    thread::spawn(move || {
        let interface = Some("org.gnome.keyring.internal.Prompter.Callback");
        let arguments = (reply, HashMap::<&str, Value<'_>>::new(), "");
        let told = connection.call_method(Some(keyring.as_str()), callback, interface, "PromptReady", &arguments);
        // The keyring may have ended with its test.
        drop(told);
    });
}

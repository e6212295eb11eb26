//! A stand-in for the desktop's password dialog (`org.gnome.keyring.SystemPrompter`), which closes what it is shown.
//!
//! The keyring takes "ready" only after its call has been answered, so one thread does both, in that order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

/// Counts what it was asked.
pub(crate) struct Prompter {
    asked: Arc<AtomicUsize>,
    connection: Connection,
}

impl Prompter {
    pub(crate) fn start(address: &str) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let connection = connection::Builder::address(address).and_then(connection::Builder::build).expect("a bus");
        let messages = MessageIterator::from(&connection);
        connection.request_name("org.gnome.keyring.SystemPrompter").expect("the name is free");
        let (answering, count) = (connection.clone(), asked.clone());
        // Ends with the connection.
        thread::spawn(move || {
            // The keyring may end with its test, in the middle of anything.
            messages.map_while(Result::ok).for_each(|message| drop(answer(&answering, &message, &count)));
        });
        Self { asked, connection }
    }

    /// How many dialogs it was asked to show.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Prompter {
    fn drop(&mut self) {
        let _ = self.connection.clone().close();
    }
}

fn answer(connection: &Connection, message: &Message, asked: &AtomicUsize) -> zbus::Result<()> {
    let header = message.header();
    let body = message.body();
    let (callback, reply) = match header.member().map(|member| member.as_str()) {
        Some("BeginPrompting") => (body.deserialize::<ObjectPath<'_>>()?.into(), ""),
        Some("PerformPrompt") => {
            type Asked = (OwnedObjectPath, String, HashMap<String, OwnedValue>, String);
            asked.fetch_add(1, Ordering::SeqCst);
            (body.deserialize::<Asked>()?.0, "no")
        }
        Some("StopPrompting") => return connection.reply(&header, &()),
        _ => return Ok(()),
    };
    connection.reply(&header, &())?;
    let ready = Message::method_call(callback, "PromptReady")?
        .destination(header.sender().expect("a sender").to_owned())?
        .interface("org.gnome.keyring.internal.Prompter.Callback")?
        .build(&(reply, HashMap::<&str, Value<'_>>::new(), ""))?;
    connection.send(&ready)
}

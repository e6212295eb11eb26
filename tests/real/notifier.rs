//! A stand-in for a desktop's notification service on a private bus (Desktop Notifications Specification): it keeps what it is
//! sent, whole.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::message::Type;
use zbus::zvariant::OwnedValue;

pub(crate) const NAME: &str = "org.freedesktop.Notifications";
/// Longer than a young grant is asked about once more, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// It serves until it is dropped.
pub(crate) struct Notifier {
    connection: Connection,
    shown: Receiver<Notification>,
    asked: Receiver<()>,
    goes_on: Sender<()>,
}

/// What somebody wants shown.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) app: String,
    pub(crate) summary: String,
    pub(crate) body: String,
    /// The whole of it.
    pub(crate) bytes: Vec<u8>,
}

/// Whether it answers, hangs until it is told to go on, or is gone with what it is to show.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Well,
    Hanging,
    Ending,
}

impl Notifier {
    pub(crate) fn start(address: &str, mood: Mood) -> Self {
        let connection = connection::Builder::address(address).and_then(connection::Builder::build).expect("a bus");
        let messages = MessageIterator::from(&connection);
        connection.request_name(NAME).expect("the name is free");
        let (answering, (show, shown), (ask, asked)) = (connection.clone(), channel(), channel());
        let (goes_on, to_go_on) = channel();
        // Ends with the connection.
        thread::spawn(move || {
            for message in messages.map_while(Result::ok).filter(|message| message.message_type() == Type::MethodCall) {
                let _ = ask.send(());
                if mood == Mood::Hanging {
                    let _ = to_go_on.recv();
                }
                let is_last = message.header().member().is_some_and(|member| member == "Notify");
                let _ = match mood == Mood::Ending && is_last {
                    true => answering.clone().close(),
                    false => Ok(()),
                };
                let _ = answer(&answering, &message, &show);
            }
        });
        Self { connection, shown, asked, goes_on }
    }

    /// The next that comes.
    #[track_caller]
    pub(crate) fn next(&self) -> Notification {
        self.shown.recv_timeout(LIMIT).expect("a notification")
    }

    /// What has come and was not looked at.
    pub(crate) fn left(&self) -> Vec<Notification> {
        self.shown.try_iter().collect()
    }

    /// It hangs no more.
    pub(crate) fn go_on(&self) {
        for _ in 0..10 {
            self.goes_on.send(()).expect("it hangs");
        }
    }

    /// Until somebody asks anything of it.
    #[track_caller]
    pub(crate) fn asked(&self) {
        self.asked.recv_timeout(LIMIT).expect("somebody asks");
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.connection.clone().close();
    }
}

fn answer(connection: &Connection, message: &Message, show: &Sender<Notification>) -> zbus::Result<()> {
    type Arguments = (String, u32, String, String, String, Vec<String>, HashMap<String, OwnedValue>, i32);
    let header = message.header();
    match header.member().map(|member| member.as_str()) {
        Some("GetCapabilities") => connection.reply(&header, &vec!["body", "body-markup", "persistence"]),
        Some("Notify") => {
            let body = message.body();
            let (app, replaces, _icon, summary, text, actions, hints, _timeout): Arguments = body.deserialize()?;
            assert!(replaces == 0 && actions.is_empty() && hints.contains_key("urgency"));
            let _ = show.send(Notification { app, summary, body: text, bytes: body.data().bytes().to_vec() });
            connection.reply(&header, &7u32)
        }
        _ => Ok(()),
    }
}

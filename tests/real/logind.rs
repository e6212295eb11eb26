//! A stand-in for systemd-logind on a private bus: it checks what it is asked, and announces what a test says.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::zvariant::{ObjectPath, Value};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const LIMIT: Duration = Duration::from_secs(20);

/// It answers until it is dropped.
pub(crate) struct Logind {
    connection: Connection,
    delays: Receiver<Delay>,
}

/// A sleep that somebody holds up.
pub(crate) struct Delay {
    /// What, who, why, and how.
    pub(crate) arguments: (String, String, String, String),
    held: std::fs::File,
}

impl Delay {
    /// Until nobody holds it any more.
    #[track_caller]
    pub(crate) fn released(mut self) {
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(self.held.read_to_end(&mut Vec::new()).is_ok()));
        assert_eq!(ended.recv_timeout(LIMIT), Ok(true), "the sleep is held up too long");
    }
}

impl Logind {
    pub(crate) fn start(address: &str) -> Self {
        let connection = connection::Builder::address(address).and_then(connection::Builder::build).expect("a bus");
        let messages = MessageIterator::from(&connection);
        connection.request_name(NAME).expect("the name is free");
        let (answering, (sender, delays)) = (connection.clone(), channel());
        // Ends with the connection.
        thread::spawn(move || {
            messages.map_while(Result::ok).for_each(|message| drop(answer(&answering, &message, &sender)));
        });
        Self { connection, delays }
    }

    /// The next sleep that somebody asks to hold up.
    #[track_caller]
    pub(crate) fn delay(&self) -> Delay {
        self.delays.recv_timeout(LIMIT).expect("a delay is asked for")
    }

    /// Announces that the machine goes to sleep, or is awake.
    pub(crate) fn announce_sleep(&self, asleep: bool) {
        self.connection.emit_signal(None::<&str>, PATH, MANAGER, "PrepareForSleep", &(asleep,)).expect("sent");
    }

    /// Announces that the screen of a session was locked: of this user's, or of another's.
    pub(crate) fn announce_screen_lock(&self, session: &str) {
        let path = format!("{PATH}/session/{session}");
        self.connection.emit_signal(None::<&str>, path, SESSION, "Lock", &()).expect("sent");
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        let _ = self.connection.clone().close();
    }
}

/// Another user's session, and one of ours.
pub(crate) const OTHERS: &str = "c1";
pub(crate) const OWN: &str = "c2";

fn answer(connection: &Connection, message: &Message, delays: &Sender<Delay>) -> zbus::Result<()> {
    let header = message.header();
    match header.member().map(|member| member.as_str()) {
        Some("Inhibit") => {
            let (held, handle) = rustix::pipe::pipe().expect("a pipe");
            connection.reply(&header, &zbus::zvariant::OwnedFd::from(handle))?;
            let arguments = message.body().deserialize()?;
            let _ = delays.send(Delay { arguments, held: held.into() });
            Ok(())
        }
        Some("Get") => {
            let own = rustix::process::getuid().as_raw();
            let path = header.path().expect("a path").to_string();
            let uid = if path.ends_with(OWN) { own } else { own + 1 };
            let user = (uid, ObjectPath::try_from("/org/freedesktop/login1/user/x").expect("a path"));
            connection.reply(&header, &Value::from(user))
        }
        _ => Ok(()),
    }
}

/// Somebody else on the bus says all that logind says, that logind is somebody else among it: to all, and to each that is there
/// alone, as nobody can forbid. How many were sent to.
pub(crate) fn forged(address: &str) -> usize {
    let stranger = connection::Builder::address(address).and_then(connection::Builder::build).expect("a bus");
    let bus = zbus::blocking::fdo::DBusProxy::new(&stranger).expect("the bus itself");
    let names = bus.list_names().expect("names").into_iter().map(|name| name.to_string());
    let each: Vec<String> = names.filter(|name| name.starts_with(':')).collect();
    let own = stranger.unique_name().expect("a name").to_string();
    let session = format!("{PATH}/session/{OWN}");
    let hint = std::collections::HashMap::from([("LockedHint", Value::from(true))]);
    for name in each.iter().map(|name| Some(name.as_str())).chain([None]) {
        let send =
            |path: &str, interface, member, body: &dyn Fn(zbus::message::Builder<'_>) -> zbus::Result<Message>| {
                let signal = Message::signal(path, interface, member).and_then(|signal| match name {
                    Some(name) => signal.destination(name),
                    None => Ok(signal),
                });
                stranger.send(&signal.and_then(body).expect("a signal")).expect("sent");
            };
        let bus_name = "org.freedesktop.DBus";
        send("/org/freedesktop/DBus", bus_name, "NameOwnerChanged", &|signal| signal.build(&(NAME, "", own.as_str())));
        send(PATH, MANAGER, "PrepareForSleep", &|signal| signal.build(&(true,)));
        send(&session, SESSION, "Lock", &|signal| signal.build(&()));
        let changed = (SESSION, &hint, Vec::<&str>::new());
        send(&session, "org.freedesktop.DBus.Properties", "PropertiesChanged", &|signal| signal.build(&changed));
    }
    // Answered behind everything that was sent before.
    bus.get_id().expect("an answer");
    each.len()
}

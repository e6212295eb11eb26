//! Linux: systemd-logind on the system bus (org.freedesktop.login1(5)).
//!
//! Its word alone counts: other users of the bus can send us signals of the same name. Without it the agent waits for
//! nothing; when it appears, or is started anew, it is heard.

use std::pin::Pin;
use std::time::Duration;

use tracing::debug;
use zbus::export::futures_core::Stream as _;
use zbus::fdo::DBusProxy;
use zbus::message::{Message, Type};
use zbus::names::BusName;
use zbus::zvariant::{OwnedFd, OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, MatchRule, MessageStream, connection};

use super::News;

const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
/// How long the bus and logind have for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// A connection to the bus, and the delay that holds up a sleep while it is open.
pub(super) struct Session {
    connection: Connection,
    messages: MessageStream,
    /// Logind's own name on the bus, while it is there.
    logind: Option<String>,
    delay: Option<OwnedFd>,
}

impl Session {
    /// With `screen`, screen locks are listened for too.
    pub(super) async fn connect(screen: bool) -> Result<Self, String> {
        let session = tokio::time::timeout(LIMIT, Self::listen(screen)).await;
        let mut session = match session {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return Err(format!("the system's bus cannot be used: {error}")),
            Err(_) => return Err("the system's bus does not answer".to_owned()),
        };
        session.delay_sleep().await;
        Ok(session)
    }

    async fn listen(screen: bool) -> zbus::Result<Self> {
        let connection = connection::Builder::system()?.method_timeout(LIMIT).build().await?;
        let messages = MessageStream::from(&connection);
        let bus = DBusProxy::new(&connection).await?;
        let signal = || MatchRule::builder().msg_type(Type::Signal);
        let mut rules = vec![
            signal().sender(LOGIND)?.interface(MANAGER)?.member("PrepareForSleep")?.build(),
            signal().sender(BUS)?.interface(BUS)?.member("NameOwnerChanged")?.arg(0, LOGIND)?.build(),
        ];
        if screen {
            rules.push(signal().sender(LOGIND)?.interface(SESSION)?.member("Lock")?.build());
            // Some desktops lock by themselves and only leave a hint.
            let hint = signal().sender(LOGIND)?.interface(PROPERTIES)?.member("PropertiesChanged")?;
            rules.push(hint.arg(0, SESSION)?.build());
        }
        for rule in rules {
            bus.add_match_rule(rule).await?;
        }
        let logind = bus.get_name_owner(BusName::try_from(LOGIND)?).await.ok().map(|owner| owner.to_string());
        Ok(Self { connection, messages, logind, delay: None })
    }

    /// Until something is announced; `None` once the bus is gone.
    pub(super) async fn next(&mut self) -> Option<News> {
        loop {
            let messages = &mut self.messages;
            let message = std::future::poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await?.ok()?;
            if let Some(news) = self.news_in(&message).await {
                return Some(news);
            }
        }
    }

    /// Asks that a sleep be held up from now on. Refused or not, a sleep is heard of.
    pub(super) async fn delay_sleep(&mut self) {
        if self.delay.is_some() || self.logind.is_none() {
            return;
        }
        let arguments = ("sleep", "cred-helper", "Refreshes of access tokens under way end first", "delay");
        let called = self.connection.call_method(Some(LOGIND), PATH, Some(MANAGER), "Inhibit", &arguments).await;
        match called.and_then(|reply| reply.body().deserialize::<OwnedFd>()) {
            Ok(delay) => self.delay = Some(delay),
            Err(error) => debug!("a sleep cannot be held up: {error}"),
        }
    }

    /// It is held up no longer.
    pub(super) fn let_sleep(&mut self) {
        self.delay = None;
    }

    async fn news_in(&mut self, message: &Message) -> Option<News> {
        if message.message_type() != Type::Signal {
            return None;
        }
        let header = message.header();
        let member = header.member()?.as_str();
        let sender = header.sender()?.as_str();
        if sender == BUS {
            let (name, _, owner): (String, String, String) = message.body().deserialize().ok()?;
            if member == "NameOwnerChanged" && name == LOGIND {
                self.logind = (!owner.is_empty()).then_some(owner);
                self.delay = None;
                self.delay_sleep().await;
            }
            return None;
        }
        if self.logind.as_deref() != Some(sender) {
            return None;
        }
        match (header.interface()?.as_str(), member) {
            (MANAGER, "PrepareForSleep") => {
                let asleep: bool = message.body().deserialize().ok()?;
                Some(if asleep { News::GoingToSleep } else { News::Awake })
            }
            (SESSION, "Lock") => self.own(header.path()?.to_owned().into()).await,
            (PROPERTIES, "PropertiesChanged") => {
                let body = message.body();
                let (_, changed, _): (&str, std::collections::HashMap<&str, Value<'_>>, Vec<&str>) =
                    body.deserialize().ok()?;
                let locked = changed.get("LockedHint").is_some_and(|hint| *hint == Value::Bool(true));
                if locked { self.own(header.path()?.to_owned().into()).await } else { None }
            }
            _ => None,
        }
    }

    /// Whether it is a session of this user whose screen was locked: logind tells of everybody's.
    async fn own(&self, session: OwnedObjectPath) -> Option<News> {
        let called = self.connection.call_method(Some(LOGIND), &session, Some(PROPERTIES), "Get", &(SESSION, "User"));
        let user: OwnedValue = called.await.ok()?.body().deserialize().ok()?;
        let (uid, _): (u32, OwnedObjectPath) = user.try_into().ok()?;
        (uid == rustix::process::getuid().as_raw()).then_some(News::ScreenLocked)
    }
}

//! What a person is told without asking: that a login is dead, that a login or an API key ends before long, and, if that is
//! wished, that the other one of the two answers.
//!
//! A death and a warning are told once. That is kept in the record before it is shown: whoever dies in between has told
//! nobody, but nobody hears the same twice. Where nothing shows notifications nothing is kept, and it is told once something
//! does: a desktop that appears is heard of. Nothing waits for any of this. What shows them is one file for each system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
use other as system;

use std::sync::Arc;

use tracing::{debug, warn};

use tokio::sync::{Mutex, Notify};

use self::system::Desktop;
use super::Agent;
use super::accounts::Account;
use super::ends::{Ending, is_news};
use super::resolve::login_hint;
use crate::account::AccountName;
use crate::clock::Moment;
use crate::fault;
use crate::ipc::message::Error;
use crate::ipc::message::event::Ends;
use crate::ipc::message::token::AuthMethod;
use crate::vault::record::Record;

/// Who tells, and that there is more to tell.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// False in tests: nothing of theirs is shown to anybody.
    shown: bool,
    telling: Arc<Mutex<()>>,
    more: Notify,
}

impl Notices {
    pub(super) fn new(shown: bool) -> Self {
        Self { shown, ..Self::default() }
    }
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// The server says that the grant is dead.
    Death,
    /// It ends within so many days; with zero, it has ended.
    Ending { what: Ends, within: u16, ended: bool },
    /// Another source answers.
    Source(AuthMethod),
}

/// A notification: the account and what to do, and never a server's words.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    summary: String,
    body: String,
}

impl Notice {
    /// What is to be told of an account, and was not.
    fn of(account: &Account, now: Moment) -> Option<Self> {
        let told = account.record.told;
        if account.record.dead.is_some() {
            return (!told.death && account.barred.is_none()).then_some(Self::Death);
        }
        let ending = Ending::of(account, now)?;
        let within = ending.within(now.wall).filter(|within| is_news(told.ends_within, Some(*within)))?;
        Some(Self::Ending { what: ending.what, within, ended: ending.at <= now.wall })
    }

    fn keep(self, record: &mut Record) {
        match self {
            Self::Death => record.told.death = true,
            Self::Ending { within, .. } => record.told.ends_within = Some(within),
            Self::Source(_) => {}
        }
    }

    fn text(self, account: &AccountName) -> Text {
        let login = format!("cred-helper login {}", login_hint(account));
        let (summary, body) = match self {
            Self::Death => (
                format!("{account} is signed out"),
                format!("Its server takes this login no more. To sign in again, run: {login}"),
            ),
            Self::Ending { what, within, ended } => {
                let (what, mended) = match what {
                    Ends::ApiKey => ("API key", format!("To store another, run: cred-helper api-key set {account}")),
                    _ => ("login", format!("To sign in anew, run: {login}")),
                };
                let when = if ended { "has ended".to_owned() } else { format!("ends within {within} days") };
                (format!("{account}: its {what} {when}"), mended)
            }
            Self::Source(AuthMethod::ApiKey) => {
                (format!("{account}: its API key answers"), "To see why, run: cred-helper status".to_owned())
            }
            Self::Source(_) => (
                format!("{account}: its login answers again"),
                "Its API key is not used any more. To see more, run: cred-helper status".to_owned(),
            ),
        };
        Text { summary, body }
    }
}

impl Agent {
    /// Whether notifications are wished for, and there is something that may show them.
    fn notifies(&self) -> bool {
        self.notices.shown && self.config.notifications.enabled && system::is_there()
    }

    /// Tells what nobody was told yet. Waits for nothing.
    pub(super) fn tell(self: &Arc<Self>) {
        if !self.notifies() || self.untold().is_empty() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.notices.telling).try_lock_owned() else {
            return self.notices.more.notify_one();
        };
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(why) = agent.tell_all().await {
                debug!("nothing shows notifications: {why}");
            }
        });
    }

    /// Until everything is told, however long a desktop takes to appear; an error if there is nothing to wait for.
    async fn tell_all(self: &Arc<Self>) -> Result<(), String> {
        let mut desktop = Desktop::connect().await?;
        let mut started = false;
        loop {
            match desktop.is_ready(started).await {
                Ok(()) => self.tell_now(&desktop).await,
                Err(why) => debug!("nothing shows notifications yet: {why}"),
            }
            if self.untold().is_empty() {
                return Ok(());
            }
            started = tokio::select! {
                appeared = desktop.appears() => appeared.map(|()| true)?,
                () = self.notices.more.notified() => false,
            };
        }
    }

    async fn tell_now(self: &Arc<Self>, desktop: &Desktop) {
        for (incarnation, name, notice) in self.untold() {
            if let Err(error) = self.keep_told(incarnation, notice).await {
                warn!(account = %name, "nobody is told yet: {}", error.message);
                continue;
            }
            fault::point("notice.show");
            if !show(desktop, &notice.text(&name)).await {
                // What is left waits for a desktop that shows it.
                return;
            }
        }
    }

    /// The account answers with another source than before.
    pub(super) fn tell_source(self: &Arc<Self>, account: &AccountName, method: AuthMethod) {
        if !self.config.notifications.source_changes || !self.notifies() {
            return;
        }
        let text = Notice::Source(method).text(account);
        tokio::spawn(async move {
            let Ok(desktop) = Desktop::connect().await else { return };
            if desktop.is_ready(false).await.is_ok() {
                show(&desktop, &text).await;
            }
        });
    }

    fn untold(&self) -> Vec<(u64, AccountName, Notice)> {
        let now = self.clock.moment();
        let table = self.table();
        let of = |account: &Account| {
            let notice = Notice::of(account, now)?;
            Some((account.record.incarnation, account.record.account.clone(), notice))
        };
        table.all().filter_map(of).collect()
    }

    async fn keep_told(self: &Arc<Self>, incarnation: u64, notice: Notice) -> Result<(), Error> {
        let _pass = self.gate.change().await;
        self.change(incarnation, |record| notice.keep(record)).await
    }
}

/// Whether it was shown, as far as can be known.
async fn show(desktop: &Desktop, text: &Text) -> bool {
    let shown = desktop.show(&text.summary, &text.body).await;
    shown.inspect_err(|why| debug!("a notification was not shown: {why}")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_account_and_the_command() {
        let account: AccountName = "example/work".parse().unwrap();
        let ending = |what, within, ended| Notice::Ending { what, within, ended };
        let table = [
            (Notice::Death, "example/work is signed out", "cred-helper login example --account work"),
            (
                ending(Ends::RefreshToken, 14, false),
                "example/work: its login ends within 14 days",
                "cred-helper login example --account work",
            ),
            (
                ending(Ends::ApiKey, 3, false),
                "example/work: its API key ends within 3 days",
                "cred-helper api-key set example/work",
            ),
            (
                ending(Ends::ApiKey, 3, true),
                "example/work: its API key has ended",
                "cred-helper api-key set example/work",
            ),
            (Notice::Source(AuthMethod::ApiKey), "example/work: its API key answers", "cred-helper status"),
            (Notice::Source(AuthMethod::Oauth), "example/work: its login answers again", "cred-helper status"),
        ];
        for (notice, summary, command) in table {
            let text = notice.text(&account);
            assert_eq!(text.summary, summary);
            assert!(text.body.ends_with(&format!("run: {command}")), "{text:?}");
        }
    }
}

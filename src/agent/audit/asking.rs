//! One request on its way to the log: what is known of it grows while it is answered, and its end writes it down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Audit;
use crate::clock::Clock;
use crate::ipc::message::account::{RenameAccount, SetDefault, TrustProject};
use crate::ipc::message::agent::{RestartAgent, StopAgent};
use crate::ipc::message::api_key::{RemoveApiKey, SetApiKey};
use crate::ipc::message::audit::{Entry, Outcome, Program};
use crate::ipc::message::aws::AssumeRole;
use crate::ipc::message::import::{ExportAccount, ImportAccount};
use crate::ipc::message::login::{Logout, StartLogin};
use crate::ipc::message::password::{RemovePassword, StorePassword};
use crate::ipc::message::token::{GetToken, RefreshToken, RejectToken};
use crate::ipc::message::vault::{AddSlot, Adopt, Lock, RemoveSlot, Reset, Unlock};
use crate::ipc::message::{Error, ErrorKind, Method};
use crate::ipc::server::{Origin, Peer};
use crate::redact;

/// The methods that are logged: what hands out a token, and what changes something.
const LOGGED: &[&str] = &[
    GetToken::NAME,
    AssumeRole::NAME,
    RefreshToken::NAME,
    RejectToken::NAME,
    StartLogin::NAME,
    ImportAccount::NAME,
    ExportAccount::NAME,
    Logout::NAME,
    SetApiKey::NAME,
    RemoveApiKey::NAME,
    StorePassword::NAME,
    RemovePassword::NAME,
    RenameAccount::NAME,
    SetDefault::NAME,
    TrustProject::NAME,
    Lock::NAME,
    Unlock::NAME,
    AddSlot::NAME,
    RemoveSlot::NAME,
    Adopt::NAME,
    Reset::NAME,
    RestartAgent::NAME,
    StopAgent::NAME,
];

/// The name of a method that is logged.
fn logged(method: &str) -> Option<&'static str> {
    LOGGED.iter().copied().find(|logged| *logged == method)
}

#[derive(Default)]
struct Note {
    /// Mostly one; a logout may be of many, and each has an entry.
    accounts: Vec<String>,
    detail: Option<String>,
    /// What will have come of it, once it has `ended`.
    outcome: Option<Outcome>,
    error: Option<ErrorKind>,
    ended: bool,
}

/// One request that is logged when it ends, or when its caller leaves.
pub(in super::super) struct Asking {
    method: Option<&'static str>,
    audit: Option<Arc<Audit>>,
    clock: Arc<dyn Clock>,
    peer: Peer,
    note: Mutex<Note>,
}

impl Asking {
    /// A request that begins. Who is behind it is looked up now, while it is sure to be there.
    pub(in super::super) fn new(method: &str, peer: Peer, audit: &Arc<Audit>, clock: &Arc<dyn Clock>) -> Self {
        let method = logged(method);
        let audit = method.filter(|_| audit.writer.is_some()).map(|_| Arc::clone(audit));
        if audit.is_some() {
            peer.origin();
        }
        Self { method, audit, clock: Arc::clone(clock), peer, note: Mutex::default() }
    }

    /// A request that nobody sent and nobody logs.
    #[cfg(test)]
    pub(in super::super) fn nobodys() -> Self {
        let peer = Peer::new(None, None);
        Self { method: None, audit: None, clock: Arc::new(crate::clock::SystemClock), peer, note: Mutex::default() }
    }

    /// Whose request it is.
    pub(in super::super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// It is about this account: one there is, or one that is being made.
    pub(in super::super) fn about(&self, account: impl ToString) {
        let (mut note, account) = (self.note(), account.to_string());
        if !note.accounts.contains(&account) {
            note.accounts.push(account);
        }
    }

    /// What else there is to say of it; never what a caller sent as it is.
    pub(in super::super) fn detail(&self, detail: impl ToString) {
        self.note().detail = Some(detail.to_string());
    }

    /// The same, after what was said already.
    pub(in super::super) fn add_detail(&self, detail: &str) {
        let mut note = self.note();
        note.detail = Some(note.detail.take().map_or_else(|| detail.to_owned(), |said| format!("{said}; {detail}")));
    }

    /// What will have come of it, if it ends well.
    pub(in super::super) fn outcome(&self, outcome: Outcome) {
        self.note().outcome = Some(outcome);
    }

    /// Whether it is answered with a token that was there.
    pub(in super::super) fn is_cached(&self) -> bool {
        self.note().outcome == Some(Outcome::Cached)
    }

    /// It is answered.
    pub(in super::super) fn end(self, error: Option<&Error>) {
        let mut note = self.note();
        note.ended = true;
        let Some(error) = error else {
            note.outcome.get_or_insert(Outcome::Done);
            return;
        };
        use ErrorKind as K;
        let denied = matches!(error.kind(), K::NotAllowed | K::NotConfirmed | K::RateLimited | K::ProjectUntrusted);
        note.outcome = Some(if denied { Outcome::Denied } else { Outcome::Failed });
        note.error = Some(error.kind());
        if note.accounts.is_empty() {
            note.accounts.extend(error.data.account.clone());
        }
    }

    fn note(&self) -> MutexGuard<'_, Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let (Some(audit), Some(method)) = (&self.audit, self.method) else { return };
        let Note { accounts, detail, outcome, error, ended } = std::mem::take(&mut *self.note());
        let outcome = outcome.filter(|_| ended).unwrap_or(Outcome::Left);
        let mut entry = entry(method, &self.peer, &*self.clock, outcome, error);
        entry.detail = detail.map(|detail| redact::visible(&detail));
        for account in accounts.iter().map(Some).chain(accounts.is_empty().then_some(None)) {
            audit.write(Entry { account: account.map(|account| redact::visible(account)), ..entry.clone() });
        }
    }
}

/// An entry of a peer that was not let in.
pub(super) fn refused(peer: &Peer, clock: &dyn Clock) -> Entry {
    entry("connect", peer, clock, Outcome::Failed, Some(ErrorKind::Refused))
}

fn entry(method: &str, peer: &Peer, clock: &dyn Clock, outcome: Outcome, error: Option<ErrorKind>) -> Entry {
    Entry {
        at: clock.now(),
        until: None,
        count: 1,
        method: method.to_owned(),
        account: None,
        detail: None,
        uid: peer.uid,
        pid: peer.pid,
        program: program(peer.origin()),
        outcome,
        error,
    }
}

/// A program as it may be shown.
fn program(origin: &Origin) -> Program {
    let Origin { path, name, pid, started: _ } = origin;
    Program {
        path: path.as_ref().map(|path| redact::visible(&path.to_string_lossy())),
        name: name.as_deref().map(redact::visible),
        pid: *pid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests that only look, or belong to one that is logged.
    const LOOKS: &[&str] = &[
        "agent.hello",
        "agent.status",
        "agent.doctor",
        "account.list",
        "account.show",
        "password.list",
        "provider.list",
        "provider.show",
        "provider.check",
        "vault.status",
        "events.subscribe",
        "audit.read",
        "login.paste",
        "login.cancel",
    ];
    const NOTIFICATIONS: &[&str] = &["event", "audit.entry", "login.authorize", "login.progress"];

    #[test]
    fn every_method_is_logged_or_only_looks() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ipc/message");
        for file in std::fs::read_dir(directory).expect("a directory") {
            let text = std::fs::read_to_string(file.expect("an entry").path()).expect("text");
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("const NAME: &'static str = \"")) {
                let name = line.trim_end_matches("\";");
                let known = [LOGGED, LOOKS, NOTIFICATIONS].iter().filter(|list| list.contains(&name)).count();
                assert_eq!(known, 1, "{name}: in LOGGED, or in LOOKS above");
            }
        }
    }
}

//! An account that another program owns: its file is looked at whenever the account is asked for, and read when it has
//! changed. Nothing of it is ever refreshed here.

use std::path::Path;
use std::sync::Arc;

use tracing::{info, warn};

use super::accounts::{Account, Variant};
use super::{Agent, blocking, fingerprint};
use crate::clock::Moment;
use crate::import::{Document, Found, Pointers, Stamp, file};
use crate::ipc::message::event::Change;
use crate::ipc::message::import::{ImportSource, ImportedFrom};
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;
use crate::token::TokenSet;

/// What a look at the file brought.
enum Look {
    Unchanged,
    Read(Box<Found>, Option<Stamp>),
    Failed(String),
}

impl Agent {
    /// Looks whether the program that owns this account has written another token, and takes it. True if it has.
    pub(super) async fn reread(self: &Arc<Self>, incarnation: u64) -> bool {
        let found = self.table().get(incarnation).and_then(|account| {
            let source = &account.record.read_only()?.source;
            source.path.is_some().then(|| (source.clone(), account.seen))
        });
        let Some((source, seen)) = found else { return false };
        match blocking(move || look(&source, seen)).await {
            Ok(Look::Read(found, stamp)) => {
                self.note_unread(incarnation, stamp, None);
                self.take_reread(incarnation, *found).await
            }
            Ok(Look::Failed(why)) => {
                self.note_unread(incarnation, None, Some(why));
                false
            }
            Ok(Look::Unchanged) | Err(_) => false,
        }
    }

    /// A disk that refuses it costs nothing: it is in the program's own file all the same.
    async fn take_reread(self: &Arc<Self>, incarnation: u64, found: Found) -> bool {
        let Some(before) = self.table().get(incarnation).map(|account| Arc::clone(&account.record)) else {
            return false;
        };
        let same = found.access_token.as_ref().is_some_and(|access| before.tokens.access.matches(access));
        if same && before.tokens.expires_at == found.expires_at {
            return false;
        }
        let now = self.clock.moment();
        let tokens = token_set(found, now);
        let kept = self.change(incarnation, |record| {
            record.tokens = tokens.duplicate();
            record.refreshed_at = Some(now.wall);
        });
        if let Err(error) = kept.await {
            warn!(account = %before.account, "a token read anew is in memory alone: {}", error.message);
            let mut record = before.duplicate();
            record.tokens = tokens;
            record.refreshed_at = Some(now.wall);
            self.install(incarnation, Arc::new(record), None);
        }
        let mut table = self.table();
        let Some(account) = table.get_mut(incarnation) else { return false };
        account.refused = None;
        account.problem = None;
        account.not_before = None;
        account.granted = now;
        let (name, expires_at) = (account.record.account.to_string(), account.record.tokens.expires_at);
        table.remember_replaced(incarnation, fingerprint(&before.tokens.access));
        drop(table);
        info!(account = name, "read anew");
        self.announce(Change::Refreshed { account: name, expires_at });
        true
    }

    fn note_unread(&self, incarnation: u64, seen: Option<Stamp>, unread: Option<String>) {
        if let Some(account) = self.table().get_mut(incarnation) {
            account.seen = seen;
            account.unread = unread;
        }
    }
}

/// Reads the file if it isn't as it was when it was last read.
fn look(source: &ImportSource, seen: Option<Stamp>) -> Look {
    let path = Path::new(source.path.as_deref().unwrap_or_default());
    if seen.is_some() && file::stamp(path).ok() == seen {
        return Look::Unchanged;
    }
    let contents = match file::read(path) {
        Ok(contents) => contents,
        Err(error) => return Look::Failed(error.to_string()),
    };
    let pointers = Pointers {
        access_token: source.access_token.clone(),
        expires_at: source.expires_at.clone(),
        scope: source.scope.clone(),
        ..Pointers::default()
    };
    let document = Document::parse(&contents.text, source.format);
    match document.and_then(|document| pointers.read(&document)) {
        Ok(found) => Look::Read(Box::new(found), contents.stamp),
        Err(error) => Look::Failed(format!("{} cannot be used: {error}", path.display())),
    }
}

/// The access token alone; an empty one where there is none yet.
pub(super) fn token_set(found: Found, now: Moment) -> TokenSet {
    TokenSet {
        access: found.access_token.unwrap_or_else(|| Secret::from(String::new())),
        refresh: None,
        refresh_end: None,
        id: None,
        token_type: "Bearer".to_owned(),
        expires_at: found.expires_at,
        id_expires_at: None,
        obtained_at: now.wall,
        obtained_boot: now.boot,
        scope: found.scope,
    }
}

/// What is said to whoever needs a newer token than the program has written.
pub(super) fn not_renewed(account: &Account, imported: &ImportedFrom, variant: &Variant) -> Error {
    let (name, source) = (&account.record.account, &imported.source);
    if !variant.is_plain() {
        let message = format!("{name}: it is read from {}, which has one token and no others", source.shown());
        return Error::new(ErrorKind::NoSuchToken, message).account(name);
    }
    let message = match (&source.path, &account.unread) {
        (None, _) => format!("{name}: the imported token has ended: import a new one, or log in here"),
        (Some(_), Some(why)) => format!("{name}: the imported token is of no more use, and {why}"),
        (Some(path), None) => {
            let from = source.program.as_deref().unwrap_or(path);
            format!(
                "{name}: the token in {path} is of no more use, and its program has not renewed it: start that, or take the \
                 login over with `cred-helper import {name} --from {from} --own`"
            )
        }
    };
    Error::new(ErrorKind::LoginRequired, message).account(name)
}

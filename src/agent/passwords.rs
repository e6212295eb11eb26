//! Passwords that are kept for URLs, so that a tool needs no second helper: they answer where no account does.
//!
//! They rest in the vault beside the logins, and in memory sealed as tokens are. Nothing refreshes them and no server is
//! asked: they are stored by whoever saw them accepted, and forgotten by whoever saw them refused or by a person.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::info;

use super::accounts::Fingerprint;
use super::audit::Asking;
use super::targets::{nothing_here, shown};
use super::{Agent, fingerprint, random, to_the_end};
use crate::clock::Timestamp;
use crate::config::Rule;
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::password::{
    KeptPassword, PasswordStored, Passwords, RemovePassword, StoreOutcome, StorePassword,
};
use crate::ipc::message::token::{AuthMethod, ForTarget, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::target::Target;
use crate::secret::Secret;
use crate::token::TokenKind;
use crate::vault::RecordId;
use crate::vault::record::{Place, Record};

/// More than any password; a registry's key file in JSON fits.
const LONGEST: usize = 16 * 1024;
const LONGEST_NAME: usize = 256;
/// More than anybody has; something has gone wild.
const MOST: usize = 1000;

/// One password.
#[derive(Debug)]
pub(super) struct Kept {
    stored: (RecordId, u64),
    record: Record,
    place: Place,
    /// The place as it is compared.
    target: Target,
    fingerprint: Fingerprint,
}

impl Kept {
    /// A record that is of a password; `None` if it is not.
    pub(super) fn of(stored: (RecordId, u64), record: Record) -> Option<Self> {
        let place = record.place.clone()?;
        let target = Target::of_request(&place.url).and_then(|url| url.of_user(&place.username)).ok()?;
        let fingerprint = fingerprint(&record.tokens.access);
        Some(Self { stored, record, place, target, fingerprint })
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.record.tokens.expires_at.is_some_and(|end| end <= now)
    }

    fn told(&self) -> KeptPassword {
        let Place { url, username, turn: _ } = self.place.clone();
        let tokens = &self.record.tokens;
        KeptPassword { url, username, stored_at: tokens.obtained_at, expires_at: tokens.expires_at }
    }
}

/// All of them, by their places: a question looks at those of its host alone.
#[derive(Debug, Default)]
pub(super) struct Kepts(HashMap<Target, Vec<Kept>>);

impl Kepts {
    fn all(&self) -> impl Iterator<Item = &Kept> {
        self.0.values().flatten()
    }

    fn at(&self, target: &Target) -> Option<&Kept> {
        self.0.get(&target.of_anybody())?.iter().find(|kept| kept.target == *target)
    }

    /// Puts one in. Of two for the same place and user the newer counts.
    pub(super) fn insert(&mut self, kept: Kept) {
        let here = self.0.entry(kept.target.of_anybody()).or_default();
        match here.iter_mut().find(|other| other.target == kept.target) {
            Some(other) if other.place.turn > kept.place.turn => {}
            Some(other) => *other = kept,
            None => here.push(kept),
        }
    }

    /// The one that answers: the closest, of several users the latest.
    fn answering(&self, asked: &Target, now: Timestamp) -> Option<&Kept> {
        asked.closest(|place| {
            let here = self.0.get(place)?.iter().filter(|kept| !kept.is_over(now) && kept.target.is_meant_by(asked));
            here.max_by_key(|kept| kept.place.turn)
        })
    }

    /// For people and for lists, sorted.
    pub(super) fn told(&self) -> Vec<KeptPassword> {
        let mut told: Vec<_> = self.all().map(Kept::told).collect();
        told.sort_by(|a, b| (&a.url, &a.username).cmp(&(&b.url, &b.username)));
        told
    }

    fn ids(&self, is_meant: impl Fn(&Kept) -> bool) -> Vec<RecordId> {
        self.all().filter(|kept| is_meant(kept)).map(|kept| kept.stored.0.clone()).collect()
    }

    fn take(&mut self, id: &RecordId) -> Option<Kept> {
        let (place, at) = self.0.iter().find_map(|(place, here)| {
            let at = here.iter().position(|kept| kept.stored.0 == *id)?;
            Some((place.clone(), at))
        })?;
        let here = self.0.get_mut(&place)?;
        let taken = here.swap_remove(at);
        if here.is_empty() {
            self.0.remove(&place);
        }
        Some(taken)
    }
}

impl Agent {
    /// `token.get` for a target that no account answers for.
    pub(super) fn answer_password(
        &self,
        url: &str,
        target: &Target,
        opened: Result<(), Error>,
        asking: &Asking,
    ) -> Result<Token, Error> {
        let nothing = || nothing_here(target);
        let asked = Target::of_request(url).map_err(|_| nothing())?;
        if self.is_left_alone(target) {
            return Err(nothing());
        }
        if let Err(error) = opened {
            return Err(if self.vault.keeps_passwords() { error } else { nothing() });
        }
        let table = self.table();
        let kept = table.passwords.answering(&asked, self.clock.now()).ok_or_else(nothing)?;
        asking.outcome(Outcome::Cached);
        asking.detail(format!("{}: a password", shown(&asked)));
        Ok(Token {
            account: shown(&kept.target),
            token: kept.record.tokens.access.duplicate(),
            kind: TokenKind::Access,
            token_type: kept.record.tokens.token_type.clone(),
            method: AuthMethod::Password,
            source: "password".to_owned(),
            fallback_since: None,
            fallback_reason: None,
            expires_at: kept.record.tokens.expires_at,
            scope: Vec::new(),
            key_header: None,
            headers: Default::default(),
            api_host: None,
            api_base: None,
            identity: None,
            min_validity_met: true,
            persisted: !self.vault.is_in_memory(),
            warning: None,
            environment: Vec::new(),
            variables: Vec::new(),
            for_target: Some(ForTarget {
                username: Some(kept.place.username.clone()),
                origin: None,
                // Of a password that a person chose, even that says too much.
                fingerprint: String::new(),
                cached: true,
                exact: kept.target.is_at(&asked),
            }),
        })
    }

    /// Whether the configuration says that nothing answers there.
    fn is_left_alone(&self, target: &Target) -> bool {
        self.config.targets.rule(target) == Some(&Rule::Nothing)
    }

    pub(super) async fn store_password(
        self: &Arc<Self>,
        store: StorePassword,
        asking: &Asking,
    ) -> Result<PasswordStored, Error> {
        let StorePassword { url, username, password, expires_at, target } = store;
        check(&username, &password)?;
        let place = self.target(&url)?.of_user(&username).map_err(|error| invalid(&error.to_string()))?;
        asking.detail(shown(&place));
        let target = self.target(target.as_deref().unwrap_or(&url))?.of_user(&username).unwrap_or(place.clone());
        let not = |outcome, account: Option<String>| Ok(PasswordStored { outcome, account });
        if self.is_left_alone(&target) {
            return not(StoreOutcome::NothingAnswers, None);
        }
        if expires_at.is_some_and(|end| end <= self.clock.now()) {
            return not(StoreOutcome::Ended, None);
        }
        self.ensure_open().await?;
        // It is a token of an account's, now or a while ago.
        if self.table().known_to(&fingerprint(&password)).next().is_some() {
            return not(StoreOutcome::OwnToken, None);
        }
        if let Some(Rule::Account(rule)) = self.config.targets.rule(&target) {
            return not(StoreOutcome::AccountAnswers, Some(rule.account.to_string()));
        }
        match self.own_account(&target) {
            Ok(account) => return not(StoreOutcome::AccountAnswers, Some(account.to_string())),
            Err(error) if error.kind() == ErrorKind::UnknownTarget => {}
            Err(error) => return Err(error),
        }
        self.keep_password(place, username, password, expires_at).await?;
        not(StoreOutcome::Kept, None)
    }

    async fn keep_password(
        self: &Arc<Self>,
        target: Target,
        username: String,
        password: Secret,
        expires_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        self.ensure_ready(false).await?;
        // A lock waits for it: what is kept behind its back would stay in memory.
        let _pass = self.gate.enter_to_keep().await?;
        let _turn = self.keeping.lock().await;
        let (before, full, turn) = {
            let table = self.table();
            let kept = table.passwords.at(&target);
            let same =
                |kept: &Kept| (kept.fingerprint, kept.record.tokens.expires_at) == (fingerprint(&password), expires_at);
            if kept.is_some_and(same) {
                return Ok(());
            }
            let all = || table.passwords.all();
            let last = all().map(|kept| kept.place.turn).max().unwrap_or(0);
            (kept.map(|kept| kept.stored.clone()), all().count() >= MOST, last.saturating_add(1))
        };
        if before.is_none() && full {
            return Err(invalid("so many passwords are kept that no more are; see `cred-helper password list`"));
        }
        let place = Place { url: target.url(), username, turn };
        let record = Record::password(place, random(), password, expires_at, self.clock.moment());
        let writing = record.duplicate();
        let stored = match before {
            None => {
                let written = self.with_vault(move |vault| vault.create(&writing)).await?;
                (written.id, written.version)
            }
            Some((id, version)) => {
                let at = id.clone();
                (id, self.with_vault(move |vault| vault.renew(&at, version, &writing)).await?)
            }
        };
        info!(url = shown(&target), "a password is stored");
        let kept = Kept::of(stored, record).ok_or_else(|| invalid("no URL to keep a password for"))?;
        self.table().passwords.insert(kept);
        self.settle_soon();
        Ok(())
    }

    /// A server refused it: whoever kept that very password for that place keeps it no longer. Whether anybody did.
    pub(super) async fn forget_refused(self: &Arc<Self>, url: &str, password: &Secret) -> Result<bool, Error> {
        let Ok(asked) = Target::of_request(url) else { return Ok(false) };
        let print = fingerprint(password);
        let meant = move |kept: &Kept| kept.fingerprint == print && kept.target.is_meant_by(&asked);
        Ok(!self.forget_passwords(meant).await?.is_empty())
    }

    pub(super) async fn remove_password(
        self: &Arc<Self>,
        remove: RemovePassword,
        asking: &Asking,
    ) -> Result<Passwords, Error> {
        let asked = Target::of_request(&remove.url).map_err(|error| invalid(&error.to_string()))?;
        let asked = match &remove.username {
            Some(username) => asked.of_user(username).map_err(|error| invalid(&error.to_string()))?,
            None => asked,
        };
        asking.detail(shown(&asked));
        if !self.may_keep_passwords().await? {
            return Ok(Passwords::default());
        }
        Ok(Passwords { passwords: self.forget_passwords(move |kept| kept.target.is_at(&asked)).await? })
    }

    /// Forgets those that are meant; those that were there. Which ones they are is seen when it is our turn: what was stored
    /// meanwhile in the place of a refused one stays.
    async fn forget_passwords(
        self: &Arc<Self>,
        is_meant: impl Fn(&Kept) -> bool + Send + 'static,
    ) -> Result<Vec<KeptPassword>, Error> {
        if self.table().passwords.ids(&is_meant).is_empty() {
            return Ok(Vec::new());
        }
        let agent = Arc::clone(self);
        to_the_end(async move {
            let _turn = agent.keeping.lock().await;
            let ids = agent.table().passwords.ids(is_meant);
            let mut gone = Vec::new();
            for id in ids {
                let at = id.clone();
                agent.with_vault(move |vault| vault.remove(&at)).await?;
                gone.extend(agent.table().passwords.take(&id).map(|kept| kept.told()));
            }
            Ok(gone)
        })
        .await
    }

    pub(super) async fn list_passwords(self: &Arc<Self>) -> Result<Passwords, Error> {
        let kept = self.may_keep_passwords().await?;
        Ok(if kept { Passwords { passwords: self.table().passwords.told() } } else { Passwords::default() })
    }

    /// A vault that cannot be opened is an error where it has passwords: without its key it is known whether it has.
    async fn may_keep_passwords(self: &Arc<Self>) -> Result<bool, Error> {
        match self.ensure_open().await {
            Err(error) if self.vault.keeps_passwords() => Err(error),
            opened => Ok(opened.is_ok()),
        }
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidParams, message)
}

/// What can't be a password of Basic authentication (RFC 7617 section 2). Nothing of it is repeated.
fn check(username: &str, password: &Secret) -> Result<(), Error> {
    if username.len() > LONGEST_NAME || username.contains(|c: char| c == ':' || c.is_control()) {
        return Err(invalid("a user name has no colons and no control characters, and is shorter"));
    }
    match password.expose().len() {
        0 => Err(invalid("the password is empty")),
        LONGEST.. => Err(invalid("the password is longer than any; was a file read by mistake?")),
        _ => Ok(()),
    }
}

//! An exchange that brought no tokens: what is remembered of it, and what callers are told.
//!
//! What is done next was decided by `state::next_attempt`, which is pure; here it is carried out.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::accounts::{Account, Variant};
use super::refresher::{Job, Stop};
use super::resolve::login_hint;
use super::state::{self, Next};
use super::{Agent, blocking, jitter};
use crate::clock::Timestamp;
use crate::grant::Failure;
use crate::ipc::message::account::{AccountState, Problem};
use crate::ipc::message::event::Change;
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::schema::ErrorClass;
use crate::vault::record::{Dead, Record};
use crate::vault::{Barred, Prepared, VaultError};

impl Agent {
    /// Carries out what a failure asks for; what is left to do is the flight's.
    pub(super) async fn failed(self: &Arc<Self>, job: &Job, prepared: Prepared, failure: Failure) -> Stop {
        let name = job.record.account.to_string();
        warn!(account = name, class = ?failure.class, lost = failure.answer_lost, "refresh failed: {}", failure.message);
        let incarnation = job.record.incarnation;
        let now = self.clock.moment();
        let (failures, disowned, lost, age) = match self.table().get_mut(incarnation) {
            Some(account) => {
                account.unsent = failure.unsent;
                let disowned = account.disowned;
                account.disowned |= failure.invalid_grant;
                (account.failures + 1, disowned, account.answer_lost, now.since(account.granted).least())
            }
            None => (1, false, false, Duration::ZERO),
        };
        let next = state::next_attempt(&failure, failures, disowned, age, jitter());
        if next == Next::Dead && job.variant.is_plain() {
            // Why the server knows better than we do: people should not look for a thief.
            let why =
                if lost { "; the answer to an earlier request was lost, and may have been its successor" } else { "" };
            return Stop::Final(self.bury(&job.record, prepared, format!("{}{why}", failure.message)).await);
        }
        // A mark says "sent, no answer". An answer ends that, unless an earlier request has had none.
        if failure.answer_lost {
            prepared.keep_mark();
        } else {
            // It waits for the disk.
            let _ = blocking(move || prepared.abandon()).await;
        }
        let error = match next {
            Next::Again(wait) => {
                let error = temporary(&name, &failure, self.clock.now() + wait);
                self.note_problem(incarnation, &error, failures, failure.answer_lost, wait);
                return Stop::Again(error, wait);
            }
            Next::GiveUp | Next::Dead if !job.variant.is_plain() => {
                let error = variant_refused(&name, &failure);
                self.refuse_variant(incarnation, &job.variant, &error);
                if next == Next::Dead {
                    // Is it the grant or only what was asked of it? The grant's own refresh decides.
                    drop(self.renew(incarnation, Variant::default()));
                }
                error
            }
            Next::GiveUp | Next::Dead => {
                let error = refused(&name, &failure);
                self.note_problem(incarnation, &error, failures, false, state::refusal_holds(failures));
                error
            }
        };
        Stop::Final(error)
    }

    /// The grant is dead: say so once, durably, and never redeem it again.
    async fn bury(self: &Arc<Self>, record: &Record, prepared: Prepared, message: String) -> Error {
        let incarnation = record.incarnation;
        let dead = Dead { at: self.clock.now(), message };
        self.keep(record, prepared, |record| record.dead = Some(dead.clone())).await;
        let table = self.table();
        let Some(account) = table.get(incarnation) else { return self.gone() };
        let error = dead_error(account, &dead.message);
        self.schedule.forget(incarnation);
        let name = account.record.account.clone();
        drop(table);
        self.announce(Change::State { account: name.to_string(), state: AccountState::ReauthorizationRequired });
        self.note_source(&name);
        self.tell();
        error
    }

    /// The server refuses a variant that somebody asked for: that is no matter of the account's other tokens.
    fn refuse_variant(&self, incarnation: u64, variant: &Variant, error: &Error) {
        let now = self.clock.boot();
        let mut table = self.table();
        let Some(account) = table.get_mut(incarnation) else { return };
        account.refused_variants.retain(|_, (_, until)| *until > now);
        account.refused_variants.insert(variant.clone(), (error.clone(), now + state::refusal_holds(1)));
    }

    /// Remembers a problem that holds the account's refreshes for `wait`.
    pub(super) fn note_problem(
        &self,
        incarnation: u64,
        error: &Error,
        failures: u32,
        answer_lost: bool,
        wait: Duration,
    ) {
        let now = self.clock.now();
        let mut table = self.table();
        let Some(account) = table.get_mut(incarnation) else { return };
        account.failures = failures;
        account.answer_lost |= answer_lost;
        let since = account.problem.as_ref().map_or(now, |problem| problem.since);
        let retry_at = error.data.retry_at;
        account.not_before = Some(self.clock.boot() + wait);
        let message = error.message.clone();
        account.problem = Some(Problem { kind: error.kind(), message: message.clone(), since, retry_at });
        let account = account.record.account.to_string();
        drop(table);
        self.announce(Change::RefreshFailed { account, message, retry_at });
    }
}

/// Whether a problem won't get better by asking again.
pub(super) fn lasting(problem: &Problem) -> bool {
    matches!(problem.kind, ErrorKind::Denied | ErrorKind::Misconfigured)
}

pub(super) fn temporary(name: &str, failure: &Failure, retry_at: Timestamp) -> Error {
    let lost = if failure.answer_lost { "; its answer was lost, the same token is tried again" } else { "" };
    let message = format!("{name}: {}{lost}", failure.message);
    let mut error = Error::new(ErrorKind::TemporarilyUnavailable, message).account(name);
    error.data.retry_at = Some(retry_at);
    error
}

pub(super) fn refused(name: &str, failure: &Failure) -> Error {
    let (kind, advice) = match failure.class {
        ErrorClass::Denied => (ErrorKind::Denied, "ask whoever administers the provider"),
        _ => (ErrorKind::Misconfigured, "check the provider's client registration and scopes in the configuration"),
    };
    Error::new(kind, format!("{name}: {}; {advice}", failure.message)).account(name)
}

fn variant_refused(name: &str, failure: &Failure) -> Error {
    let kind = match failure.class {
        ErrorClass::Misconfigured => ErrorKind::Misconfigured,
        _ => ErrorKind::Denied,
    };
    let advice = "ask for a scope and an audience that this login may have";
    Error::new(kind, format!("{name}: {}; {advice}", failure.message)).account(name)
}

/// What came from a backup or from elsewhere is not used: a person logs in.
pub(super) fn barred_error(account: &Account, why: Barred) -> Error {
    let name = &account.record.account;
    let why = VaultError::Barred(why);
    let mended = match account.record.is_api_key() {
        true => format!("api-key set {name}"),
        false => format!("login {}", login_hint(name)),
    };
    Error::new(why.kind(), format!("{name}: {why}: run `cred-helper {mended}`")).account(name)
}

pub(super) fn dead_error(account: &Account, message: &str) -> Error {
    let name = &account.record.account;
    let hint = login_hint(name);
    Error::new(ErrorKind::LoginRequired, format!("{name}: {message}: run `cred-helper login {hint}`")).account(name)
}

//! The exchange: a refresh token for new tokens, prepared before it is redeemed and kept before it is answered.
//!
//! *Prepare, then redeem*: the sealing key, an open file with its space, and a durable mark "sent" are in hand before
//! the request goes out; otherwise it doesn't. A refresh never opens a browser, and only a dead grant asks a person to
//! log in.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::accounts::{Account, Narrowed, Variant};
use super::state::{self, Next};
use super::tokens::gone;
use super::{Agent, fingerprint, jitter, single_flight};
use crate::clock::Timestamp;
use crate::grant::{self, Client, Failure, Granted, RefreshRequest};
use crate::ipc::message::account::{AccountState, Problem};
use crate::ipc::message::event::Change;
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::provider::schema::ErrorClass;
use crate::secret::Secret;
use crate::token::TokenSet;
use crate::vault::record::{Dead, Record};
use crate::vault::{Mark, Prepared, RecordId};

/// How soon the disk is asked again to take what a refresh needs.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How soon a refresh that nobody waits for is tried again, at the least.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(30);

/// How an exchange ended without tokens.
enum Stop {
    /// Worth another attempt after this long.
    Again(Error, Duration),
    /// Not worth one.
    Final(Error),
}

/// Everything one exchange needs, taken from the table so that no lock is held meanwhile.
struct Job {
    incarnation: u64,
    variant: Variant,
    stored: (RecordId, u64),
    record: Arc<Record>,
    provider: Arc<Provider>,
    client: Client,
    refresh: Secret,
    answer_lost: bool,
}

impl Agent {
    /// Starts a refresh, or joins the one under way.
    pub(super) fn renew(self: &Arc<Self>, incarnation: u64, variant: Variant) -> watch::Receiver<single_flight::Stage> {
        let seen = self.table().get(incarnation).map_or(0, |account| account.generation);
        self.flights.join((incarnation, variant.clone()), |landing| {
            tokio::spawn(Arc::clone(self).fly(landing, incarnation, variant, seen));
        })
    }

    async fn fly(self: Arc<Self>, landing: single_flight::Landing, incarnation: u64, variant: Variant, seen: u64) {
        let result = loop {
            // The last failure's pause holds for whoever comes next, too: a server is not hammered by many callers.
            let (error, wait) = match self.pause_left(incarnation) {
                Some(pause) => pause,
                None => match self.exchange(incarnation, &variant, seen).await {
                    Ok(()) => break Ok(()),
                    Err(Stop::Final(error)) => break Err(error),
                    Err(Stop::Again(error, wait)) => (error, wait),
                },
            };
            if !landing.awaited() || !landing.pause(error.clone(), wait).await {
                let failures = self.table().get(incarnation).map_or(1, |account| account.failures.clamp(1, 20));
                self.schedule.retry(incarnation, self.clock.now() + wait.max(BACKGROUND_PAUSE * failures));
                break Err(error);
            }
        };
        landing.land(result);
    }

    fn pause_left(&self, incarnation: u64) -> Option<(Error, Duration)> {
        let table = self.table();
        let account = table.get(incarnation)?;
        let (problem, not_before) = (account.problem.as_ref()?, account.not_before?);
        let left = not_before.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let mut error = Error::new(problem.kind, problem.message.clone()).account(&account.record.account);
        error.data.retry_at = problem.retry_at;
        Some((error, left))
    }

    /// One attempt. One at a time for each grant; whoever waited for its turn looks again whether it is still needed.
    async fn exchange(self: &Arc<Self>, incarnation: u64, variant: &Variant, seen: u64) -> Result<(), Stop> {
        let turn = self.table().get(incarnation).map(|account| Arc::clone(&account.exchange));
        let turn = turn.ok_or_else(|| Stop::Final(gone()))?;
        let _turn = turn.lock_owned().await;
        let Some(job) = self.job(incarnation, variant, seen).map_err(Stop::Final)? else { return Ok(()) };
        let _pass = self.gate.enter().map_err(Stop::Final)?;
        let (id, version) = job.stored.clone();
        let mark = Mark { rotation: job.record.rotation, at: self.clock.now() };
        let prepared = self.with_vault(move |vault| vault.prepare(&id, version, mark)).await;
        let prepared = prepared.map_err(|error| self.not_prepared(incarnation, error))?;
        let request = RefreshRequest {
            provider: &job.provider,
            token_endpoint: &job.record.token_endpoint,
            client: &job.client,
            refresh_token: &job.refresh,
            scope: &job.variant.scope,
            audience: job.variant.audience.as_deref(),
            issuer: job.record.issuer.as_deref(),
        };
        match grant::refresh(&self.http, &*self.clock, request).await {
            Ok(granted) => self.succeeded(job, prepared, granted).await,
            Err(failure) => Err(self.failed(&job, prepared, failure).await),
        }
    }

    /// `None`: somebody else has brought new tokens meanwhile.
    fn job(&self, incarnation: u64, variant: &Variant, seen: u64) -> Result<Option<Job>, Error> {
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(gone)?;
        if variant.is_plain() && account.generation != seen {
            return Ok(None);
        }
        let name = &account.record.account;
        if let Some(dead) = &account.record.dead {
            return Err(dead_error(account, &dead.message));
        }
        let Some(refresh) = &account.record.tokens.refresh else {
            let message = format!(
                "{name}: the token has ended and the server gave no refresh token: run `cred-helper login {name}`"
            );
            return Err(Error::new(ErrorKind::LoginRequired, message).account(name));
        };
        Ok(Some(Job {
            incarnation,
            variant: variant.clone(),
            stored: account.stored.clone(),
            record: Arc::clone(&account.record),
            provider: Arc::clone(&account.provider),
            client: client(&account.record, &account.provider),
            refresh: refresh.duplicate(),
            answer_lost: account.answer_lost,
        }))
    }

    /// What the refresh needs of the vault could not be had: the request did not go out.
    fn not_prepared(&self, incarnation: u64, error: Error) -> Stop {
        if error.kind() != ErrorKind::StorageFailed {
            return Stop::Final(error);
        }
        self.note_problem(incarnation, &error, Some(DISK_PAUSE));
        Stop::Again(error, DISK_PAUSE)
    }

    async fn succeeded(self: &Arc<Self>, job: Job, prepared: Prepared, granted: Granted) -> Result<(), Stop> {
        let rotated = granted.tokens.refresh.is_some();
        let late = granted.tokens.refresh.as_ref().unwrap_or(&granted.tokens.access).duplicate();
        let now = self.clock.now();
        let kept =
            self.keep(job.incarnation, prepared, |record| apply(record, &job.variant, granted.tokens, now)).await;
        let Some(narrowed) = kept else {
            // Logged out or in anew while the server answered: what it gave belongs to nobody, so it is given back.
            self.revoke_later(Arc::clone(&job.record), Arc::clone(&job.provider), late);
            return Err(Stop::Final(gone()));
        };
        let mut table = self.table();
        let account = table.get_mut(job.incarnation).ok_or_else(|| Stop::Final(gone()))?;
        account.remember_replaced(fingerprint(&job.record.tokens.access));
        account.problem = None;
        account.not_before = None;
        account.failures = 0;
        account.answer_lost = false;
        if let Some(token) = narrowed {
            account.narrowed.insert(job.variant.clone(), Arc::new(token));
        } else {
            account.generation += 1;
        }
        account.narrowed.retain(|_, token| token.expires_at.is_none_or(|end| end > now));
        self.schedule.plan(account, now);
        let (name, expires_at) = (account.record.account.to_string(), account.record.tokens.expires_at);
        info!(account = name, rotated, "refreshed");
        drop(table);
        self.announce(Change::Refreshed { account: name, expires_at });
        Ok(())
    }

    async fn failed(self: &Arc<Self>, job: &Job, prepared: Prepared, failure: Failure) -> Stop {
        let name = job.record.account.to_string();
        warn!(account = name, class = ?failure.class, lost = failure.answer_lost, "refresh failed: {}", failure.message);
        // A mark says "sent, no answer". An answer, even a refusal, ends that; not being able to send doesn't.
        if failure.answer_lost || (job.answer_lost && failure.class == ErrorClass::Transient) {
            prepared.keep_mark();
        } else {
            prepared.abandon();
        }
        let failures = {
            let mut table = self.table();
            let Some(account) = table.get_mut(job.incarnation) else { return Stop::Final(gone()) };
            account.failures += 1;
            account.answer_lost |= failure.answer_lost;
            account.failures
        };
        let obtained_at = job.record.tokens.obtained_at;
        match state::next_attempt(&failure, failures, obtained_at, self.clock.now(), jitter()) {
            Next::Again(wait) => {
                let error = temporary(&name, &failure, self.clock.now() + wait);
                self.note_problem(job.incarnation, &error, Some(wait));
                Stop::Again(error, wait)
            }
            Next::GiveUp => {
                let error = refused(&name, &failure);
                self.note_problem(job.incarnation, &error, None);
                Stop::Final(error)
            }
            Next::Dead => Stop::Final(self.bury(job.incarnation, failure.message).await),
        }
    }

    /// The grant is dead: say so once, durably, and never redeem it again.
    async fn bury(self: &Arc<Self>, incarnation: u64, message: String) -> Error {
        let dead = Dead { at: self.clock.now(), message };
        let kept = self.change(incarnation, |record| record.dead = Some(dead.clone())).await;
        if let Err(error) = kept {
            warn!("could not note in the vault that a login is dead: {error}");
        }
        let table = self.table();
        let Some(account) = table.get(incarnation) else { return gone() };
        let error = dead_error(account, &dead.message);
        self.schedule.forget(incarnation);
        let account = account.record.account.to_string();
        drop(table);
        self.announce(Change::State { account, state: AccountState::ReauthorizationRequired });
        error
    }

    fn note_problem(&self, incarnation: u64, error: &Error, wait: Option<Duration>) {
        let now = self.clock.now();
        let mut table = self.table();
        let Some(account) = table.get_mut(incarnation) else { return };
        let since = account.problem.as_ref().map_or(now, |problem| problem.since);
        let retry_at = wait.map(|wait| now + wait);
        account.not_before = wait.map(|wait| Instant::now() + wait);
        let message = error.message.clone();
        account.problem = Some(Problem { kind: error.kind(), message: message.clone(), since, retry_at });
        let account = account.record.account.to_string();
        drop(table);
        self.announce(Change::RefreshFailed { account, message, retry_at });
    }
}

/// The client a login was made with: its secret is in the record, or in the configuration of the same client.
pub(super) fn client(record: &Record, provider: &Provider) -> Client {
    let configured = provider.client.id.as_deref() == Some(record.client_id.as_str());
    let secret = record.client_secret.as_ref().or(provider.client.secret.as_ref().filter(|_| configured));
    Client {
        id: record.client_id.clone(),
        secret: secret.map(Secret::duplicate),
        authentication: record.client_authentication,
    }
}

/// Puts an answer into a record. What the server left out stays as it was (RFC 6749 sections 5.1 and 6). The token of
/// another scope or audience is no part of the record and is given back.
fn apply(record: &mut Record, variant: &Variant, answer: TokenSet, now: Timestamp) -> Option<Narrowed> {
    let TokenSet { access, refresh, id, token_type, expires_at, id_expires_at, obtained_at, scope } = answer;
    record.refreshed_at = Some(now);
    record.dead = None;
    // The token just redeemed has proven itself, so what came before it is of no more use.
    record.previous_refresh = None;
    if let Some(refresh) = refresh {
        record.previous_refresh = record.tokens.refresh.replace(refresh);
        record.rotation += 1;
    }
    if !variant.is_plain() {
        let scope = if scope.is_empty() { variant.scope.clone() } else { scope };
        return Some(Narrowed { access, token_type, obtained_at, expires_at, scope });
    }
    if let Some(id) = id {
        record.tokens.id = Some(id);
        record.tokens.id_expires_at = id_expires_at;
    }
    if !scope.is_empty() {
        record.tokens.scope = scope;
    }
    record.tokens.access = access;
    record.tokens.token_type = token_type;
    record.tokens.expires_at = expires_at;
    record.tokens.obtained_at = obtained_at;
    None
}

fn temporary(name: &str, failure: &Failure, retry_at: Timestamp) -> Error {
    let lost = if failure.answer_lost { "; its answer was lost, the same token is tried again" } else { "" };
    let message = format!("{name}: {}{lost}", failure.message);
    let mut error = Error::new(ErrorKind::TemporarilyUnavailable, message).account(name);
    error.data.retry_at = Some(retry_at);
    error
}

fn refused(name: &str, failure: &Failure) -> Error {
    let (kind, advice) = match failure.class {
        ErrorClass::Denied => (ErrorKind::Denied, "ask whoever administers the provider"),
        _ => (ErrorKind::Misconfigured, "check the provider's client registration and scopes in the configuration"),
    };
    Error::new(kind, format!("{name}: {}; {advice}", failure.message)).account(name)
}

pub(super) fn dead_error(account: &Account, message: &str) -> Error {
    let name = &account.record.account;
    let hint = super::accounts::login_hint(name);
    Error::new(ErrorKind::LoginRequired, format!("{name}: {message}: run `cred-helper login {hint}`")).account(name)
}

//! The exchange: a refresh token (or, where no person signed in, the grant once more) for new tokens, prepared before it
//! is redeemed and kept before it is answered.
//!
//! *Prepare, then redeem*: the sealing key, an open file with its space, and a durable mark "sent" are in hand before
//! the request goes out; otherwise it doesn't. A refresh never opens a browser, and only a dead grant asks a person to
//! log in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tracing::info;

use super::accounts::{Account, Variant};
use super::apart::Apart;
use super::arrival::{Redeemed, apply};
use super::ends::{self, Ending};
use super::failures::{barred_error, dead_error, lasting};
use super::gate::{Closed, Pass};
use super::logout::revocable;
use super::persist::Kept;
use super::resolve::login_hint;
use super::{Agent, fingerprint, reread, single_flight};
use crate::clock::Moment;
use crate::fault;
use crate::grant::{Client, Granted, SigningKey};
use crate::ipc::message::event::Change;
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::secret::Secret;
use crate::vault::record::Record;
use crate::vault::{Mark, Prepared, RecordId};

/// How soon the disk is asked again to take what a refresh needs.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How soon a machine that goes to sleep is asked whether it still does; waking up cuts this short.
const ASLEEP_PAUSE: Duration = Duration::from_secs(5);
/// How soon a refresh that nobody waits for is tried again, at the least.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(30);

/// How an exchange ended without tokens.
pub(super) enum Stop {
    /// Worth another attempt after this long.
    Again(Error, Duration),
    /// Not worth one.
    Final(Error),
}

/// Everything one exchange needs, taken from the table so that no lock is held meanwhile.
pub(super) struct Job {
    pub(super) variant: Variant,
    pub(super) stored: (RecordId, u64),
    pub(super) record: Arc<Record>,
    pub(super) provider: Arc<Provider>,
    pub(super) client: Client,
    pub(super) means: Means,
}

/// What new tokens are asked for with.
pub(super) enum Means {
    /// A refresh token (RFC 6749 section 6).
    Refresh(Secret),
    /// The grant itself, once more, with its assertion or subject token if it has one.
    Grant(Option<Secret>),
}

impl Agent {
    /// Starts a refresh, or joins the one under way.
    pub(super) fn renew(self: &Arc<Self>, incarnation: u64, variant: Variant) -> watch::Receiver<single_flight::Stage> {
        self.flights.join((incarnation, variant.clone()), |landing| {
            tokio::spawn(Arc::clone(self).fly(landing, incarnation, variant));
        })
    }

    async fn fly(self: Arc<Self>, landing: single_flight::Landing, incarnation: u64, variant: Variant) {
        let result = loop {
            // The last failure holds for whoever comes next, too: a server is not hammered by many callers.
            let stop = match self.held(incarnation, &variant) {
                Some(stop) => stop,
                None => match self.exchange(incarnation, &variant).await {
                    Ok(()) => break Ok(()),
                    Err(stop) => stop,
                },
            };
            let (error, wait) = match stop {
                Stop::Final(error) => break Err(error),
                // At once is at once, whether or not anybody waits.
                Stop::Again(_, Duration::ZERO) => continue,
                Stop::Again(error, wait) => (error, wait),
            };
            if !landing.awaited() || !landing.pause(error.clone(), wait).await {
                if let Some(failures) = self.table().get(incarnation).map(|account| account.failures.clamp(1, 20)) {
                    self.schedule.retry(incarnation, self.clock.boot() + wait.max(BACKGROUND_PAUSE * failures));
                }
                break Err(error);
            }
        };
        landing.land(result);
    }

    /// What the last failure says to an attempt now, if it still holds.
    fn held(&self, incarnation: u64, variant: &Variant) -> Option<Stop> {
        let now = self.clock.boot();
        let table = self.table();
        let account = table.get(incarnation)?;
        if let Some((error, _)) = account.refused_variants.get(variant).filter(|(_, until)| *until > now) {
            return Some(Stop::Final(error.clone()));
        }
        let (problem, not_before) = (account.problem.as_ref()?, account.not_before?);
        let left = not_before.checked_sub(now).filter(|left| !left.is_zero())?;
        let mut error = Error::new(problem.kind, problem.message.clone()).account(&account.record.account);
        error.data.retry_at = problem.retry_at;
        Some(if lasting(problem) { Stop::Final(error) } else { Stop::Again(error, left) })
    }

    /// A person asks, perhaps because what was wrong is mended: a refusal doesn't hold for that.
    pub(super) fn forgive(&self, incarnation: u64) {
        if let Some(account) = self.table().get_mut(incarnation)
            && account.problem.as_ref().is_some_and(lasting)
        {
            account.not_before = None;
        }
    }

    /// One attempt. One at a time for each grant.
    async fn exchange(self: &Arc<Self>, incarnation: u64, variant: &Variant) -> Result<(), Stop> {
        if variant.second_step {
            return self.take_second_step(incarnation, variant).await;
        }
        // It may take an exchange of another account's, so it comes before anything is held.
        let source = self.source(incarnation).await?;
        let turns = self.table().get(incarnation).map(|a| (Arc::clone(&a.exchange), Arc::clone(&a.write)));
        let (turn, write) = turns.ok_or_else(|| Stop::Final(self.gone()))?;
        let (_turn, _pass) = self.admitted(turn).await?;
        self.mend(&[incarnation]).await;
        // Nobody writes another version between looking up which one there is and preparing for it.
        let writing = write.lock_owned().await;
        let job = self.job(incarnation, variant, source).map_err(Stop::Final)?;
        let (id, version) = job.stored.clone();
        let mark = Mark { rotation: job.record.rotation, at: self.clock.now() };
        let apart = Apart::new().map_err(|error| self.no_thread(&job, &error))?;
        let prepared = self.with_vault(move |vault| vault.prepare(&id, version, mark)).await;
        drop(writing);
        let prepared = prepared.map_err(|error| self.not_prepared(incarnation, error))?;
        let agent = Arc::clone(self);
        let redeemed = apart.run(move || agent.redeem(job, prepared)).await;
        let Redeemed { job, prepared, answer } = redeemed.ok_or_else(|| {
            let message = "the agent failed in the middle of a refresh; see its log";
            Stop::Final(Error::new(ErrorKind::Internal, message))
        })?;
        match answer {
            Ok((granted, at)) => self.succeeded(job, prepared, granted, at).await,
            Err(failure) => Err(self.failed(&job, prepared, failure).await),
        }
    }

    /// The grant's turn and a way through the gate. Whoever waits for a handover holds no turn: others may have to end theirs.
    pub(super) async fn admitted(&self, turn: Arc<Mutex<()>>) -> Result<(OwnedMutexGuard<()>, Pass), Stop> {
        loop {
            self.gate.no_handover().await;
            let turn = Arc::clone(&turn).lock_owned().await;
            let entered = self.gate.try_enter().map_err(|closed| match closed {
                Closed::Asleep => Stop::Again(closed.into(), ASLEEP_PAUSE),
                Closed::Stopping | Closed::Locked => Stop::Final(closed.into()),
            });
            if let Some(pass) = entered? {
                return Ok((turn, pass));
            }
        }
    }

    fn job(&self, incarnation: u64, variant: &Variant, source: Option<Secret>) -> Result<Job, Error> {
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(|| self.gone())?;
        if let Some(why) = account.barred {
            return Err(barred_error(account, why));
        }
        if let Some(dead) = &account.record.dead {
            return Err(dead_error(account, &dead.message));
        }
        if let Some(imported) = account.record.read_only() {
            return Err(reread::not_renewed(account, imported, variant));
        }
        let means = match &account.record.tokens.refresh {
            Some(refresh) => Means::Refresh(refresh.duplicate()),
            None if account.renews_by_grant() => Means::Grant(source),
            None => return Err(not_renewable(account)),
        };
        Ok(Job {
            variant: variant.clone(),
            stored: account.stored.clone(),
            record: Arc::clone(&account.record),
            provider: Arc::clone(&account.provider),
            client: client(&account.record, &account.provider),
            means,
        })
    }

    /// What the refresh needs of the vault could not be had: the request did not go out.
    fn not_prepared(&self, incarnation: u64, error: Error) -> Stop {
        if error.kind() != ErrorKind::StorageFailed {
            return Stop::Final(error);
        }
        let failures = self.table().get(incarnation).map_or(0, |account| account.failures);
        self.note_problem(incarnation, &error, failures, false, DISK_PAUSE);
        Stop::Again(error, DISK_PAUSE)
    }

    /// Nothing was sent.
    fn no_thread(&self, job: &Job, error: &io::Error) -> Stop {
        let name = &job.record.account;
        let message = format!("{name}: the machine gave no thread for its refresh: {error}");
        Stop::Again(Error::new(ErrorKind::TemporarilyUnavailable, message).account(name), DISK_PAUSE)
    }

    async fn succeeded(
        self: &Arc<Self>,
        job: Job,
        prepared: Prepared,
        granted: Granted,
        now: Moment,
    ) -> Result<(), Stop> {
        let rotated = granted.tokens.refresh.is_some();
        let late = revocable(&job.provider, &granted.tokens);
        let id_came = granted.tokens.id.is_some();
        let kept = self.keep(&job.record, prepared, |record| apply(record, &job.variant, granted.tokens, now)).await;
        fault::point("refresh.answer");
        let narrowed = match kept {
            Kept::Here(narrowed) => narrowed,
            Kept::Sealed => return Err(Stop::Final(self.gone())),
            Kept::Nobodys => {
                // Logged out or in anew while the server answered: what it gave is given back.
                self.revoke_later(Arc::clone(&job.record), Arc::clone(&job.provider), late);
                return Err(Stop::Final(self.gone()));
            }
        };
        let mut table = self.table();
        let account = table.get_mut(job.record.incarnation).ok_or_else(|| Stop::Final(self.gone()))?;
        account.problem = None;
        account.not_before = None;
        account.failures = 0;
        account.answer_lost = false;
        account.disowned = false;
        account.granted = now;
        let within = Ending::of(account, now).and_then(|ending| ending.within(now.wall));
        account.warned = ends::still_told(account.warned, within);
        account.refused_variants.remove(&job.variant);
        account.refused.take_if(|refused| *refused == job.variant);
        if job.variant == account.usual() {
            account.try_login_again();
        }
        let (name, expires_at) = (account.record.account.clone(), account.record.tokens.expires_at);
        let incarnation = job.record.incarnation;
        match narrowed {
            Some(token) => table.narrow(incarnation, job.variant, token),
            None => {
                account.id_not_renewed = !id_came;
                table.remember_replaced(incarnation, fingerprint(&job.record.tokens.access));
            }
        }
        table.forget_ended(incarnation, now);
        if let Some(account) = table.get(incarnation) {
            self.plan(account, now);
        }
        info!(account = %name, rotated, "refreshed");
        drop(table);
        self.announce(Change::Refreshed { account: name.to_string(), expires_at });
        self.note_source(&name);
        Ok(())
    }
}

/// It has no refresh token.
pub(super) fn not_renewable(account: &Account) -> Error {
    let name = &account.record.account;
    let hint = login_hint(name);
    let message =
        format!("{name}: it takes a new token and the server gave no refresh token: run `cred-helper login {hint}`");
    Error::new(ErrorKind::LoginRequired, message).account(name)
}

/// The client a login was made with: its secret is in the record, or in the configuration of the same client.
pub(super) fn client(record: &Record, provider: &Provider) -> Client {
    let configured = provider.client.id.as_deref() == Some(record.client_id.as_str());
    let secret = record.client_secret.as_ref().or(provider.client.secret.as_ref().filter(|_| configured));
    Client {
        id: record.client_id.clone(),
        secret: secret.map(Secret::duplicate),
        authentication: record.client_authentication,
        key: signing_key(provider),
    }
}

/// The key that the configuration names.
pub(super) fn signing_key(provider: &Provider) -> Option<SigningKey> {
    let client = &provider.client;
    let file = client.key_file.clone()?;
    Some(SigningKey { file, id: client.key_id.clone(), audience: client.assertion_audience.clone() })
}

/// Whom the client signs for, where it signs.
pub(super) fn server(record: &Record) -> &str {
    record.issuer.as_deref().unwrap_or(&record.token_endpoint)
}

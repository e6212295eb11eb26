//! The second step of a login: the short-lived token that the API takes. It lives in memory only, and the login's own token
//! never leaves the agent.
//!
//! It is a variant of the login's tokens, so callers wait for it as for any other; only how it is fetched is told here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::accounts::{Account, Narrowed, Variant};
use super::failures::{barred_error, dead_error, refused, temporary};
use super::refresher::Stop;
use super::state::{self, Next, Verdict};
use super::tokens::{DEADLINE, times};
use super::{Agent, fingerprint, jitter};
use crate::clock::Moment;
use crate::fault;
use crate::grant::{self, Failure, StepRefused, Stepped};
use crate::ipc::message::account::AccountState;
use crate::ipc::message::event::Change;
use crate::ipc::message::{Error, ErrorKind};
use crate::token::TokenKind;
use crate::vault::record::{Dead, Fallback};

/// How soon the login's own token is asked for again that could not be had.
const PAUSE: Duration = Duration::from_secs(1);

impl Agent {
    /// One attempt, with a token of the login's that is good for it.
    pub(super) async fn take_second_step(self: &Arc<Self>, incarnation: u64, variant: &Variant) -> Result<(), Stop> {
        self.ready_first_token(incarnation, false).await?;
        let Err(mut refused) = self.step_once(incarnation, variant).await? else { return Ok(()) };
        let renews = self.table().get(incarnation).is_some_and(|account| account.login_renews());
        if refused.unauthorized && renews {
            // The endpoint may know that the token was revoked before its time: one newer token is tried.
            info!("the second step did not take the login's token: {}", refused.failure.message);
            self.ready_first_token(incarnation, true).await?;
            match self.step_once(incarnation, variant).await? {
                Ok(()) => return Ok(()),
                Err(again) => refused = again,
            }
        }
        Err(self.step_failed(incarnation, refused.failure).await)
    }

    /// Renews the login's own token if it is about to end, or `anyway`.
    async fn ready_first_token(self: &Arc<Self>, incarnation: u64, anyway: bool) -> Result<(), Stop> {
        let plain = Variant::default();
        let verdict = self.first_token(incarnation).map_err(Stop::Final)?;
        match verdict {
            Some(Verdict::Aging) if !anyway => {
                drop(self.renew(incarnation, plain));
                return Ok(());
            }
            Some(Verdict::Fresh | Verdict::AsGoodAsItGets) if !anyway => return Ok(()),
            _ => {}
        }
        let flight = self.renew(incarnation, plain);
        self.wait_for(incarnation, flight, Instant::now() + DEADLINE, None).await.map_err(|error| match error.kind() {
            ErrorKind::TemporarilyUnavailable => Stop::Again(error, PAUSE),
            _ => Stop::Final(error),
        })
    }

    /// What is to be said of the login's own token.
    fn first_token(&self, incarnation: u64) -> Result<Option<Verdict>, Error> {
        let now = self.clock.moment();
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(|| self.gone())?;
        if let Some(why) = account.barred {
            return Err(barred_error(account, why));
        }
        if let Some(dead) = &account.record.dead {
            return Err(dead_error(account, &dead.message));
        }
        let times = times(account, &Variant::default(), TokenKind::Access);
        Ok(times.map(|times| state::judge(times, None, account.provider.refresh.margin, now)))
    }

    /// Asks once; nothing else is asked with this login meanwhile.
    async fn step_once(self: &Arc<Self>, incarnation: u64, variant: &Variant) -> Result<Result<(), StepRefused>, Stop> {
        let turn = self.table().get(incarnation).map(|account| Arc::clone(&account.exchange));
        let (_turn, _pass) = self.admitted(turn.ok_or_else(|| Stop::Final(self.gone()))?).await?;
        let found = self.table().get(incarnation).map(|account| {
            let access = account.record.tokens.access.duplicate();
            (Arc::clone(&account.provider), access, account.record.account.clone())
        });
        let (provider, access, name) = found.ok_or_else(|| Stop::Final(self.gone()))?;
        let Some(step) = &provider.second_step else {
            let message = format!("{name}: its provider has no second step any more: ask again");
            return Err(Stop::Final(Error::new(ErrorKind::Misconfigured, message).account(&name)));
        };
        fault::point("second_step.send");
        match grant::second_step(&self.http, &*self.clock, step, &access).await {
            Ok(stepped) => {
                fault::point("second_step.keep");
                self.stepped(incarnation, variant, stepped).map(Ok).map_err(Stop::Final)
            }
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Keeps the token for as long as the agent lives.
    fn stepped(self: &Arc<Self>, incarnation: u64, variant: &Variant, stepped: Stepped) -> Result<(), Error> {
        let Stepped { token, obtained, lifetime, refresh_in, api_base } = stepped;
        let lifetime = lifetime.or(refresh_in);
        let mut table = self.table();
        let account = table.get_mut(incarnation).ok_or_else(|| self.gone())?;
        account.problem = None;
        account.not_before = None;
        account.failures = 0;
        account.refused.take_if(|refused| refused == variant);
        account.try_login_again();
        let token = Narrowed {
            fingerprint: fingerprint(&token),
            access: token,
            token_type: "Bearer".to_owned(),
            obtained,
            lifetime,
            refresh_in,
            scope: Vec::new(),
            api_base,
        };
        let name = account.record.account.clone();
        table.narrow(incarnation, variant.clone(), token);
        if let Some(account) = table.get(incarnation) {
            self.plan(account, obtained);
        }
        drop(table);
        info!(account = %name, "took the second step");
        let expires_at = lifetime.map(|life| obtained.wall + life);
        self.announce(Change::Refreshed { account: name.to_string(), expires_at });
        self.note_source(&name);
        self.keep_end_of_fallback(incarnation);
        Ok(())
    }

    /// Carries out what a failure asks for; what is left to do is the flight's.
    async fn step_failed(self: &Arc<Self>, incarnation: u64, failure: Failure) -> Stop {
        let found = self.table().get(incarnation).map(|a| (a.record.account.to_string(), a.failures + 1));
        let Some((name, failures)) = found else { return Stop::Final(self.gone()) };
        warn!(account = name, class = ?failure.class, "the second step failed: {}", failure.message);
        match state::next_attempt(&failure, failures, false, Duration::MAX, jitter()) {
            Next::Dead => Stop::Final(self.end_login(incarnation, failure.message).await),
            Next::Again(wait) => {
                let error = temporary(&name, &failure, self.clock.now() + wait);
                self.note_problem(incarnation, &error, failures, false, wait);
                Stop::Again(error, wait)
            }
            Next::GiveUp => {
                let error = refused(&name, &failure);
                self.note_problem(incarnation, &error, failures, false, state::refusal_holds(failures));
                Stop::Final(error)
            }
        }
    }

    /// Why this login has no token for the API, where the server said so a moment ago and there is none left.
    pub(super) fn second_step_refused(&self, account: &Account, now: Moment) -> Option<Fallback> {
        account.provider.second_step.as_ref()?;
        let problem = account.problem.as_ref().filter(|problem| problem.kind == ErrorKind::Denied)?;
        account.not_before.filter(|until| *until > self.clock.boot())?;
        let usual = account.usual();
        let left = times(account, &usual, TokenKind::Access).and_then(|times| times.left(now));
        let serves = left.is_some_and(|left| !left.is_zero()) && account.refused.as_ref() != Some(&usual);
        let prefix = format!("{}: ", account.record.account);
        let reason = problem.message.strip_prefix(&prefix).unwrap_or(&problem.message).to_owned();
        (!serves).then_some(Fallback { since: problem.since, reason })
    }

    /// The provider's table says that this refusal is the end of the login: said once, durably.
    async fn end_login(self: &Arc<Self>, incarnation: u64, message: String) -> Error {
        let dead = Dead { at: self.clock.now(), message };
        if let Err(error) = self.change(incarnation, |record| record.dead = Some(dead.clone())).await {
            return error;
        }
        self.schedule.forget(incarnation);
        let told = self
            .table()
            .get(incarnation)
            .map(|account| (dead_error(account, &dead.message), account.record.account.to_string()));
        let Some((error, account)) = told else { return self.gone() };
        self.announce(Change::State { account, state: AccountState::ReauthorizationRequired });
        self.tell();
        error
    }
}

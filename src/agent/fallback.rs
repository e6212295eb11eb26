//! Servers refuse a login's tokens, a fresh one too: the account's API key answers, until there is a newer token.
//!
//! Nobody tells the agent that servers take the login again, so it tries: the next refresh ends the fallback, and while it
//! lasts that comes sooner than the token's end would have it, at ever longer intervals. If that token is refused, too, the
//! key answers again at once. Kept in the login's record, so that a restart forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::accounts::{Account, Table};
use super::{Agent, state};
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::ipc::message::account::Problem;
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::vault::record::Fallback;

/// How long a report waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

impl Agent {
    /// From now on the account's API key answers, and why; an error if it has none that could.
    pub(super) async fn fall_back(self: &Arc<Self>, incarnation: u64, reason: String) -> Result<(), Error> {
        let fallback = Fallback { since: self.clock.now(), reason };
        let name = {
            let mut table = self.table();
            let account = table.get_mut(incarnation).ok_or_else(|| self.gone())?;
            let before = account.fallback.replace(fallback.clone());
            let name = account.record.account.clone();
            if let Err(error) = self.key_answers(&table, &name) {
                if let Some(account) = table.get_mut(incarnation) {
                    account.fallback = before;
                }
                return Err(error);
            }
            if let Some(account) = table.get_mut(incarnation) {
                account.on_trial = false;
                self.plan(account, self.clock.moment());
            }
            name
        };
        self.note_source(&name);
        let agent = Arc::clone(self);
        let keeping = tokio::spawn(async move {
            let _pass = agent.gate.change().await;
            agent.change(incarnation, |record| record.fallback = Some(fallback)).await
        });
        if let Ok(Ok(Err(error))) = tokio::time::timeout(PATIENCE, keeping).await {
            warn!(account = %name, "after a restart the login is tried again: {}", error.message);
        }
        Ok(())
    }

    /// Writes down that the login answers again, where its record is not written anyway.
    pub(super) fn keep_end_of_fallback(self: &Arc<Self>, incarnation: u64) {
        let ended = |account: &Account| account.fallback.is_none() && account.record.fallback.is_some();
        if !self.table().get(incarnation).is_some_and(ended) {
            return;
        }
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let _pass = agent.gate.change().await;
            if let Err(error) = agent.change(incarnation, |record| record.fallback = None).await {
                warn!("after a restart an API key answers for a while: {}", error.message);
            }
        });
    }

    fn key_answers(&self, table: &Table, name: &AccountName) -> Result<(), Error> {
        use super::sources::Answers;
        let found = table.found(name).ok_or_else(|| self.gone())?;
        match self.answers(table, &found, &GetToken::default()) {
            Answers::Key(_) => Ok(()),
            Answers::Nobody(error) => Err(error),
            Answers::Login => {
                let message = format!("{name} has no API key that could answer");
                Err(Error::new(ErrorKind::Denied, message).account(name))
            }
        }
    }

    /// A server refused an API key: nobody gets it for a while, and then it is tried again. What everybody is told.
    pub(super) fn key_refused(self: &Arc<Self>, incarnation: u64) -> Error {
        let (boot, now) = (self.clock.boot(), self.clock.now());
        let mut table = self.table();
        let Some(account) = table.get_mut(incarnation) else { return self.gone() };
        if account.not_before.is_none_or(|until| until <= boot) {
            account.failures += 1;
            let wait = state::refusal_holds(account.failures);
            account.not_before = Some(boot + wait);
            account.problem = Some(refused(account, now, now + wait));
        }
        let name = account.record.account.clone();
        let problem = account.problem.clone();
        drop(table);
        self.note_source(&name);
        let message = problem.as_ref().map(|problem| problem.message.clone()).unwrap_or_default();
        let mut error = Error::new(ErrorKind::Denied, message).account(&name);
        error.data.retry_at = problem.and_then(|problem| problem.retry_at);
        error
    }
}

fn refused(account: &Account, now: Timestamp, retry_at: Timestamp) -> Problem {
    let name = &account.record.account;
    let since = account.problem.as_ref().map_or(now, |problem| problem.since);
    let message = format!(
        "{name}: a server refused its API key: look it up at the provider, or store another with \
         `cred-helper api-key set {name}`"
    );
    Problem { kind: ErrorKind::Denied, message, since, retry_at: Some(retry_at) }
}

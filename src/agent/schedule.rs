//! Refreshing ahead: accounts in use are renewed before their token ends, the others when they are asked for.
//!
//! One alarm for all accounts, set to the earliest; it counts through suspend and hears of a set clock. An agent with
//! nothing to do does not wake.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::debug;

use super::accounts::{Account, Variant};
use super::alarm::{Alarm, Wake};
use super::{Agent, jitter, tokens};
use crate::clock::Timestamp;
use crate::token::TokenKind;

/// An account is in use if a program asked for it within this time.
pub(super) const IN_USE: Duration = Duration::from_secs(24 * 3600);
/// Tokens shorter than this are renewed when they are asked for: renewing them ahead would never let the machine rest.
const SHORT_LIVED: Duration = Duration::from_secs(60);
/// A token this overdue means that the machine slept or its clock was set: then accounts don't all start at once.
const OVERDUE: Duration = Duration::from_secs(30);
/// Over how long they are spread.
const SPREAD: Duration = Duration::from_secs(10);

/// When each account is due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: Mutex<Due>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Due {
    order: BTreeSet<(Timestamp, u64)>,
    of: HashMap<u64, Timestamp>,
}

impl Due {
    fn set(&mut self, incarnation: u64, at: Option<Timestamp>) {
        if let Some(before) = self.of.remove(&incarnation) {
            self.order.remove(&(before, incarnation));
        }
        if let Some(at) = at {
            self.of.insert(incarnation, at);
            self.order.insert((at, incarnation));
        }
    }
}

impl Schedule {
    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, incarnation: u64, at: Option<Timestamp>) {
        let mut due = self.due();
        let first = due.order.first().copied();
        due.set(incarnation, at);
        if due.order.first().copied() != first {
            self.changed.notify_one();
        }
    }

    /// Plans an account's next refresh from its token's times, if it is in use and can be refreshed.
    pub(super) fn plan(&self, account: &Account, now: Timestamp) {
        let in_use = account.used_at.is_some_and(|used| now.since(used) < IN_USE);
        let refreshable = account.record.tokens.refresh.is_some() && account.record.dead.is_none();
        let at = (in_use && refreshable).then(|| {
            let times = tokens::times(account, &Variant::default(), TokenKind::Access);
            let margin = account.provider.refresh.margin;
            times.filter(|times| times.lifetime() >= SHORT_LIVED).map(|times| {
                // Up to a tenth of the margin earlier, so that accounts made together don't refresh together.
                let early = margin.min(times.lifetime() / 2).mul_f64(jitter() / 10.0);
                times.refresh_at(margin) - early
            })
        });
        self.set(account.record.incarnation, at.flatten());
    }

    /// Plans another attempt.
    pub(super) fn retry(&self, incarnation: u64, at: Timestamp) {
        self.set(incarnation, Some(at));
    }

    pub(super) fn forget(&self, incarnation: u64) {
        self.set(incarnation, None);
    }

    /// Nothing is due any more.
    pub(super) fn clear(&self) {
        *self.due() = Due::default();
        self.changed.notify_one();
    }

    /// When an account is due.
    pub(super) fn of(&self, incarnation: u64) -> Option<Timestamp> {
        self.due().of.get(&incarnation).copied()
    }

    fn first(&self) -> Option<Timestamp> {
        self.due().order.first().map(|(at, _)| *at)
    }

    fn take_due(&self, now: Timestamp) -> Vec<(Timestamp, u64)> {
        let mut due = self.due();
        let mut taken = Vec::new();
        while let Some(&(at, incarnation)) = due.order.first().filter(|(at, _)| *at <= now) {
            due.set(incarnation, None);
            taken.push((at, incarnation));
        }
        taken
    }
}

impl Agent {
    /// Refreshes ahead until the agent ends.
    pub(super) async fn refresh_ahead(self: Arc<Self>, mut alarm: Alarm) {
        loop {
            let wait = self.schedule.first().map(|at| at.since(self.clock.now()));
            let until = wait.map(|wait| self.clock.boot() + wait);
            let woken = tokio::select! {
                woken = alarm.wait(until) => woken,
                () = self.schedule.changed.notified() => continue,
            };
            self.woken(woken);
        }
    }

    /// Starts what is due.
    pub(super) fn woken(self: &Arc<Self>, woken: Wake) {
        if woken == Wake::ClockSet {
            debug!("the clock was set");
        }
        let now = self.clock.now();
        for (at, incarnation) in self.schedule.take_due(now) {
            let spread = if now.since(at) > OVERDUE { SPREAD.mul_f64(jitter()) } else { Duration::ZERO };
            tokio::spawn(Arc::clone(self).refresh_due(incarnation, spread));
        }
    }

    async fn refresh_due(self: Arc<Self>, incarnation: u64, spread: Duration) {
        tokio::time::sleep(spread).await;
        let now = self.clock.now();
        // An answer that was lost is asked for again whoever uses the account: later the server takes the token no more.
        let wanted = self
            .table()
            .get(incarnation)
            .is_some_and(|account| account.answer_lost || account.used_at.is_some_and(|used| now.since(used) < IN_USE));
        if wanted {
            drop(self.renew(incarnation, Variant::default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_first_and_what_is_due_is_taken_once() {
        let schedule = Schedule::default();
        schedule.retry(1, Timestamp(30));
        schedule.retry(2, Timestamp(10));
        schedule.retry(3, Timestamp(20));
        schedule.retry(2, Timestamp(25));
        assert_eq!(schedule.first(), Some(Timestamp(20)));
        assert_eq!(schedule.take_due(Timestamp(25)), [(Timestamp(20), 3), (Timestamp(25), 2)]);
        assert_eq!(schedule.take_due(Timestamp(25)), []);
        schedule.forget(1);
        assert_eq!(schedule.first(), None);
    }

    #[tokio::test]
    async fn a_new_first_wakes_the_alarm() {
        let schedule = Schedule::default();
        schedule.retry(1, Timestamp(30));
        schedule.changed.notified().await;
        schedule.retry(2, Timestamp(40));
        schedule.retry(3, Timestamp(20));
        schedule.changed.notified().await;
    }
}

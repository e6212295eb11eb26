//! Refreshing ahead: accounts in use are renewed before their token ends, the others when they are asked for. Beside that, when
//! the end of a whole login or API key is spoken of (`ends.rs`).
//!
//! Times are the boot clock's, so that setting the wall clock moves none of them; what was concluded from both clocks is
//! concluded anew when one was set. One alarm for all accounts, set to the earliest; it counts through suspend. An agent
//! with nothing to do does not wake.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::debug;

use super::accounts::{Account, Variant};
use super::alarm::{Alarm, Wake};
use super::{Agent, jitter, state, tokens};
use crate::clock::Moment;
use crate::token::TokenKind;

/// A refresh this overdue means that the machine slept: then accounts don't all start at once.
const OVERDUE: Duration = Duration::from_secs(30);
/// Over how long they are spread, at the least, and for each of them.
const SPREAD: Duration = Duration::from_secs(10);
const SPREAD_EACH: Duration = Duration::from_millis(100);
/// The boot clock went on this much further than the running time: the machine slept.
const NAP: Duration = Duration::from_secs(5);

/// When (on the boot clock) each account is due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: Mutex<Due>,
    ends: Mutex<Due>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Due {
    order: BTreeSet<(Duration, u64)>,
    of: HashMap<u64, Duration>,
}

impl Due {
    fn set(&mut self, incarnation: u64, at: Option<Duration>) {
        if let Some(before) = self.of.remove(&incarnation) {
            self.order.remove(&(before, incarnation));
        }
        if let Some(at) = at {
            self.of.insert(incarnation, at);
            self.order.insert((at, incarnation));
        }
    }

    fn first(&self) -> Option<(Duration, u64)> {
        self.order.first().copied()
    }
}

impl Schedule {
    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> MutexGuard<'_, Due> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, incarnation: u64, at: Option<Duration>) {
        self.set_in(self.due(), incarnation, at);
    }

    fn set_in(&self, mut due: MutexGuard<'_, Due>, incarnation: u64, at: Option<Duration>) {
        let first = due.first();
        due.set(incarnation, at);
        if due.first() != first {
            self.changed.notify_one();
        }
    }

    /// When the end of what this is of is spoken of.
    pub(super) fn set_end(&self, incarnation: u64, at: Option<Duration>) {
        self.set_in(self.ends(), incarnation, at);
    }

    /// Takes out those whose end is to be spoken of.
    pub(super) fn take_ends(&self, now: Duration) -> Vec<u64> {
        let mut ends = self.ends();
        let mut taken = Vec::new();
        while let Some((_, incarnation)) = ends.first().filter(|(at, _)| *at <= now) {
            ends.set(incarnation, None);
            taken.push(incarnation);
        }
        taken
    }

    /// Plans another attempt.
    pub(super) fn retry(&self, incarnation: u64, at: Duration) {
        self.set(incarnation, Some(at));
    }

    pub(super) fn forget(&self, incarnation: u64) {
        self.set(incarnation, None);
        self.set_end(incarnation, None);
    }

    /// Nothing is due any more.
    pub(super) fn clear(&self) {
        *self.due() = Due::default();
        *self.ends() = Due::default();
        self.changed.notify_one();
    }

    /// Something else than an account is due at another time than before.
    pub(super) fn look_anew(&self) {
        self.changed.notify_one();
    }

    /// When an account is due.
    pub(super) fn of(&self, incarnation: u64) -> Option<Duration> {
        self.due().of.get(&incarnation).copied()
    }

    fn first(&self) -> Option<Duration> {
        let firsts = [self.due().first(), self.ends().first()];
        firsts.into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Takes out what is due. What is long overdue stays, spread over the time from now on.
    fn take_due(&self, now: Duration, jitter: impl Fn() -> f64) -> Vec<u64> {
        let mut due = self.due();
        let (mut taken, mut late) = (Vec::new(), Vec::new());
        while let Some(&(at, incarnation)) = due.order.first().filter(|(at, _)| *at <= now) {
            due.set(incarnation, None);
            if now - at > OVERDUE { late.push(incarnation) } else { taken.push(incarnation) }
        }
        let spread = spread(late.len());
        for incarnation in late {
            due.set(incarnation, Some(now + spread.mul_f64(jitter())));
        }
        taken
    }
}

/// Over how long so many accounts are spread that are due at the same moment: no server and no disk has to take them all
/// at once, and whoever asks for one of them doesn't wait for its turn.
pub(super) fn spread(accounts: usize) -> Duration {
    SPREAD.max(SPREAD_EACH * u32::try_from(accounts).unwrap_or(u32::MAX))
}

impl Agent {
    /// Plans an account's next refresh from its token's times, if it is in use and can be refreshed.
    pub(super) fn plan(&self, account: &Account, now: Moment) {
        self.plan_within(account, now, SPREAD);
    }

    /// The same; a refresh that is due already comes within `spread`.
    pub(super) fn plan_within(&self, account: &Account, now: Moment, spread: Duration) {
        let usual = account.usual();
        let times = tokens::times(account, &usual, TokenKind::Access);
        let times = times.filter(|_| account.in_use(now) && account.is_refreshable());
        let wait = times.and_then(|times| {
            let wait = state::refresh_in(times, account.margin(&usual), now, jitter())?;
            Some(if wait.is_zero() { spread.mul_f64(jitter()) } else { wait })
        });
        // A login whose tokens are refused gets another one sooner: perhaps that is taken.
        let tried = account.fallback.is_some() && account.is_refreshable() && account.in_use(now);
        let trial = tried.then(|| state::trial_in(account.trials));
        let wait = wait.into_iter().chain(trial).min();
        self.schedule.set(account.record.incarnation, wait.map(|wait| self.clock.boot() + wait));
        self.plan_end(account, now);
    }

    /// Refreshes ahead until the agent ends.
    pub(super) async fn refresh_ahead(self: Arc<Self>, mut alarm: Alarm) {
        let (mut boot, mut awake) = (self.clock.boot(), Instant::now());
        loop {
            let until = self.schedule.first().into_iter().chain(self.idle_lock_at()).min();
            let woken = tokio::select! {
                woken = alarm.wait(until) => woken,
                () = self.schedule.changed.notified() => continue,
            };
            let slept = (self.clock.boot() - boot).saturating_sub(awake.elapsed()) > NAP;
            (boot, awake) = (self.clock.boot(), Instant::now());
            if slept {
                self.conclude_anew("the machine has slept");
            }
            self.lock_if_idle().await;
            self.woken(woken);
        }
    }

    /// Starts what is due.
    pub(super) fn woken(self: &Arc<Self>, woken: Wake) {
        if woken == Wake::ClockSet {
            self.conclude_anew("the clock was set");
        }
        for incarnation in self.schedule.take_due(self.clock.boot(), jitter) {
            self.refresh_due(incarnation);
        }
        self.warn_of_ends();
    }

    /// The clock was set or the machine slept: tokens may be older than was thought, and a network that wasn't there may
    /// be back.
    pub(super) fn conclude_anew(&self, why: &str) {
        debug!("{why}: every refresh is planned anew");
        let (now, boot) = (self.clock.moment(), self.clock.boot());
        let mut table = self.table();
        let spread = spread(table.names.len());
        for account in table.iter_mut() {
            self.plan_end(account, now);
            if account.problem.is_none() && !account.answer_lost {
                self.plan_within(account, now, spread);
            } else if account.unsent {
                account.not_before = None;
                self.schedule.retry(account.record.incarnation, boot + spread.mul_f64(jitter()));
            }
        }
        drop(table);
        self.flights.hasten();
    }

    fn refresh_due(self: &Arc<Self>, incarnation: u64) {
        let now = self.clock.moment();
        // An answer that was lost is asked for again whoever uses the account: later the server takes the token no more.
        let wanted = self.table().get(incarnation).and_then(|account| match account.answer_lost {
            true => Some(Variant::default()),
            false => account.in_use(now).then(|| account.usual()),
        });
        if let Some(variant) = wanted {
            drop(self.renew(incarnation, variant));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_earliest_is_first_and_what_is_due_is_taken_once() {
        let schedule = Schedule::default();
        for (incarnation, at) in [(1, 30), (2, 10), (3, 20), (2, 25)] {
            schedule.retry(incarnation, seconds(at));
        }
        assert_eq!(schedule.first(), Some(seconds(20)));
        assert_eq!(schedule.take_due(seconds(25), || 0.5), [3, 2]);
        assert!(schedule.take_due(seconds(25), || 0.5).is_empty());
        schedule.forget(1);
        assert_eq!(schedule.first(), None);
    }

    #[test]
    fn what_is_long_overdue_is_spread_and_the_more_it_is_the_longer() {
        for (accounts, longest) in [(1, 10), (100, 10), (200, 20), (1000, 100)] {
            let schedule = Schedule::default();
            (0..accounts).for_each(|incarnation| schedule.retry(incarnation, seconds(100)));
            let (now, turn) = (seconds(10_000), std::cell::Cell::new(0.0));
            #[expect(clippy::cast_precision_loss, reason = "a count of a thousand")]
            let jitter = || turn.replace(turn.get() + 1.0 / accounts as f64);
            assert!(schedule.take_due(now, jitter).is_empty());
            let started = |second| schedule.take_due(now + seconds(second), || 0.0).len();
            let each_second: Vec<_> = (1..=longest).map(started).collect();
            assert!(each_second.iter().all(|started| *started <= 12), "{each_second:?}");
            assert_eq!(each_second.iter().sum::<usize>(), usize::try_from(accounts).unwrap());
        }
    }

    #[tokio::test]
    async fn a_new_first_wakes_the_alarm() {
        let schedule = Schedule::default();
        schedule.retry(1, seconds(30));
        schedule.changed.notified().await;
        schedule.retry(2, seconds(40));
        schedule.retry(3, seconds(20));
        schedule.changed.notified().await;
    }
}

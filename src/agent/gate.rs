//! Who may start an exchange: nobody once the vault is being locked, the machine goes to sleep or the agent is stopping, or
//! hands over.
//!
//! Closing the gate waits, bounded, for the exchanges under way, because an answer that is lost may be a login lost. A
//! handover is no refusal: whoever comes meanwhile waits, to go on here if it fails, and is asked for again at the
//! successor if it doesn't.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use crate::ipc::message::{Error, ErrorKind};

/// The gate.
#[derive(Debug)]
pub(super) struct Gate(watch::Sender<State>);

#[derive(Clone, Debug, Default)]
struct State {
    closed: BTreeSet<Closed>,
    handover: Handover,
    exchanges: usize,
    changes: usize,
}

/// How far a handover is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Handover {
    #[default]
    None,
    /// Nothing new begins; what is under way ends.
    Draining,
    /// Nothing is under way.
    Sealed,
}

impl State {
    fn idle(&self) -> bool {
        self.exchanges == 0 && self.changes == 0
    }
}

/// Why it is closed; the first of several is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closed {
    /// The agent ends, which is final.
    Stopping,
    /// `vault.lock`.
    Locked,
    /// The machine sleeps, or is about to.
    Asleep,
}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Stopping => Error::new(ErrorKind::TemporarilyUnavailable, "the agent is stopping; ask again"),
            Closed::Locked => Error::new(ErrorKind::VaultLocked, super::vault_door::LOCKED),
            Closed::Asleep => Error::new(
                ErrorKind::TemporarilyUnavailable,
                "the machine is going to sleep; ask again when it is awake",
            ),
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(watch::channel(State::default()).0)
    }
}

/// Held by what is under way.
#[derive(Debug)]
pub(super) struct Pass {
    gate: watch::Sender<State>,
    is_change: bool,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.send_modify(|state| match self.is_change {
            true => state.changes -= 1,
            false => state.exchanges -= 1,
        });
    }
}

impl Gate {
    /// Waits until the agent stops, or a successor serves.
    pub(super) async fn stopping(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.closed.contains(&Closed::Stopping)).await;
    }

    /// Waits while a handover is under way; holds nothing back, so that [`Self::try_enter`] has to look again.
    pub(super) async fn no_handover(&self) {
        // The sender is ours, so this ends with what is waited for.
        let _ = self.0.subscribe().wait_for(|state| state.handover == Handover::None || !state.closed.is_empty()).await;
    }

    /// Starts an exchange, if the gate is open; `None` during a handover.
    pub(super) fn try_enter(&self) -> Result<Option<Pass>, Closed> {
        self.enter_if(|_| true, |handover| handover == Handover::None)
    }

    /// Keeps what a login brought: a machine on its way to sleep waits for that, and so does a handover.
    pub(super) async fn enter_to_keep(&self) -> Result<Pass, Closed> {
        let mut state = self.0.subscribe();
        loop {
            let counts = |closed| closed != Closed::Asleep;
            if let Some(pass) = self.enter_if(counts, |handover| handover != Handover::Sealed)? {
                return Ok(pass);
            }
            let _ = state.changed().await;
        }
    }

    fn enter_if(
        &self,
        counts: impl Fn(Closed) -> bool,
        open: impl Fn(Handover) -> bool,
    ) -> Result<Option<Pass>, Closed> {
        let mut entered = Ok(false);
        self.0.send_if_modified(|state| {
            let closed = state.closed.iter().copied().find(|closed| counts(*closed));
            entered = closed.map_or_else(|| Ok(open(state.handover)), Err);
            let enters = matches!(entered, Ok(true));
            state.exchanges += usize::from(enters);
            enters
        });
        entered.map(|entered| entered.then(|| Pass { gate: self.0.clone(), is_change: false }))
    }

    /// Starts a change of what is kept, or a login, after any handover, whatever else the gate is closed for: nothing may change
    /// under a successor's feet. It is under way until it is answered.
    pub(super) async fn change(&self) -> Pass {
        let mut state = self.0.subscribe();
        loop {
            let begun = self.0.send_if_modified(|state| {
                let free = state.handover == Handover::None;
                state.changes += usize::from(free);
                free
            });
            if begun {
                return Pass { gate: self.0.clone(), is_change: true };
            }
            // The sender is ours, so this ends with the handover.
            let _ = state.wait_for(|state| state.handover == Handover::None).await;
        }
    }

    /// Closes it and waits for the exchanges under way, at most `limit`. False if some are still under way.
    pub(super) async fn close(&self, why: Closed, limit: Duration) -> bool {
        self.0.send_modify(|state| {
            state.closed.insert(why);
        });
        let mut state = self.0.subscribe();
        let idle = state.wait_for(|state| state.exchanges == 0);
        tokio::time::timeout(limit, idle).await.is_ok()
    }

    /// That is no reason any more.
    pub(super) fn open(&self, why: Closed) {
        self.0.send_modify(|state| {
            state.closed.remove(&why);
        });
    }

    /// Whether tokens may still be handed out: not from the moment on at which a lock began.
    pub(super) fn not_locked(&self) -> Result<(), Error> {
        if self.0.borrow().closed.contains(&Closed::Locked) { Err(Closed::Locked.into()) } else { Ok(()) }
    }

    /// Waits for something, unless the vault is locked meanwhile: then whoever waits is told at once.
    pub(super) async fn unless_locked<T>(&self, wait: impl Future<Output = T>) -> Result<T, Error> {
        let mut state = self.0.subscribe();
        tokio::select! {
            biased;
            Ok(_) = state.wait_for(|state| state.closed.contains(&Closed::Locked)) => Err(Closed::Locked.into()),
            waited = wait => Ok(waited),
        }
    }

    /// How many exchanges are under way.
    pub(super) fn exchanges(&self) -> usize {
        self.0.borrow().exchanges
    }

    /// Whether the machine is about to sleep.
    pub(super) fn is_asleep(&self) -> bool {
        self.0.borrow().closed.contains(&Closed::Asleep)
    }

    /// Ends what is under way for a handover: first by waiting for an idle moment, at most `patience`, then by letting nothing
    /// begin, at most as long as `hold`. `None` if it doesn't end, or the agent stops.
    #[cfg_attr(all(windows, not(test)), expect(dead_code, reason = "nothing is handed over there"))]
    pub(super) async fn drain(&self, patience: Duration, hold: Duration) -> Option<Drained> {
        let mut state = self.0.subscribe();
        let stopping = |state: &State| state.closed.contains(&Closed::Stopping);
        let _ = tokio::time::timeout(patience, state.wait_for(|state| state.idle() || stopping(state))).await;
        let drained = Drained(self.0.clone());
        self.0.send_modify(|state| state.handover = Handover::Draining);
        let idle =
            async { state.wait_for(|state| state.idle() || stopping(state)).await.map(|state| !stopping(&state)) };
        if !matches!(tokio::time::timeout(hold, idle).await, Ok(Ok(true))) {
            return None;
        }
        // One that ends a login may have come since.
        let sealed = self.0.send_if_modified(|state| {
            let seals = state.idle() && !stopping(state);
            state.handover = if seals { Handover::Sealed } else { state.handover };
            seals
        });
        sealed.then_some(drained)
    }
}

/// Nothing is under way, and nothing begins. Dropped, everything goes on here.
#[derive(Debug)]
pub(super) struct Drained(watch::Sender<State>);

impl Drained {
    /// The successor serves: nothing begins here any more.
    #[cfg_attr(all(windows, not(test)), expect(dead_code, reason = "nothing is handed over there"))]
    pub(super) fn for_good(self) {
        self.0.send_modify(|state| {
            state.closed.insert(Closed::Stopping);
        });
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.handover = Handover::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn enter(gate: &Gate) -> Pass {
        gate.try_enter().unwrap().unwrap()
    }

    #[tokio::test]
    async fn closing_waits_for_the_exchanges_under_way_and_lets_no_new_one_in() {
        let gate = Gate::default();
        let pass = enter(&gate);
        assert!(!gate.close(Closed::Locked, NONE).await);
        assert_eq!(gate.try_enter().unwrap_err(), Closed::Locked);
        drop(pass);
        assert!(gate.close(Closed::Locked, NONE).await);
        gate.open(Closed::Locked);
        drop(enter(&gate));
    }

    #[tokio::test]
    async fn stopping_is_final() {
        let gate = Gate::default();
        gate.close(Closed::Stopping, NONE).await;
        gate.close(Closed::Locked, NONE).await;
        gate.open(Closed::Locked);
        assert_eq!(gate.try_enter().unwrap_err(), Closed::Stopping);
        assert!(gate.drain(NONE, NONE).await.is_none(), "nothing is handed over any more");
    }

    #[tokio::test]
    async fn a_machine_that_goes_to_sleep_starts_nothing_and_keeps_what_has_come() {
        let gate = Gate::default();
        gate.close(Closed::Asleep, Duration::ZERO).await;
        assert_eq!(gate.try_enter().unwrap_err(), Closed::Asleep);
        let keeping = gate.enter_to_keep().await.unwrap();
        assert!(!gate.close(Closed::Asleep, Duration::ZERO).await);
        drop(keeping);
        gate.close(Closed::Locked, Duration::ZERO).await;
        gate.open(Closed::Asleep);
        assert_eq!(gate.try_enter().unwrap_err(), Closed::Locked, "waking up unlocks nothing");
        assert_eq!(gate.enter_to_keep().await.unwrap_err(), Closed::Locked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handover_waits_for_what_is_under_way_and_holds_back_what_comes() {
        let gate = Gate::default();
        for pass in [enter(&gate), gate.change().await] {
            assert!(gate.drain(Duration::from_secs(1), NONE).await.is_none());
            drop(pass);
        }
        let drained = gate.drain(NONE, NONE).await.unwrap();
        assert!(gate.try_enter().unwrap().is_none());
        let late = Duration::from_secs(1);
        assert!(tokio::time::timeout(late, gate.change()).await.is_err(), "a change waits");
        assert!(tokio::time::timeout(late, gate.enter_to_keep()).await.is_err(), "so does the end of a login");
        // It failed: what waited goes on.
        drop(drained);
        drop((enter(&gate), gate.change().await, gate.enter_to_keep().await.unwrap()));
        gate.drain(NONE, NONE).await.unwrap().for_good();
        assert_eq!(gate.try_enter().unwrap_err(), Closed::Stopping);
        gate.no_handover().await;
    }

    /// A lock or a sleep is no way around it: what changes now would change under the successor's feet.
    #[tokio::test(start_paused = true)]
    async fn a_gate_that_is_closed_lets_no_change_begin_in_a_handover() {
        for why in [Closed::Locked, Closed::Asleep] {
            let gate = Gate::default();
            assert!(gate.close(why, NONE).await);
            let drained = gate.drain(NONE, NONE).await.unwrap();
            let change = tokio::time::timeout(Duration::from_secs(1), gate.change());
            assert!(change.await.is_err(), "{why:?}");
            assert_eq!(gate.try_enter().unwrap_err(), why, "an exchange is refused at once");
            drop(drained);
            drop(gate.change().await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handover_takes_an_idle_moment_before_it_holds_anybody_back() {
        let gate = std::sync::Arc::new(Gate::default());
        let first = enter(&gate);
        let draining = tokio::spawn({
            let gate = std::sync::Arc::clone(&gate);
            async move { gate.drain(Duration::from_secs(10), NONE).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(enter(&gate));
        drop(first);
        assert!(draining.await.unwrap());
    }
}

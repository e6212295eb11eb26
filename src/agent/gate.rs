//! Who may start an exchange: nobody once the vault is being locked, the machine goes to sleep or the agent is stopping.
//!
//! Closing the gate waits, bounded, for the exchanges under way, because an answer that is lost may be a login lost.

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
    under_way: usize,
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

/// Held by an exchange under way.
#[derive(Debug)]
pub(super) struct Pass(watch::Sender<State>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.under_way -= 1);
    }
}

impl Gate {
    /// Starts an exchange, if the gate is open.
    pub(super) fn enter(&self) -> Result<Pass, Closed> {
        self.enter_unless(|_| true)
    }

    /// Keeps what has come already: a machine on its way to sleep waits for that.
    pub(super) fn enter_to_keep(&self) -> Result<Pass, Closed> {
        self.enter_unless(|closed| closed != Closed::Asleep)
    }

    fn enter_unless(&self, counts: impl Fn(Closed) -> bool) -> Result<Pass, Closed> {
        let mut closed = None;
        self.0.send_modify(|state| {
            closed = state.closed.iter().copied().find(|closed| counts(*closed));
            state.under_way += usize::from(closed.is_none());
        });
        closed.map_or_else(|| Ok(Pass(self.0.clone())), Err)
    }

    /// Closes it and waits for the exchanges under way, at most `limit`. False if some are still under way.
    pub(super) async fn close(&self, why: Closed, limit: Duration) -> bool {
        self.0.send_modify(|state| {
            state.closed.insert(why);
        });
        let mut state = self.0.subscribe();
        let idle = state.wait_for(|state| state.under_way == 0);
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

    /// Whether the machine is about to sleep.
    pub(super) fn is_asleep(&self) -> bool {
        self.0.borrow().closed.contains(&Closed::Asleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_waits_for_the_exchanges_under_way_and_lets_no_new_one_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        assert!(!gate.close(Closed::Locked, Duration::ZERO).await);
        assert_eq!(gate.enter().unwrap_err(), Closed::Locked);
        drop(pass);
        assert!(gate.close(Closed::Locked, Duration::ZERO).await);
        gate.open(Closed::Locked);
        assert!(gate.enter().is_ok());
    }

    #[tokio::test]
    async fn stopping_is_final() {
        let gate = Gate::default();
        gate.close(Closed::Stopping, Duration::ZERO).await;
        gate.close(Closed::Locked, Duration::ZERO).await;
        gate.open(Closed::Locked);
        assert_eq!(gate.enter().unwrap_err(), Closed::Stopping);
    }

    #[tokio::test]
    async fn a_machine_that_goes_to_sleep_starts_nothing_and_keeps_what_has_come() {
        let gate = Gate::default();
        gate.close(Closed::Asleep, Duration::ZERO).await;
        assert_eq!(gate.enter().unwrap_err(), Closed::Asleep);
        let keeping = gate.enter_to_keep().unwrap();
        assert!(!gate.close(Closed::Asleep, Duration::ZERO).await);
        drop(keeping);
        gate.close(Closed::Locked, Duration::ZERO).await;
        gate.open(Closed::Asleep);
        assert_eq!(gate.enter().unwrap_err(), Closed::Locked, "waking up unlocks nothing");
        assert_eq!(gate.enter_to_keep().unwrap_err(), Closed::Locked);
    }
}

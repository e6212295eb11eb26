//! Who may start an exchange: nobody once the vault is being locked or the agent is stopping.
//!
//! Closing the gate waits, bounded, for the exchanges under way, because an answer that is lost may be a login lost.

use std::time::Duration;

use tokio::sync::watch;

use crate::ipc::message::{Error, ErrorKind};

/// The gate.
#[derive(Debug)]
pub(super) struct Gate(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    closed: Option<Closed>,
    under_way: usize,
}

/// Why it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// `vault.lock`.
    Locked,
    /// The agent ends.
    Stopping,
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
    pub(super) fn enter(&self) -> Result<Pass, Error> {
        let mut closed = None;
        self.0.send_modify(|state| {
            closed = state.closed;
            if closed.is_none() {
                state.under_way += 1;
            }
        });
        match closed {
            None => Ok(Pass(self.0.clone())),
            Some(Closed::Locked) => Err(Error::new(ErrorKind::VaultLocked, super::vault_door::LOCKED)),
            Some(Closed::Stopping) => {
                Err(Error::new(ErrorKind::TemporarilyUnavailable, "the agent is stopping; ask again"))
            }
        }
    }

    /// Closes it and waits for the exchanges under way, at most `limit`. False if some are still under way.
    pub(super) async fn close(&self, why: Closed, limit: Duration) -> bool {
        self.0.send_modify(|state| {
            // Stopping is final; a lock that comes later must not open it again by an unlock.
            if state.closed != Some(Closed::Stopping) {
                state.closed = Some(why);
            }
        });
        let mut state = self.0.subscribe();
        let idle = state.wait_for(|state| state.under_way == 0);
        tokio::time::timeout(limit, idle).await.is_ok()
    }

    /// Opens it after a lock.
    pub(super) fn open(&self) {
        self.0.send_modify(|state| {
            if state.closed == Some(Closed::Locked) {
                state.closed = None;
            }
        });
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
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::VaultLocked);
        drop(pass);
        assert!(gate.close(Closed::Locked, Duration::ZERO).await);
        gate.open();
        assert!(gate.enter().is_ok());
    }

    #[tokio::test]
    async fn stopping_is_final() {
        let gate = Gate::default();
        gate.close(Closed::Stopping, Duration::ZERO).await;
        gate.close(Closed::Locked, Duration::ZERO).await;
        gate.open();
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::TemporarilyUnavailable);
    }
}

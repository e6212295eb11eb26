//! Whether this process may write: not before it owns the vault, and not once another one does.
//!
//! Closing waits for the writes under way, so that none of them lands under the next owner's feet, and from then on every
//! write fails before it does anything, whoever began what it belongs to. That is no harm: a write may fail anywhere.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::time::Duration;

/// The writes of one vault.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    closed: bool,
}

/// One write under way.
#[derive(Debug)]
pub(crate) struct Writing<'a>(&'a Writers);

impl Writers {
    /// For a vault that isn't this process's yet.
    #[cfg(unix)]
    pub(crate) fn closed() -> Self {
        let state = State { closed: true, ..State::default() };
        Self { state: Mutex::new(state), ..Self::default() }
    }

    pub(super) fn begin(&self) -> io::Result<Writing<'_>> {
        let mut state = self.state();
        if state.closed {
            return Err(io::Error::other("another agent owns the vault"));
        }
        state.under_way += 1;
        Ok(Writing(self))
    }

    /// Lets no write begin and waits for those under way, at most `limit`: if one takes longer, everything goes on and the
    /// answer is false.
    #[cfg(unix)]
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let mut state = self.state();
        state.closed = true;
        let waited = self.idle.wait_timeout_while(state, limit, |state| state.under_way > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.closed = state.under_way == 0;
        state.closed
    }

    #[cfg(unix)]
    pub(crate) fn open(&self) {
        self.state().closed = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.idle.notify_all();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn closing_waits_for_the_writes_under_way_and_lets_none_begin() {
        let writers = Writers::default();
        let writing = writers.begin().expect("open");
        assert!(!writers.close(Duration::ZERO), "one hangs");
        drop(writers.begin().expect("everything goes on"));
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| writers.close(Duration::from_secs(60)));
            while writers.begin().is_ok() {
                std::thread::yield_now();
            }
            drop(writing);
            assert!(closing.join().expect("closed"));
        });
        assert!(writers.begin().is_err());
        writers.open();
        assert!(writers.begin().is_ok());
    }
}

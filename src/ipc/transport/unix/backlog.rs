//! How many callers the system lets wait to be accepted.
//!
//! Many, as a rule: a build starts a thousand clients at once. But it keeps them in one line, and a program that connects without
//! end fills it: who comes then waits until all of those were accepted for nothing. So in a flood the line has one place, and
//! after each caller accepted for nothing there is a pause. A client that finds the place taken waits in connect(2), and
//! the system wakes one for each that is accepted, in the order they came. One at a time, that one finds the place free; of
//! many at once the fastest take the places of those who are still waking up, and the fastest are those who flood. A client whose
//! connect(2) doesn't wait is told EAGAIN and asks again.
//!
//! Linux alone: elsewhere a full line refuses those who come.

#[cfg(target_os = "linux")]
pub(super) use linux::Backlog;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Backlog;

/// As a rule.
pub(super) const LONG: i32 = 4096;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::breath::Breath;
    use super::LONG;

    /// In a flood: one place, because Linux counts those beyond the first.
    const SHORT: i32 = 0;
    /// So many accepted for nothing within [`WHILE`] are a flood.
    pub(super) const FLOOD: u32 = 128;
    pub(super) const WHILE: Duration = Duration::from_millis(100);
    /// A flood is over when nobody was accepted for nothing for so long.
    pub(super) const CALM: Duration = Duration::from_secs(1);

    /// Whether there is a flood, and what tells it.
    #[derive(Debug)]
    pub(in super::super) struct Backlog {
        is_flooded: bool,
        /// Accepted for nothing since then.
        for_nothing: u32,
        since: Instant,
        breath: Breath,
    }

    impl Backlog {
        pub(in super::super) fn new() -> Self {
            Self { is_flooded: false, for_nothing: 0, since: Instant::now(), breath: Breath::default() }
        }

        /// Whether callers are to be taken out of the line one at a time.
        pub(in super::super) fn is_flooded(&self) -> bool {
            self.is_flooded
        }

        /// A caller was accepted; for nothing, if it had gone already or has to wait for its program's pace.
        pub(in super::super) fn saw(&mut self, listener: &OwnedFd, for_nothing: bool) {
            if self.turns(for_nothing) {
                // Called again, it changes the length alone.
                let _ = rustix::net::listen(listener, if self.is_flooded { SHORT } else { LONG });
            }
            if self.is_flooded && for_nothing {
                self.breath.begin();
            }
        }

        /// Whether a flood has begun or ended by this.
        pub(super) fn turns(&mut self, for_nothing: bool) -> bool {
            let now = Instant::now();
            let past = now.saturating_duration_since(self.since);
            let is_flooded = match (self.is_flooded, for_nothing) {
                (is_flooded, false) => is_flooded && past <= CALM,
                (true, true) => {
                    self.since = now;
                    true
                }
                (false, true) => {
                    if past > WHILE {
                        (self.for_nothing, self.since) = (0, now);
                    }
                    self.for_nothing += 1;
                    self.for_nothing >= FLOOD
                }
            };
            std::mem::replace(&mut self.is_flooded, is_flooded) != is_flooded
        }

        /// Takes its time over a flood.
        pub(in super::super) async fn breathe(&mut self) {
            self.breath.end().await;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::os::fd::OwnedFd;

    /// The line stays as it is.
    #[derive(Debug)]
    pub(in super::super) struct Backlog;

    impl Backlog {
        pub(in super::super) fn new() -> Self {
            Self
        }

        pub(in super::super) fn is_flooded(&self) -> bool {
            false
        }

        pub(in super::super) fn saw(&mut self, _listener: &OwnedFd, _for_nothing: bool) {}

        pub(in super::super) async fn breathe(&mut self) {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::{CALM, FLOOD, WHILE};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_lasts_until_a_calm_second_has_passed() {
        let mut backlog = Backlog::new();
        for _ in 1..FLOOD {
            assert!(!backlog.turns(true));
        }
        assert!(backlog.turns(true) && backlog.is_flooded());
        tokio::time::advance(CALM).await;
        assert!(!backlog.turns(true) && !backlog.turns(false) && backlog.is_flooded(), "it is still going on");
        tokio::time::advance(CALM + WHILE).await;
        assert!(backlog.turns(false) && !backlog.is_flooded());
        assert!(!backlog.turns(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_for_nothing_now_and_then_is_no_flood() {
        let mut backlog = Backlog::new();
        for _ in 0..10 * FLOOD {
            assert!(!backlog.turns(true));
            tokio::time::advance(WHILE / 100).await;
        }
    }
}

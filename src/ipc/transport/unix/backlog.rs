//! How many callers the system lets wait to be accepted.
//!
//! Many, as a rule: a build starts a thousand clients at once. But it keeps them in one line, and a program that connects and
//! hangs up without end fills it: who comes then waits until all of those were accepted for nothing. So while most callers
//! don't wait for an answer, the line is short. A client whose connect(2) blocks waits outside without noticing; one whose
//! doesn't is told EAGAIN and asks again.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::Instant;

use super::breath::Breath;

/// As a rule.
pub(super) const LONG: i32 = 4096;
/// During a flood: no more than are accepted in half a tenth of a millisecond.
const SHORT: i32 = 8;
/// So many who have hung up within [`WHILE`] are a flood.
const FLOOD: u32 = 128;
const WHILE: Duration = Duration::from_millis(100);
/// A flood is over when nobody has hung up for so long.
const CALM: Duration = Duration::from_secs(1);

/// The line's length, and what tells it.
#[derive(Debug)]
pub(super) struct Backlog {
    is_short: bool,
    /// Who hung up since then, or since the last breath.
    gone: u32,
    since: Instant,
    /// During a flood, after a line's length of hang-ups: what leaves the processor to others. Those who flood stand still
    /// meanwhile, because the line is full.
    breath: Breath,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { is_short: false, gone: 0, since: Instant::now(), breath: Breath::default() }
    }
}

impl Backlog {
    /// A caller was accepted, gone or not.
    pub(super) fn saw(&mut self, listener: &OwnedFd, had_gone: bool) {
        let length = self.length_after(had_gone);
        if let Some(length) = length {
            // Called again, it changes the length alone.
            let _ = rustix::net::listen(listener, length);
        }
    }

    /// The new length, if it changes.
    fn length_after(&mut self, had_gone: bool) -> Option<i32> {
        let now = Instant::now();
        let past = now.saturating_duration_since(self.since);
        if !had_gone {
            let is_over = self.is_short && past > CALM;
            self.is_short &= !is_over;
            return is_over.then_some(LONG);
        }
        if self.is_short {
            (self.gone, self.since) = (self.gone + 1, now);
            return None;
        }
        if past > WHILE {
            (self.gone, self.since) = (0, now);
        }
        self.gone += 1;
        self.is_short = self.gone >= FLOOD;
        self.is_short.then_some(SHORT)
    }

    /// Takes its time over a flood.
    pub(super) async fn breathe(&mut self) {
        if self.is_short && self.gone >= SHORT.unsigned_abs() {
            self.gone = 0;
            self.breath.begin();
        }
        self.breath.end().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_shortens_the_line_until_a_calm_second_has_passed() {
        let mut backlog = Backlog::default();
        for _ in 1..FLOOD {
            assert_eq!(backlog.length_after(true), None);
        }
        assert_eq!(backlog.length_after(true), Some(SHORT));
        assert_eq!((backlog.length_after(true), backlog.length_after(false)), (None, None));
        tokio::time::advance(CALM).await;
        assert_eq!((backlog.length_after(true), backlog.length_after(false)), (None, None), "it is still going on");
        tokio::time::advance(CALM + WHILE).await;
        assert_eq!(backlog.length_after(false), Some(LONG));
        assert_eq!(backlog.length_after(false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_now_and_then_is_no_flood() {
        let mut backlog = Backlog::default();
        for _ in 0..10 * FLOOD {
            assert_eq!(backlog.length_after(true), None);
            tokio::time::advance(WHILE / 100).await;
        }
    }
}

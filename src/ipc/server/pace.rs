//! A measured pace: much at once, and then so much in each millisecond, so that nobody keeps a processor busy by asking for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What a crowd may do without waiting, and how fast it goes on from there.
#[derive(Debug)]
pub(super) struct Pace {
    burst: i64,
    each_millisecond: i64,
    /// Less than none after a fine.
    left: i64,
    filled: Instant,
    fines: Fines,
}

/// Takes steps off a pace from afar.
#[derive(Clone, Debug, Default)]
pub(super) struct Fines(Arc<AtomicI64>);

impl Fines {
    /// So many.
    pub(super) fn impose(&self, steps: u32) {
        self.0.fetch_add(steps.into(), Ordering::Relaxed);
    }
}

impl Pace {
    /// One that has its burst. Needs a runtime.
    pub(super) fn new(burst: u32, each_millisecond: u32) -> Self {
        let (burst, each_millisecond) = (burst.into(), each_millisecond.into());
        Self { burst, each_millisecond, left: burst, filled: Instant::now(), fines: Fines::default() }
    }

    /// What may slow it down.
    pub(super) fn fines(&self) -> Fines {
        self.fines.clone()
    }

    /// Whether a step is left; time has brought some.
    pub(super) fn goes_on(&mut self) -> bool {
        let elapsed = self.filled.elapsed().as_millis();
        let more = i64::try_from(elapsed).unwrap_or(i64::MAX).saturating_mul(self.each_millisecond);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.burst);
            self.filled = Instant::now();
        }
        // Forgotten after a second, however many they were.
        let least = -1000 * self.each_millisecond;
        self.left = self.left.saturating_sub(self.fines.0.swap(0, Ordering::Relaxed)).max(least);
        self.left > 0
    }

    /// Takes a step.
    pub(super) fn take(&mut self) {
        self.left -= 1;
    }

    /// Waits until a step is left, and takes it.
    pub(super) async fn next(&mut self) {
        while !self.goes_on() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.take();
    }

    /// Whether none was left when somebody last looked.
    pub(super) fn is_spent(&self) -> bool {
        self.left <= 0
    }

    /// Whether a new one would be the same.
    pub(super) fn is_rested(&mut self) -> bool {
        self.goes_on() && self.left == self.burst
    }

    #[cfg(all(test, unix))]
    pub(super) fn spend(&mut self) {
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(pace: &mut Pace) -> usize {
        std::iter::from_fn(|| pace.goes_on().then(|| pace.take())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_so_many_in_each_millisecond() {
        let mut pace = Pace::new(100, 4);
        assert_eq!(burst(&mut pace), 100);
        let began = Instant::now();
        for _ in 0..40 {
            pace.next().await;
        }
        assert_eq!(began.elapsed(), Duration::from_millis(10));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(burst(&mut pace), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fine_is_paid_with_time_and_no_fine_with_more_than_a_second() {
        let mut pace = Pace::new(100, 4);
        pace.fines().impose(60);
        assert_eq!(burst(&mut pace), 40);
        for (fine, wait) in [(40, 11), (1_000_000, 1001)] {
            pace.fines().impose(fine);
            assert!(!pace.goes_on());
            let began = Instant::now();
            pace.next().await;
            assert_eq!(began.elapsed(), Duration::from_millis(wait), "{fine}");
            while pace.goes_on() {
                pace.take();
            }
        }
    }
}

//! A measured pace: much at once, and then so much in each millisecond, so that nobody keeps a processor busy by asking for it.

use std::time::Duration;

use tokio::time::Instant;

/// What a crowd may do without waiting, and how fast it goes on from there.
#[derive(Debug)]
pub(super) struct Pace {
    burst: u32,
    each_millisecond: u32,
    left: u32,
    filled: Instant,
}

impl Pace {
    /// One that has its burst. Needs a runtime.
    pub(super) fn new(burst: u32, each_millisecond: u32) -> Self {
        Self { burst, each_millisecond, left: burst, filled: Instant::now() }
    }

    /// Whether a step is left; time has brought some.
    pub(super) fn goes_on(&mut self) -> bool {
        let elapsed = self.filled.elapsed().as_millis();
        let more = u32::try_from(elapsed).unwrap_or(u32::MAX).saturating_mul(self.each_millisecond);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.burst);
            self.filled = Instant::now();
        }
        self.left > 0
    }

    /// Takes a step.
    pub(super) fn take(&mut self) {
        self.left = self.left.saturating_sub(1);
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
        self.left == 0
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
}

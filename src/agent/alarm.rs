//! One alarm for everything the agent does later. It counts through suspend and tells of a set clock; without an alarm
//! nothing wakes.

use std::io;
use std::time::Duration;

/// Why [`Alarm::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The boot clock has reached the time.
    Due,
    /// Somebody set the wall clock: what was computed from it has to be computed again.
    ClockSet,
}

pub use system::Alarm;

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Duration, Wake, io};

    /// Far enough (the year 2255), and within what the kernel counts in nanoseconds.
    const NEVER: i64 = 9_000_000_000;

    /// Two timers. A CLOCK_BOOTTIME timer goes off by the boot clock; a CLOCK_REALTIME timer that never goes off is cancelled
    /// when that clock is set (timerfd_create(2): cancel-on-set does nothing on the boot clock).
    #[derive(Debug)]
    pub struct Alarm {
        timer: AsyncFd<OwnedFd>,
        clock: AsyncFd<OwnedFd>,
    }

    impl Alarm {
        /// Needs a runtime.
        pub fn new() -> io::Result<Self> {
            let alarm = Self { timer: timerfd(TimerfdClockId::Boottime)?, clock: timerfd(TimerfdClockId::Realtime)? };
            alarm.watch_clock()?;
            Ok(alarm)
        }

        /// Waits until the boot clock says `until_boot`; without it, until the clock is set.
        pub async fn wait(&mut self, until_boot: Option<Duration>) -> Wake {
            if set(&self.timer, TimerfdTimerFlags::ABSTIME, until_boot.map(timespec)).is_err() {
                // Nothing that the kernel refuses; a wait that never ends would be worse than one too short.
                return Wake::Due;
            }
            tokio::select! {
                () = went_off(&self.timer) => Wake::Due,
                () = went_off(&self.clock) => {
                    let _ = self.watch_clock();
                    Wake::ClockSet
                }
            }
        }

        fn watch_clock(&self) -> io::Result<()> {
            let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
            set(&self.clock, flags, Some(Timespec { tv_sec: NEVER, tv_nsec: 0 }))
        }
    }

    fn timerfd(clock: TimerfdClockId) -> io::Result<AsyncFd<OwnedFd>> {
        let fd = timerfd_create(clock, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // SAFETY: an OwnedFd is one open descriptor until it is dropped, and the AsyncFd owns it.
        #[expect(unsafe_code, reason = "tokio has no safe constructor for descriptors any more")]
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(registered?)
    }

    fn timespec(at: Duration) -> Timespec {
        // All zero would switch the timer off; at the start of time it is due.
        let at = at.max(Duration::from_nanos(1));
        Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap_or(NEVER).min(NEVER), tv_nsec: at.subsec_nanos().into() }
    }

    fn set(timer: &AsyncFd<OwnedFd>, flags: TimerfdTimerFlags, at: Option<Timespec>) -> io::Result<()> {
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Itimerspec { it_interval: none, it_value: at.unwrap_or(none) };
        timerfd_settime(timer.get_ref(), flags, &value)?;
        Ok(())
    }

    /// Until the timer has gone off or was cancelled. A spurious readiness is waited out.
    async fn went_off(timer: &AsyncFd<OwnedFd>) {
        loop {
            let Ok(mut guard) = timer.readable().await else { return };
            let mut count = [0; 8];
            match rustix::io::read(timer.get_ref(), &mut count) {
                Err(Errno::AGAIN) => guard.clear_ready(),
                _ => return,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Duration, Wake, io};
    use crate::clock::{Clock, SystemClock};

    /// Sleeps by the runtime's clock and looks at the boot clock when it wakes: after a suspend it may be late by what was left
    /// to sleep. Doesn't notice a set clock.
    #[derive(Debug)]
    pub struct Alarm(());

    impl Alarm {
        /// Needs a runtime.
        pub fn new() -> io::Result<Self> {
            Ok(Self(()))
        }

        /// Waits until the boot clock says `until_boot`; without it, for ever.
        pub async fn wait(&mut self, until_boot: Option<Duration>) -> Wake {
            let Some(until) = until_boot else { return std::future::pending().await };
            loop {
                let left = until.saturating_sub(SystemClock.boot());
                if left.is_zero() {
                    return Wake::Due;
                }
                tokio::time::sleep(left).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[tokio::test]
    async fn a_time_that_is_past_is_due_at_once_and_one_to_come_when_it_comes() {
        let mut alarm = Alarm::new().expect("an alarm");
        assert_eq!(alarm.wait(Some(Duration::ZERO)).await, Wake::Due);
        let until = SystemClock.boot() + Duration::from_millis(30);
        assert_eq!(alarm.wait(Some(until)).await, Wake::Due);
        assert!(SystemClock.boot() >= until);
    }

    #[tokio::test]
    async fn a_wait_that_was_dropped_leaves_nothing_behind() {
        let mut alarm = Alarm::new().expect("an alarm");
        let soon = SystemClock.boot() + Duration::from_millis(500);
        assert!(tokio::time::timeout(Duration::ZERO, alarm.wait(Some(soon))).await.is_err());
        let nothing = tokio::time::timeout(Duration::from_millis(600), alarm.wait(None)).await;
        assert!(nothing.is_err(), "an alarm that is off");
    }
}

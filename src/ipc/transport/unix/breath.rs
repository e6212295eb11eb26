//! A pause of microseconds: the runtime's own timer counts milliseconds, which is longer than a question takes.

use std::time::Duration;

#[cfg(target_os = "linux")]
pub(super) use linux::Breath;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Breath;

/// Long enough that whoever waits for a processor gets it, short beside a question and its answer.
const LENGTH: Duration = Duration::from_micros(100);

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::LENGTH;

    /// One pause at a time; whoever no longer waits for it goes on with it the next time.
    #[derive(Debug, Default)]
    pub(in super::super) struct Breath {
        timer: Option<AsyncFd<OwnedFd>>,
        has_begun: bool,
    }

    impl Breath {
        /// Needs a runtime. Without a timer there is no pause.
        pub(in super::super) fn begin(&mut self) {
            self.has_begun = self.set().is_ok();
        }

        fn set(&mut self) -> io::Result<()> {
            let timer = match self.timer.take() {
                Some(timer) => timer,
                None => {
                    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                    // SAFETY: an OwnedFd is one open descriptor until it is dropped, and the AsyncFd owns it.
                    #[expect(unsafe_code, reason = "tokio has no safe constructor for descriptors any more")]
                    let registered = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
                    registered?
                }
            };
            let never = Timespec::default();
            let length = Timespec { tv_nsec: LENGTH.subsec_nanos().into(), ..never };
            let value = Itimerspec { it_interval: never, it_value: length };
            timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &value)?;
            self.timer = Some(timer);
            Ok(())
        }

        /// Waits until it is over.
        pub(in super::super) async fn end(&mut self) {
            while self.has_begun {
                let Some(timer) = &self.timer else { return };
                let Ok(mut ready) = timer.readable().await else { return };
                let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0; 8])?));
                self.has_begun = read.is_err();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use tokio::time::{Instant, sleep_until};

    use super::LENGTH;

    /// One pause at a time; whoever no longer waits for it goes on with it the next time.
    #[derive(Debug, Default)]
    pub(in super::super) struct Breath(Option<Instant>);

    impl Breath {
        /// Needs a runtime, whose timer makes a millisecond of it.
        pub(in super::super) fn begin(&mut self) {
            self.0 = Some(Instant::now() + LENGTH);
        }

        /// Waits until it is over.
        pub(in super::super) async fn end(&mut self) {
            if let Some(end) = self.0 {
                sleep_until(end).await;
                self.0 = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_and_whoever_left_goes_on_with_it() {
        let mut breath = Breath::default();
        breath.end().await;
        for _ in 0..3 {
            breath.begin();
            let began = std::time::Instant::now();
            tokio::select! {
                biased;
                () = breath.end() => panic!("it has only begun"),
                () = std::future::ready(()) => {}
            }
            breath.end().await;
            assert!(began.elapsed() >= LENGTH);
        }
    }
}

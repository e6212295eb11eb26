//! A pause of microseconds: the runtime's own timer counts milliseconds, which is longer than a question takes.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Long enough that whoever was woken meanwhile has had its turn, short beside a question and its answer.
const LENGTH: Duration = Duration::from_micros(50);

/// One pause at a time; whoever no longer waits for it goes on with it the next time.
#[derive(Debug, Default)]
pub(super) struct Breath {
    timer: Option<AsyncFd<OwnedFd>>,
    has_begun: bool,
}

impl Breath {
    /// Needs a runtime. Without a timer there is no pause.
    pub(super) fn begin(&mut self) {
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
    pub(super) async fn end(&mut self) {
        while self.has_begun {
            let Some(timer) = &self.timer else { return };
            let Ok(mut ready) = timer.readable().await else { return };
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0; 8])?));
            self.has_begun = read.is_err();
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

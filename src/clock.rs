//! Time as an argument: the wall clock, and the boot clock that counts through suspend and cannot be set.
//!
//! People and servers speak in the wall clock, and anybody may set it: no decision rests on it where the boot clock can
//! tell. A [`Moment`] is a reading of both, and [`Moment::since`] says what each of them has to say about the time between.
//! What the systems call their clocks is in one file each. Tests hand in their own [`Clock`].

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(unix, not(target_os = "linux")))]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use macos as system;
#[cfg(windows)]
use windows as system;

use std::hash::{BuildHasher as _, RandomState};
use std::ops::{Add, Sub};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment on the wall clock, in seconds since 1970-01-01T00:00:00Z. On the wire it is that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Time from `earlier` until this; zero where this is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add_unsigned(duration.as_secs()))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub_unsigned(duration.as_secs()))
    }
}

/// What a boot clock said. Two readings compare only if they are of the same clock: of the same boot, and the same time
/// namespace (time_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTime {
    /// Which boot clock: a number that no other has.
    pub clock: u64,
    /// Whole seconds since boot.
    pub seconds: u64,
}

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The boot clock; `None` where only the wall clock's time was kept.
    pub boot: Option<BootTime>,
}

impl Moment {
    /// A moment of which only the wall clock's time is known.
    pub fn by_wall(wall: Timestamp) -> Self {
        Self { wall, boot: None }
    }

    /// The time from `earlier` until this.
    pub fn since(self, earlier: Moment) -> Elapsed {
        let wall = (self.wall >= earlier.wall).then(|| self.wall.since(earlier.wall));
        let boot = self.boot.zip(earlier.boot).filter(|(now, then)| now.clock == then.clock);
        let boot = boot.and_then(|(now, then)| now.seconds.checked_sub(then.seconds)).map(Duration::from_secs);
        Elapsed { wall, boot }
    }
}

/// How much time has passed, as far as each clock can say: a wall clock that went backwards can't, nor another boot's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// By the wall clock, which somebody may have set meanwhile.
    pub wall: Option<Duration>,
    /// By the boot clock, which stands still while a virtual machine does.
    pub boot: Option<Duration>,
}

impl Elapsed {
    /// The most that it can have been; `None`: nobody knows.
    pub fn most(self) -> Option<Duration> {
        self.wall.max(self.boot)
    }

    /// The least that it can have been; zero where nobody knows.
    pub fn least(self) -> Duration {
        self.wall.into_iter().chain(self.boot).min().unwrap_or_default()
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since boot, suspend included; never goes backwards, not affected by setting the clock.
    fn boot(&self) -> Duration;
    /// Which boot clock that is.
    fn boot_clock(&self) -> u64;
    /// Both.
    fn moment(&self) -> Moment {
        let boot = BootTime { clock: self.boot_clock(), seconds: self.boot().as_secs() };
        Moment { wall: self.now(), boot: Some(boot) }
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Before 1970 there is no token to judge: the epoch will do.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> Duration {
        system::boot()
    }

    fn boot_clock(&self) -> u64 {
        static CLOCK: OnceLock<u64> = OnceLock::new();
        // Where the system doesn't tell its boots apart, a process can compare its own readings only.
        *CLOCK.get_or_init(|| system::boot_clock().unwrap_or_else(|| RandomState::new().hash_one("boot clock")))
    }
}

/// Which boot of the machine this is; empty where the system doesn't say.
#[cfg(feature = "formats")]
pub(crate) fn boot_id() -> String {
    system::boot_id().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(10) + Duration::from_secs(5), Timestamp(15));
        assert_eq!(Timestamp(i64::MAX) + Duration::from_secs(5), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(10)), Duration::ZERO);
        assert_eq!(Timestamp(10).since(Timestamp(4)), Duration::from_secs(6));
    }

    #[test]
    fn the_boot_clock_does_not_go_backwards() {
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first && first > Duration::ZERO);
    }

    fn at(wall: i64, boot: Option<(u64, u64)>) -> Moment {
        Moment { wall: Timestamp(wall), boot: boot.map(|(clock, seconds)| BootTime { clock, seconds }) }
    }

    #[test]
    fn each_clock_says_what_it_can() {
        let then = at(1000, Some((7, 50)));
        let table = [
            ("an hour later", at(4600, Some((7, 3650))), Some(3600), 3600),
            ("the same moment", then, Some(0), 0),
            ("the clock was set ahead", at(99_000, Some((7, 60))), Some(98_000), 10),
            ("the clock was set back", at(500, Some((7, 60))), Some(10), 10),
            ("the clock was set back a little", at(4000, Some((7, 3650))), Some(3600), 3000),
            ("another boot", at(4600, Some((8, 9000))), Some(3600), 3600),
            ("another boot, and the clock is behind", at(500, Some((8, 9000))), None, 0),
            ("a boot clock that went backwards", at(1010, Some((7, 5))), Some(10), 10),
            ("only the wall clock", at(1010, None), Some(10), 10),
            ("only the wall clock, and it is behind", at(990, None), None, 0),
        ];
        for (name, now, most, least) in table {
            let elapsed = now.since(then);
            assert_eq!((elapsed.most(), elapsed.least().as_secs()), (most.map(Duration::from_secs), least), "{name}");
        }
    }

    #[test]
    fn this_machines_boot_clock_has_a_number_that_stays() {
        let (first, second) = (SystemClock.moment(), SystemClock.moment());
        assert_eq!(first.boot.map(|boot| boot.clock), second.boot.map(|boot| boot.clock));
        assert!(second.since(first).boot.is_some());
    }
}

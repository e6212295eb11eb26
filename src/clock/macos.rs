//! The boot clock of macOS. Which boot it is, no call without a foreign binding says.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC counts through suspend on macOS.
pub(super) fn boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(feature = "formats")]
pub(super) fn boot_id() -> Option<String> {
    None
}

pub(super) fn boot_clock() -> Option<u64> {
    None
}

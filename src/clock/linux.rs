//! The boot clock of Linux: CLOCK_BOOTTIME, and what tells one from another.

use std::fs::{read_link, read_to_string};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(super) fn boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

pub(super) fn boot_id() -> Option<String> {
    read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// The boot, and the time namespace: a container's boot clock may be years off the machine's (time_namespaces(7)).
pub(super) fn boot_clock() -> Option<u64> {
    let digits: String = boot_id()?.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let boot = u64::from_str_radix(&digits, 16).ok()?;
    // `time:[4026531834]`; a kernel without such namespaces has one boot clock.
    let namespace = read_link("/proc/self/ns/time").unwrap_or_default();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(boot ^ number.parse::<u64>().unwrap_or(0))
}

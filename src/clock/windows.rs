//! The boot clock of Windows. Which boot it is, the system doesn't say.

use std::time::Duration;

use windows_sys::Win32::System::SystemInformation::GetTickCount64;

pub(super) fn boot() -> Duration {
    // SAFETY: takes no argument and cannot fail; the count includes sleep and hibernation.
    #[expect(unsafe_code, reason = "a plain Win32 call without arguments")]
    let milliseconds = unsafe { GetTickCount64() };
    Duration::from_millis(milliseconds)
}

#[cfg(feature = "formats")]
pub(super) fn boot_id() -> Option<String> {
    None
}

pub(super) fn boot_clock() -> Option<u64> {
    None
}

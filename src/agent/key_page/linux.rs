//! Linux: mlock(2) and madvise(2), or memfd_secret(2).
#![expect(unsafe_code, reason = "mappings, and a system call that nobody wraps")]

use std::ffi::c_void;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr::null_mut;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous};

use super::{Key, Refused, on_the_heap};

/// The kernel rounds it up to a page.
const LENGTH: usize = size_of::<[u8; 32]>();

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

pub(in crate::agent) fn locked() -> (Key, Vec<Refused>) {
    // SAFETY: a new mapping wherever the kernel has room for one.
    let page = match unsafe { mmap_anonymous(null_mut(), LENGTH, READ_WRITE, MapFlags::PRIVATE) } {
        Ok(page) => page,
        Err(error) => return on_the_heap(error.into()),
    };
    // SAFETY: the page was just mapped, and nobody else knows it; none of these changes what can be read there.
    let steps = unsafe {
        [
            ("the key to the tokens in memory kept from the swap (`ulimit -l`)", mlock(page, LENGTH)),
            ("the key to the tokens in memory left out of cores", madvise(page, LENGTH, Advice::LinuxDontDump)),
            ("the key to the tokens in memory left out of forks", madvise(page, LENGTH, Advice::LinuxDontFork)),
        ]
    };
    let refused = |(what, result): (_, rustix::io::Result<()>)| Some(Refused { what, error: result.err()?.into() });
    (key_in(page), steps.into_iter().filter_map(refused).collect())
}

/// memfd_secret(2): the pages leave the kernel's own map, so that neither /proc/PID/mem nor ptrace(2) reads them. It counts
/// as locked memory, is never dumped, and forbids hibernation while it is there.
pub(in crate::agent) fn hidden() -> io::Result<Key> {
    // SAFETY: takes flags alone and returns a descriptor of our own, or -1.
    let descriptor = unsafe {
        let number = libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC);
        let number = i32::try_from(number).ok().filter(|number| *number >= 0).ok_or_else(io::Error::last_os_error)?;
        OwnedFd::from_raw_fd(number)
    };
    rustix::fs::ftruncate(&descriptor, LENGTH as u64)?;
    // SAFETY: as above; the mapping outlives its descriptor.
    let page = unsafe { mmap(null_mut(), LENGTH, READ_WRITE, MapFlags::SHARED, &descriptor, 0)? };
    // SAFETY: the page was just mapped. A child has no use for it.
    unsafe { madvise(page, LENGTH, Advice::LinuxDontFork)? };
    Ok(key_in(page))
}

fn key_in(page: *mut c_void) -> Key {
    // SAFETY: a page that can be read and written, longer than a key, known to nobody else and never unmapped.
    unsafe { &mut *page.cast() }
}

/// Whether a hidden page would take hibernation away: the kernel names it while it offers it.
pub(in crate::agent) fn can_hibernate() -> bool {
    let states = std::fs::read_to_string("/sys/power/state").unwrap_or_default();
    states.split_whitespace().any(|state| state == "disk")
}

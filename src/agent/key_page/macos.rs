//! macOS: mlock(2) and minherit(2). There is nothing that hides a page from root.
#![expect(unsafe_code, reason = "mappings, and a call that nobody wraps")]

use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous};

use super::{Key, Refused, on_the_heap};

/// The kernel rounds it up to a page.
const LENGTH: usize = size_of::<[u8; 32]>();
/// vm_inherit.h: a child doesn't get it.
const VM_INHERIT_NONE: i32 = 2;

pub(in crate::agent) fn locked() -> (Key, Vec<Refused>) {
    // SAFETY: a new mapping wherever the kernel has room for one.
    let page = unsafe { mmap_anonymous(null_mut(), LENGTH, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    let page = match page {
        Ok(page) => page,
        Err(error) => return on_the_heap(error.into()),
    };
    // SAFETY: the page was just mapped, and nobody else knows it; neither changes what can be read there.
    let steps = unsafe {
        [
            ("the key to the tokens in memory kept from the swap", mlock(page, LENGTH).map_err(io::Error::from)),
            ("the key to the tokens in memory left out of forks", inherited_by_nobody(page)),
        ]
    };
    let refused = |(what, result): (_, io::Result<()>)| Some(Refused { what, error: result.err()? });
    // SAFETY: a page that can be read and written, longer than a key, known to nobody else and never unmapped.
    (unsafe { &mut *page.cast() }, steps.into_iter().filter_map(refused).collect())
}

/// # Safety
/// It is a mapped page that no child needs.
unsafe fn inherited_by_nobody(page: *mut std::ffi::c_void) -> io::Result<()> {
    // SAFETY: the caller's promise.
    match unsafe { libc::minherit(page, LENGTH, VM_INHERIT_NONE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(in crate::agent) fn hidden() -> io::Result<Key> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::agent) fn can_hibernate() -> bool {
    true
}

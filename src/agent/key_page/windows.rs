//! Windows: VirtualLock. Children inherit no memory; there is nothing that hides a page from an administrator.
#![expect(unsafe_code, reason = "plain Win32 calls")]

use std::io;
use std::ptr::null;

use windows_sys::Win32::System::Memory::{MEM_COMMIT, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualLock};

use super::{Key, Refused, on_the_heap};

/// The system rounds it up to a page.
const LENGTH: usize = size_of::<[u8; 32]>();

pub(in crate::agent) fn locked() -> (Key, Vec<Refused>) {
    // SAFETY: new memory wherever the system has room for it.
    let page = unsafe { VirtualAlloc(null(), LENGTH, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
    if page.is_null() {
        return on_the_heap(io::Error::last_os_error());
    }
    // SAFETY: the page was just made; locking doesn't change what can be read there.
    let refused = match unsafe { VirtualLock(page, LENGTH) } {
        0 => {
            let what = "the key to the tokens in memory kept from the page file";
            vec![Refused { what, error: io::Error::last_os_error() }]
        }
        _ => Vec::new(),
    };
    // SAFETY: a page that can be read and written, longer than a key, known to nobody else and never freed.
    (unsafe { &mut *page.cast() }, refused)
}

pub(in crate::agent) fn hidden() -> io::Result<Key> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::agent) fn can_hibernate() -> bool {
    true
}

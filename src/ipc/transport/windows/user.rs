//! Who a process runs as, by security identifier.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// The system itself, which may read everything anyway.
const LOCAL_SYSTEM: &str = "S-1-5-18";

/// Whether this process may be told this user's secrets.
pub(super) fn is_trusted(pid: u32) -> io::Result<bool> {
    // SAFETY: plain arguments; the handle is checked and owned from here on.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        // Another user's process does not even open.
        return Ok(false);
    }
    // SAFETY: as above.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    let sid = sid_of(process.as_raw_handle())?;
    Ok(sid == LOCAL_SYSTEM || sid == own_sid()?)
}

/// This process's user.
pub(super) fn own_sid() -> io::Result<String> {
    // SAFETY: a pseudo handle that needs no closing.
    sid_of(unsafe { GetCurrentProcess() })
}

fn sid_of(process: HANDLE) -> io::Result<String> {
    let mut token = ptr::null_mut();
    // SAFETY: the process handle is open, and the place is valid for writing.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has given us this handle.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // A TOKEN_USER and its SID take at most 84 bytes; u64s for the alignment.
    let mut buffer = [0u64; 32];
    let mut length = 0;
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: the buffer has `size` bytes.
    let found = unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, buffer.as_mut_ptr().cast(), size, &raw mut length)
    };
    if found == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut text = ptr::null_mut();
    // SAFETY: the buffer holds a TOKEN_USER now, whose SID lies in the same buffer; the text is zero-terminated and ours to free.
    unsafe {
        let user = &*buffer.as_ptr().cast::<TOKEN_USER>();
        if ConvertSidToStringSidW(user.User.Sid, &raw mut text) == 0 {
            return Err(io::Error::last_os_error());
        }
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        let sid = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Ok(sid)
    }
}

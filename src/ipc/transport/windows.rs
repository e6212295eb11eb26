//! Named pipes: the client's blocking half. The agent's half is in `listener.rs`.
//!
//! The pipe is opened so that its server may know who we are and no more; before a byte is sent, the serving process has to run
//! as this user. Reads and writes are overlapped: on a plain handle a write waits for a read under way in another thread.
#![expect(unsafe_code, reason = "overlapped I/O and process ids of pipes have no safe binding")]

#[cfg(feature = "agent")]
mod listener;
#[cfg(all(test, feature = "agent"))]
mod tests;
mod user;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_IO_PENDING, ERROR_PIPE_BUSY, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OVERLAPPED, ReadFile, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{GetNamedPipeServerProcessId, WaitNamedPipeW};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, WaitForSingleObject};

use super::ConnectError;
#[cfg(feature = "agent")]
pub(crate) use listener::{AgentStream, Caller, Socket};

/// A write that takes longer than this has lost its reader.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Milliseconds to wait for a free instance while the agent makes the next one.
const BUSY_WAIT: u32 = 5000;

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Stream(File);

/// Connects and makes sure of who listens.
pub(crate) fn connect(path: &Path) -> Result<Stream, ConnectError> {
    let pipe = open(path)?;
    let mut pid = 0;
    // SAFETY: the handle is open, and the place is valid for writing.
    if unsafe { GetNamedPipeServerProcessId(pipe.as_raw_handle(), &raw mut pid) } == 0 {
        return Err(ConnectError::Io(io::Error::last_os_error()));
    }
    match user::is_trusted(pid) {
        Ok(true) => Ok(Stream(pipe)),
        Ok(false) => {
            let what = format!("{}: another user's process {pid} listens there; nothing was sent", path.display());
            Err(ConnectError::Refused(what))
        }
        Err(error) => Err(ConnectError::Io(error)),
    }
}

fn open(path: &Path) -> Result<File, ConnectError> {
    loop {
        let flags = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | FILE_FLAG_OVERLAPPED;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        let error = match opened {
            Ok(pipe) => return Ok(pipe),
            Err(error) => error,
        };
        match error.raw_os_error().and_then(|code| u32::try_from(code).ok()) {
            Some(ERROR_FILE_NOT_FOUND) => return Err(ConnectError::NotRunning),
            Some(ERROR_ACCESS_DENIED) => {
                return Err(ConnectError::Refused(format!("{}: it is another user's", path.display())));
            }
            Some(ERROR_PIPE_BUSY) => wait_for_instance(path)?,
            _ => return Err(ConnectError::Io(error)),
        }
    }
}

fn wait_for_instance(path: &Path) -> Result<(), ConnectError> {
    let name = wide(path.as_os_str());
    // SAFETY: the name ends in a zero.
    match unsafe { WaitNamedPipeW(name.as_ptr(), BUSY_WAIT) } {
        0 => Err(ConnectError::Io(io::Error::last_os_error())),
        _ => Ok(()),
    }
}

fn wide(text: &std::ffi::OsStr) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    text.encode_wide().chain([0]).collect()
}

impl Stream {
    /// Reads what there is; `TimedOut` at the deadline.
    pub(crate) fn read(&self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let result = self.overlapped(deadline, |overlapped| {
            // SAFETY: the buffer and the OVERLAPPED outlive the operation: `overlapped` waits for its end.
            unsafe { ReadFile(self.0.as_raw_handle(), buffer.as_mut_ptr(), length, ptr::null_mut(), overlapped) }
        });
        match result {
            Err(error) if error.raw_os_error() == Some(ERROR_BROKEN_PIPE.cast_signed()) => Ok(0),
            result => result,
        }
    }

    /// Writes everything.
    pub(crate) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let deadline = Some(Instant::now() + WRITE_DEADLINE);
        while !bytes.is_empty() {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let written = self.overlapped(deadline, |overlapped| {
                // SAFETY: as in `read`.
                unsafe { WriteFile(self.0.as_raw_handle(), bytes.as_ptr(), length, ptr::null_mut(), overlapped) }
            })?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Begins an operation and waits for its end, which the deadline brings about if need be.
    fn overlapped(&self, deadline: Option<Instant>, begin: impl FnOnce(*mut OVERLAPPED) -> i32) -> io::Result<usize> {
        // SAFETY: no attributes, no name; the handle is checked and owned from here on.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        let _event = unsafe { OwnedHandle::from_raw_handle(event) };
        let mut overlapped = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        if begin(&raw mut overlapped) == 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(ERROR_IO_PENDING.cast_signed()) {
                return Err(error);
            }
        }
        let left = deadline.map_or(INFINITE, |at| {
            u32::try_from(at.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(INFINITE - 1)
        });
        let handle = self.0.as_raw_handle();
        let mut length = 0;
        // SAFETY: the handles are open; the last call waits until the system has let go of `overlapped` and the buffer.
        let (in_time, done) = unsafe {
            let in_time = WaitForSingleObject(event, left) == WAIT_OBJECT_0;
            if !in_time {
                CancelIoEx(handle, &raw const overlapped);
            }
            (in_time, GetOverlappedResult(handle, &raw const overlapped, &raw mut length, 1) != 0)
        };
        match (done, in_time) {
            (true, _) => Ok(length as usize),
            (false, true) => Err(io::Error::last_os_error()),
            (false, false) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

//! Named pipes: the agent's half. The pipe's access list lets in its owner alone, and no other machine.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, PeekNamedPipe};

use super::{user, wide};
use crate::ipc::server::{Peer, Stranger};

/// Connections at most.
const MAX_PLACES: usize = 16 * 1024;
/// How soon it is noticed that a caller whom nobody reads from has hung up.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A pipe, with the instance that waits for the next caller.
#[derive(Debug)]
pub(crate) struct Socket {
    name: PathBuf,
    next: NamedPipeServer,
}

impl Socket {
    /// Makes the pipe; refused if another process has one of that name. Needs a runtime.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let in_pipe = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Ok(Self { name: path.to_owned(), next: instance(path, true).map_err(in_pipe)? })
    }

    /// How many connections there may be: the system itself has no limit that would be reached first.
    pub(crate) fn places(&self) -> usize {
        MAX_PLACES
    }

    /// The next caller.
    pub(crate) async fn accept(&mut self) -> io::Result<Caller> {
        self.next.connect().await?;
        // The next instance first: without one, a client finds no pipe.
        let next = instance(&self.name, false)?;
        let pipe = std::mem::replace(&mut self.next, next);
        Ok(Caller { program: process(&pipe).unwrap_or(0), pipe, had_gone: false })
    }

    /// An instance waits for one caller: there never is another.
    pub(crate) fn accept_now(&mut self) -> io::Result<Option<Caller>> {
        Ok(None)
    }

    /// There is no line that could be flooded.
    pub(crate) fn saw(&mut self, _for_nothing: bool) {}
}

fn instance(name: &Path, first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::new(&format!("D:P(A;;GA;;;{})", user::own_sid()?))?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(first).reject_remote_clients(true);
    // SAFETY: the attributes and their descriptor live until the call has returned.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

/// Somebody who has connected and is not let in yet.
#[derive(Debug)]
pub(crate) struct Caller {
    pipe: NamedPipeServer,
    /// The process that connected, to tell programs apart; zero if the system doesn't say.
    pub(crate) program: u32,
    /// The first read tells.
    pub(crate) had_gone: bool,
}

impl Caller {
    /// Whether it has hung up.
    pub(crate) fn is_gone(&self) -> bool {
        !is_connected(&self.pipe)
    }

    /// Writes what fits.
    pub(crate) fn write_at_once(&self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.try_write(bytes)
    }

    /// Lets it in.
    pub(crate) fn let_in(self) -> io::Result<AgentStream> {
        Ok(AgentStream(self.pipe))
    }
}

/// The process at the other end.
fn process(pipe: &NamedPipeServer) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: the handle is open, and the place is valid for writing.
    match unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut pid) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(pid),
    }
}

/// A security descriptor that the system allocated.
pub(super) struct Descriptor(pub(super) PSECURITY_DESCRIPTOR);

impl Descriptor {
    pub(super) fn new(sddl: &str) -> io::Result<Self> {
        let text = wide(OsStr::new(sddl));
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text ends in a zero, and the place is valid for writing.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        if made == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(descriptor)) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: LocalAlloc'd by the conversion, and freed once.
        unsafe { LocalFree(self.0.cast()) };
    }
}

/// A pipe is connected as long as its other end is open, or has left something to read.
fn is_connected(pipe: &impl AsRawHandle) -> bool {
    let none = ptr::null_mut();
    // SAFETY: the handle is open, and nothing is asked for.
    unsafe { PeekNamedPipe(pipe.as_raw_handle(), ptr::null_mut(), 0, none, none, none) != 0 }
}

/// One caller's connection.
#[derive(Debug)]
pub(crate) struct AgentStream(NamedPipeServer);

impl AgentStream {
    /// Who it is, and whether it may be served.
    pub(crate) fn peer(&self) -> io::Result<Result<Peer, Stranger>> {
        let pid = process(&self.0)?;
        let peer = Peer::new(None, Some(pid));
        if !user::is_trusted(pid)? {
            return Ok(Err(Stranger { peer, reason: "this agent serves its own user only".to_owned() }));
        }
        Ok(Ok(peer))
    }

    /// Waits until there is something to read; holds no buffer meanwhile.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Reads without waiting.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }

    /// Waits until there is room to write.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Writes without waiting.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Writes what fits.
    pub(crate) fn write_at_once(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Pipes don't close by halves.
    pub(crate) fn is_gone(&self) -> bool {
        true
    }

    /// Waits until the peer is gone. Nothing but a read or a write is told of that, so it is looked for; it is for the rare
    /// times when nobody reads.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        // SAFETY: the handle is open as long as `self`, which is borrowed.
        let watched = unsafe { BorrowedHandle::borrow_raw(self.0.as_raw_handle()) }.try_clone_to_owned();
        async move {
            // Without a handle to spare, a failing write will tell.
            let Ok(watched) = watched else { return std::future::pending().await };
            while is_connected(&watched) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// The connection as tokio reads and writes it, for HTTP.
    pub(crate) fn inner(&mut self) -> &mut NamedPipeServer {
        &mut self.0
    }
}

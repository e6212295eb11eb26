//! Unix sockets: the client's blocking half. The agent's half is in `listener.rs`.
//!
//! Before a byte is sent, the listening process has to be this user's or root's: a squatter on the path gets nothing.

#[cfg(feature = "agent")]
mod backlog;
#[cfg(all(feature = "agent", target_os = "linux"))]
mod breath;
#[cfg(feature = "agent")]
mod listener;

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::ConnectError;
#[cfg(feature = "agent")]
pub(crate) use listener::{AgentStream, Caller, Socket};

/// What fits into `sun_path` with its final zero.
#[cfg(target_os = "linux")]
const MAX_PATH: usize = 107;
#[cfg(not(target_os = "linux"))]
const MAX_PATH: usize = 103;
/// A write that takes longer than this has lost its reader.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Stream(UnixStream);

/// Connects and makes sure of who listens.
pub(crate) fn connect(path: &Path) -> Result<Stream, ConnectError> {
    let address = address(path).map_err(|error| ConnectError::Refused(error.to_string()))?;
    let socket = stream_socket(Blocking::Yes).map_err(ConnectError::Io)?;
    // Also bounds connect(2), which waits where the listener's backlog is full.
    set_socket_timeout(&socket, Timeout::Send, Some(WRITE_DEADLINE)).map_err(|e| ConnectError::Io(e.into()))?;
    rustix::net::connect(&socket, &address).map_err(|error| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOTDIR => {
            ConnectError::NotRunning
        }
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
            ConnectError::Refused(format!("{}: not allowed to connect; it is another user's", path.display()))
        }
        other => ConnectError::Io(other.into()),
    })?;
    let stream = UnixStream::from(socket);
    let uid = peer_uid(&stream).map_err(ConnectError::Io)?;
    let own = rustix::process::geteuid().as_raw();
    if !is_trusted(uid, own) {
        return Err(ConnectError::Refused(format!(
            "{}: user {uid} listens there, not this user ({own}) or root; nothing was sent: remove that file or set XDG_RUNTIME_DIR",
            path.display()
        )));
    }
    Ok(Stream(stream))
}

impl Stream {
    /// Reads what there is; `TimedOut` at the deadline.
    pub(crate) fn read(&self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.set_read_timeout(left)?;
        loop {
            match (&self.0).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                result => return result,
            }
        }
    }

    /// Writes everything.
    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }
}

/// Whether a peer may be told this user's secrets.
fn is_trusted(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

/// The path as a socket's address, or a clear word on why it can't be one.
fn address(path: &Path) -> io::Result<SocketAddrUnix> {
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(io::Error::other(format!(
            "the socket's path has {length} bytes and the system allows {MAX_PATH}: set XDG_RUNTIME_DIR to a shorter directory"
        )));
    }
    Ok(SocketAddrUnix::new(path)?)
}

/// Whether calls on a socket wait.
#[derive(Clone, Copy, PartialEq)]
enum Blocking {
    Yes,
    #[cfg(feature = "agent")]
    No,
}

#[cfg(target_os = "linux")]
fn stream_socket(blocking: Blocking) -> io::Result<OwnedFd> {
    use rustix::net::SocketFlags;
    let more = if blocking == Blocking::Yes { SocketFlags::empty() } else { SocketFlags::NONBLOCK };
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | more, None)?)
}

/// SOCK_CLOEXEC and SOCK_NONBLOCK are not there: calls of their own.
#[cfg(not(target_os = "linux"))]
fn stream_socket(blocking: Blocking) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, blocking != Blocking::Yes)?;
    Ok(socket)
}

/// The user who called listen(2) on the other end.
#[cfg(target_os = "linux")]
fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// The user on the other end.
#[cfg(not(target_os = "linux"))]
fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    use std::os::fd::AsRawFd;
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open for the call, and both places are valid for writing.
    #[expect(unsafe_code, reason = "neither std nor rustix has getpeereid")]
    let result = unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) };
    if result == 0 { Ok(uid) } else { Err(io::Error::last_os_error()) }
}

/// The process that connected; zero if the system doesn't say.
#[cfg(all(feature = "agent", target_os = "linux"))]
fn process(socket: &OwnedFd) -> u32 {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    read_option(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, &mut credentials);
    u32::try_from(credentials.pid).unwrap_or(0)
}

/// The process that connected; zero if the system doesn't say.
#[cfg(all(feature = "agent", target_os = "macos"))]
fn process(socket: &OwnedFd) -> u32 {
    let mut pid: libc::pid_t = 0;
    read_option(socket, libc::SOL_LOCAL, libc::LOCAL_PEERPID, &mut pid);
    u32::try_from(pid).unwrap_or(0)
}

/// Not said in a way that is worth a call: all programs stand in one line.
#[cfg(all(feature = "agent", not(any(target_os = "linux", target_os = "macos"))))]
fn process(_socket: &OwnedFd) -> u32 {
    0
}

/// Reads a socket's option, and leaves `value` as it is if there is none.
#[cfg(all(feature = "agent", any(target_os = "linux", target_os = "macos")))]
fn read_option<T: Copy>(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: &mut T) {
    use std::os::fd::AsRawFd;
    let Ok(mut length) = libc::socklen_t::try_from(size_of::<T>()) else { return };
    // SAFETY: the descriptor is open for the call, and `value` is valid for writing `length` bytes; integers have no bytes
    // that they can't be.
    #[expect(unsafe_code, reason = "rustix reads the process as never zero, and another namespace's is")]
    let _ = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut *value).cast(), &raw mut length) };
}

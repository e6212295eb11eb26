//! Unix sockets: the agent's half. The directory and the socket are this user's alone, and checked to be.
//!
//! The vault's lock decides who the agent is, so whoever binds may replace a socket file that nobody answers on.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::backlog::{self, Backlog};
use super::{Blocking, address, is_trusted, process, stream_socket};
use crate::ipc::server::{Peer, Stranger};

/// Connections at most, however many the system gives.
const MAX_PLACES: usize = 16 * 1024;
/// Descriptors that connections leave to files, servers and logins.
const KEPT_BACK: usize = 256;

/// A bound socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: AsyncFd<OwnedFd>,
    backlog: Backlog,
    path: PathBuf,
    /// Which file is ours, so that another's is not removed; none, once a successor has it.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Checks the directory, replaces a stale file, binds and listens. Needs a runtime.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let address = address(path)?;
        let directory = path.parent().ok_or_else(|| refusal(path, "is no path in a directory"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|e| in_file(directory, &e))?;
        check_directory(directory)?;
        remove_stale(path)?;
        let socket = stream_socket(Blocking::No)?;
        rustix::net::bind(&socket, &address).map_err(|e| in_file(path, &e.into()))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|e| in_file(path, &e))?;
        Self::inherit(socket, path)
    }

    /// Goes on listening where another agent bound. Needs a runtime.
    pub(crate) fn inherit(socket: OwnedFd, path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
        rustix::io::ioctl_fionbio(&socket, true)?;
        // Whoever had it before may have met a flood.
        rustix::net::listen(&socket, backlog::LONG)?;
        // SAFETY: the descriptor is owned by what it is registered with, and never closed or replaced there.
        #[expect(unsafe_code, reason = "tokio's listener accepts only into what it watches")]
        let listener = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
        Ok(Self { listener, backlog: Backlog::new(), path: path.to_owned(), file })
    }

    /// The same socket once more, for a successor.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(rustix::io::fcntl_dupfd_cloexec(self.listener.get_ref(), 3)?)
    }

    /// The file is the successor's from now on.
    pub(crate) fn leave_file(&mut self) {
        self.file = None;
    }

    /// How many descriptors connections may take: what the system gives, less what files and servers need.
    pub(crate) fn places(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_PLACES);
        (limit - KEPT_BACK.min(limit / 2)).min(MAX_PLACES)
    }

    /// The next caller.
    pub(crate) async fn accept(&mut self) -> io::Result<Caller> {
        self.backlog.breathe().await;
        self.listener.async_io(Interest::READABLE, Caller::accept).await
    }

    /// The next caller, if one is waiting. In a flood none is: they are accepted one by one.
    pub(crate) fn accept_now(&mut self) -> io::Result<Option<Caller>> {
        if self.backlog.is_flooded() {
            return Ok(None);
        }
        match self.listener.try_io(Interest::READABLE, Caller::accept) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => result.map(Some),
        }
    }

    /// Says of everybody who was accepted whether that was for nothing, or for nothing yet.
    pub(crate) fn saw(&mut self, for_nothing: bool) {
        self.backlog.saw(self.listener.get_ref(), for_nothing);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = self
            .file
            .is_some_and(|file| fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == file));
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A directory that another user could write to or look into is refused, not mended: somebody made it so.
fn check_directory(directory: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(directory).map_err(|e| in_file(directory, &e))?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.is_symlink() {
        Err(refusal(directory, "is a link; the socket's directory has to be a real one"))
    } else if !metadata.is_dir() {
        Err(refusal(directory, "is no directory"))
    } else if metadata.uid() != own {
        Err(refusal(directory, &format!("belongs to user {}, not to this user ({own})", metadata.uid())))
    } else if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        Err(refusal(directory, &format!("is open to other users (mode {mode:04o}): chmod 700 it")))
    } else {
        Ok(())
    }
}

/// Removes the file of an agent that is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(in_file(path, &error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(refusal(path, "is there and is no socket: move it away"));
        }
        Ok(_) => {}
    }
    // Not blocking: a full backlog (EAGAIN) is somebody too.
    let probe = stream_socket(Blocking::No)?;
    match rustix::net::connect(&probe, &address(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(in_file(path, &error)),
            _ => Ok(()),
        },
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("{}: another process already listens there", path.display()),
        )),
    }
}

fn refusal(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {what}", path.display()))
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Somebody who has connected and is not let in yet: a descriptor that nobody watches.
#[derive(Debug)]
pub(crate) struct Caller {
    descriptor: OwnedFd,
    /// The process that connected, to tell programs apart; zero if the system doesn't say.
    pub(crate) program: u32,
    /// Whether it had hung up before it was accepted.
    pub(crate) had_gone: bool,
}

impl Caller {
    fn accept(listener: &OwnedFd) -> io::Result<Self> {
        let descriptor = accepted(listener)?;
        let had_gone = has_hung_up(&descriptor);
        let program = if had_gone { 0 } else { process(&descriptor) };
        Ok(Self { descriptor, program, had_gone })
    }

    /// As if that program had connected.
    #[cfg(test)]
    pub(crate) fn of(descriptor: OwnedFd, program: u32) -> Self {
        Self { descriptor, program, had_gone: false }
    }

    /// Whether it has hung up.
    pub(crate) fn is_gone(&self) -> bool {
        has_hung_up(&self.descriptor)
    }

    /// Writes what fits.
    pub(crate) fn write_at_once(&self, bytes: &[u8]) -> io::Result<usize> {
        write_at_once(&self.descriptor, bytes)
    }

    /// Lets it in. Needs a runtime.
    pub(crate) fn let_in(self) -> io::Result<AgentStream> {
        AgentStream::inherit(self.descriptor)
    }
}

#[cfg(target_os = "linux")]
fn accepted(listener: &OwnedFd) -> io::Result<OwnedFd> {
    use rustix::net::SocketFlags;
    Ok(rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?)
}

/// SOCK_CLOEXEC is not there: a call of its own.
#[cfg(not(target_os = "linux"))]
fn accepted(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let socket = rustix::net::accept(listener)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

fn write_at_once(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, rustix::net::SendFlags::DONTWAIT)?)
}

fn has_hung_up(socket: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
    let none = rustix::time::Timespec::default();
    let result = rustix::event::poll(&mut polled, Some(&none));
    result.is_err() || polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// One caller's connection.
#[derive(Debug)]
pub(crate) struct AgentStream(UnixStream);

impl AgentStream {
    /// One that another agent accepted. Needs a runtime.
    pub(crate) fn inherit(descriptor: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        UnixStream::from_std(descriptor.into()).map(Self)
    }

    /// Its descriptor, for a successor.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Who it is, and whether it may be served.
    pub(crate) fn peer(&self) -> io::Result<Result<Peer, Stranger>> {
        let found = self.0.peer_cred()?;
        let own = rustix::process::geteuid().as_raw();
        let peer = Peer::new(Some(found.uid()), found.pid().and_then(|pid| u32::try_from(pid).ok()));
        if !is_trusted(found.uid(), own) {
            let reason = format!("this agent serves user {own}, not user {}", found.uid());
            return Ok(Err(Stranger { peer, reason }));
        }
        Ok(Ok(peer))
    }

    /// Waits until there is something to read; holds no buffer meanwhile.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Reads without waiting.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = None;
        let result = self.0.try_io(Interest::READABLE, || {
            let length = rustix::io::read(&self.0, &mut *buffer)?;
            read = Some(length);
            // A short read emptied the socket: saying so spares the read(2) that would find out.
            if length > 0 && length < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(length) }
        });
        read.map_or(result, Ok)
    }

    /// Waits until there is room to write.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Writes without waiting.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Writes what fits, even if the system has not said yet that something does.
    pub(crate) fn write_at_once(&self, bytes: &[u8]) -> io::Result<usize> {
        write_at_once(&self.0, bytes)
    }

    /// After an end of file: whether the peer is gone, rather than done with sending (`... | socat`).
    pub(crate) fn is_gone(&self) -> bool {
        has_hung_up(&self.0)
    }

    /// Waits until the peer is gone. By a descriptor of its own, because the other one's readiness belongs to those
    /// who read and write; so it is for the rare times when nobody reads.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let watched = rustix::io::fcntl_dupfd_cloexec(&self.0, 3)
            .ok()
            .and_then(|fd: OwnedFd| UnixStream::from_std(fd.into()).ok());
        async move {
            // Without a descriptor to spare, a failing write will tell.
            let Some(watched) = watched else { return std::future::pending().await };
            loop {
                match watched.ready(Interest::WRITABLE).await {
                    Ok(ready) if !ready.is_write_closed() => {
                        // Forgets "writable"; "closed" cannot be forgotten.
                        let _ = watched.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                    }
                    _ => return,
                }
            }
        }
    }

    /// The connection as tokio reads and writes it, for HTTP.
    pub(crate) fn inner(&mut self) -> &mut UnixStream {
        &mut self.0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_successor_of_a_flood_has_the_long_line() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("ours");
        let path = directory.path().join("s");
        let mut first = Socket::bind(&path).expect("bound");
        for _ in 0..backlog::LONG {
            first.backlog.saw(first.listener.get_ref(), true);
        }
        let come = |count: usize| -> Vec<_> {
            let client = |_| {
                let client = stream_socket(Blocking::No).expect("a socket");
                rustix::net::connect(&client, &address(&path).expect("an address")).map(|()| client)
            };
            (0..count).map_while(|one| client(one).ok()).collect()
        };
        let held = come(64);
        assert!(held.len() < 64, "{}", held.len());
        let _second = Socket::inherit(first.duplicate().expect("a descriptor"), &path).expect("inherited");
        assert_eq!(come(64).len(), 64);
    }
}

//! The agent's half of its start: letting go of everything that its caller held, and saying once whether it serves.
//!
//! A held pipe hangs `$(...)`, a held lock blocks its owner, a terminal's hang-up would end us: nothing inherited stays, but
//! the ready pipe until it has been used.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::ipc::message::Error;
use crate::ipc::start::Readiness;

/// Says once whether the agent serves. Dropped without a word, its pipe closes, and the client knows as well.
#[derive(Debug)]
pub struct Ready(Option<File>);

impl Ready {
    /// For an agent in the foreground: only a service manager is told.
    pub fn foreground() -> Self {
        Self(None)
    }

    /// It serves at this socket.
    pub fn ok(mut self, socket: &Path) {
        self.say(&Readiness::Ready { ready: true, socket: socket.to_owned() });
        notify_service_manager("READY=1");
    }

    /// It doesn't serve, and ends.
    pub fn fail(mut self, error: &Error) {
        self.say(&Readiness::Failed { error: error.clone() });
    }

    fn say(&mut self, readiness: &Readiness) {
        // A client that left has no use for it.
        if let (Some(mut pipe), Ok(line)) = (self.0.take(), serde_json::to_string(readiness)) {
            let _ = writeln!(pipe, "{line}");
        }
    }
}

/// sd_notify(3): one datagram to the socket that the service manager named.
#[cfg(target_os = "linux")]
pub(super) fn notify_service_manager(state: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

/// No other system's service manager asks to be told.
#[cfg(not(target_os = "linux"))]
pub(super) fn notify_service_manager(_state: &str) {}

/// Makes this process a detached agent: session of its own, umask 077, cwd `/`, standard streams on null, and no other
/// descriptor but the ready pipe, which came as standard output. Has to be the first thing that `main` does.
#[cfg(unix)]
pub fn prepare_process() -> io::Result<Ready> {
    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
    close_inherited()?;
    let pipe = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    // Refused only if it has one already.
    let _ = rustix::process::setsid();
    prepare_foreground();
    reset_signals();
    rustix::process::chdir("/")?;
    Ok(Ready(Some(pipe)))
}

/// Makes this process the successor of another agent, which speaks over what came as standard input.
#[cfg(unix)]
pub fn prepare_successor(detached: bool) -> io::Result<std::os::unix::net::UnixStream> {
    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::stdio::{dup2_stdin, dup2_stdout};
    // Whoever types this at a terminal learns what it is for.
    rustix::net::getpeername(rustix::stdio::stdin())?;
    if detached {
        // The line takes the place of the ready pipe, which everything but the standard streams is closed for.
        let line = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        dup2_stdout(&line)?;
        drop(line);
        let Ready(line) = prepare_process()?;
        return line.map(|line| std::os::fd::OwnedFd::from(line).into()).ok_or_else(|| io::ErrorKind::NotFound.into());
    }
    close_inherited()?;
    let line = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    prepare_foreground();
    Ok(line.into())
}

/// What an agent in the foreground needs too: files that are its user's alone.
#[cfg(unix)]
pub fn prepare_foreground() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// What a caller ignores (nohup, a shell's background jobs) would stay ignored over exec, in the agent and all it starts.
/// SIGPIPE is the standard library's.
#[cfg(unix)]
fn reset_signals() {
    use rustix::process::Signal;
    const DEFAULT: usize = 0;
    const LAST: i32 = 64;
    #[expect(unsafe_code, reason = "neither std nor rustix has signal(2)")]
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    for number in (1..=LAST).filter(|number| *number != Signal::PIPE.as_raw()) {
        // SAFETY: signal(2) with SIG_DFL, which runs no code of ours; those that can't be changed are refused.
        #[expect(unsafe_code, reason = "neither std nor rustix has signal(2)")]
        unsafe {
            signal(number, DEFAULT);
        }
    }
}

#[cfg(unix)]
fn close_inherited() -> io::Result<()> {
    let directory = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let open: Vec<i32> = std::fs::read_dir(directory)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The one that listed the directory is in the list, and closed by now.
        if std::fs::symlink_metadata(format!("{directory}/{fd}")).is_err() {
            continue;
        }
        // SAFETY: the process has one thread and has opened nothing yet, so nobody owns these descriptors.
        #[expect(unsafe_code, reason = "no owner exists for an inherited descriptor")]
        unsafe {
            rustix::io::close(fd);
        }
    }
    Ok(())
}

/// Makes this process a detached agent. The client has detached it from the console, and only handles named for it came along.
#[cfg(windows)]
pub fn prepare_process() -> io::Result<Ready> {
    use std::os::windows::io::AsHandle;
    Ok(Ready(Some(File::from(io::stdout().as_handle().try_clone_to_owned()?))))
}

/// Files are their user's alone by the profile's access list.
#[cfg(windows)]
pub fn prepare_foreground() {}

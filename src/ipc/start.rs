//! How a client finds this user's agent, or starts it.
//!
//! The vault's owner file names the socket, whatever the environment would compute (cron, `su`, containers, another home).
//! Starting is serialized by a lock beside the state, so that fifty clients at once start one
//! agent; whoever waited finds it running. Nothing here polls.

mod asking;
mod launch;
#[cfg(target_os = "linux")]
mod service;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::ConnectError;
use super::client::Client;
use super::message::agent::AgentStatus;
use super::message::{Error, ErrorKind};
use super::owner;
use crate::paths::Paths;

pub use asking::{ask, put};
pub use launch::{Readiness, agent_executable};

/// How long an agent has to say whose it is.
const GREETING: Duration = Duration::from_secs(5);

/// How often an agent is started that ends at once: somebody else may stop or kill it.
const BEGINNINGS: usize = 4;

/// Whether an agent may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// If none runs.
    IfNeeded,
    /// Not at all (builds, CI).
    Never,
}

/// A connection to this user's agent, which is started if that is allowed and needed; in at most `deadline`. The connection
/// itself has no time limit yet: [`Client::set_deadline`].
pub fn connect_or_start(paths: &Paths, start: Start, deadline: Duration) -> Result<Client, Error> {
    check_home_owner(paths)?;
    let until = Instant::now() + deadline;
    if let Some(client) = find(paths)? {
        return Ok(client);
    }
    if paths.socket_given {
        let socket = paths.socket.display();
        return Err(unreachable(format!(
            "nobody answers at {socket}, which {} names: is the connection that forwards it still there?",
            crate::paths::SOCKET_VARIABLE
        )));
    }
    if start == Start::Never {
        return Err(elsewhere(paths).unwrap_or_else(|| {
            unreachable("no agent is running and none may be started: `cred-helper agent start`".to_owned())
        }));
    }
    let _turn = take_turn(paths, until)?;
    for _ in 0..BEGINNINGS {
        if let Some(client) = find(paths)? {
            return Ok(client);
        }
        see_off(paths, until)?;
        if let Some(client) = begin(paths, until)? {
            return Ok(client);
        }
    }
    Err(unreachable("the agent started and ended at once: `cred-helper-agent run` says why".to_owned()))
}

/// Waits for the end of an agent that has closed its socket and not yet let go of the vault: an exchange may be under way.
fn see_off(paths: &Paths, until: Instant) -> Result<(), Error> {
    let file = paths.owner_file();
    if !owner::is_locked(&file) || owner::read_owner(&file).is_some_and(|owner| !owner.is_here()) {
        return Ok(());
    }
    if owner::wait_until_free(&file, until.saturating_duration_since(Instant::now())) {
        return Ok(());
    }
    let what = "the agent that has the vault neither answers nor ends: try again, or see `cred-helper doctor`";
    Err(unreachable(what.to_owned()))
}

/// Waits until the agent that was told to stop has let go of the vault; `false` if that takes longer. What a forwarded
/// agent holds can't be seen from here.
pub fn wait_until_gone(paths: &Paths, limit: Duration) -> bool {
    paths.socket_given || owner::wait_until_free(&paths.owner_file(), limit)
}

/// The agent that owns this vault, wherever it listens. `None`: none runs, or it cannot be reached from here.
///
/// The vault decides, not the socket: another home's agent may listen where the environment points.
fn find(paths: &Paths) -> Result<Option<Client>, Error> {
    if paths.socket_given {
        return reach(&paths.socket);
    }
    let file = paths.owner_file();
    let owner = owner::read_owner(&file);
    if !owner::is_locked(&file) {
        return Ok(None);
    }
    match owner {
        Some(owner) if !owner.is_here() => Ok(None),
        Some(owner) => match reach(&PathBuf::from(owner.socket))? {
            Some(client) => Ok(Some(client.of_version(owner.version))),
            None => Ok(find_unannounced(paths)),
        },
        None => Ok(find_unannounced(paths)),
    }
}

/// An owner that could not write its file, for want of disk: it listens where this environment has its socket, if anywhere,
/// and says whose it is.
fn find_unannounced(paths: &Paths) -> Option<Client> {
    [paths.socket.clone(), paths.own_socket()].iter().find_map(|socket| {
        let mut client = Client::connect(socket).ok()?;
        client.set_deadline(GREETING);
        let report = client.call(&AgentStatus {}).ok()?;
        client.clear_deadline();
        (Path::new(&report.vault) == paths.vault_dir).then_some(client)
    })
}

fn reach(socket: &Path) -> Result<Option<Client>, Error> {
    match Client::connect(socket) {
        Ok(client) => Ok(Some(client)),
        Err(ConnectError::NotRunning) => Ok(None),
        Err(ConnectError::Refused(reason)) => Err(Error::new(ErrorKind::Refused, reason)),
        Err(error @ ConnectError::Io(_)) => Err(unreachable(format!("{}: {error}", socket.display()))),
    }
}

/// Another host's agent that holds the vault, as an error.
fn elsewhere(paths: &Paths) -> Option<Error> {
    let file = paths.owner_file();
    let owner = owner::read_owner(&file).filter(|owner| !owner.is_here())?;
    owner::is_locked(&file).then(|| {
        let (host, pid) = (printable(&owner.host), owner.pid);
        let what =
            format!("the vault is in use by the agent on {host} (pid {pid}): use it there, or stop it there first");
        Error::new(ErrorKind::VaultInUse, what)
    })
}

/// The file is ours, but a name in it goes to a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Waits for whoever is starting an agent now. The lock goes with the file. Where a full or read-only disk has none, all go at
/// once: the vault's own lock lets one of their agents in.
fn take_turn(paths: &Paths, until: Instant) -> Result<Option<File>, Error> {
    let file = paths.state_dir.join("start.lock");
    let failed = |error: std::io::Error| Error::new(ErrorKind::StorageFailed, format!("{}: {error}", file.display()));
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = match private_directory(&paths.state_dir).and_then(|()| options.open(&file)) {
        Ok(lock) => lock,
        Err(error) if is_disk_shut(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match lock.try_lock() {
        Ok(()) => return Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => {}
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Waiting for a lock has no time limit of its own: a thread waits, and is left behind where it takes too long.
    let (sender, turn) = mpsc::channel();
    thread::spawn(move || sender.send(lock.lock().map(|()| lock)));
    match turn.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(result) => result.map(Some).map_err(failed),
        Err(_) => Err(unreachable("another program has been starting the agent for too long".to_owned())),
    }
}

fn is_disk_shut(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// Starts an agent; `None` if it has ended before anybody could speak with it.
fn begin(paths: &Paths, until: Instant) -> Result<Option<Client>, Error> {
    #[cfg(target_os = "linux")]
    if service::is_installed(paths)
        && service::start(until)
        && let Some(client) = find(paths)?
    {
        return Ok(Some(client));
    }
    let executable = agent_executable(paths).map_err(|error| elsewhere(paths).unwrap_or(error))?;
    match launch::launch(&executable, until) {
        Ok(Some(socket)) => reach(&socket),
        Ok(None) => Ok(None),
        // Started meanwhile by somebody with another state directory: theirs is as good.
        Err(error) if error.kind() == ErrorKind::VaultInUse => match find(paths)? {
            None if elsewhere(paths).is_some() => Err(error),
            found => Ok(found),
        },
        Err(error) => Err(error),
    }
}

fn unreachable(message: String) -> Error {
    Error::new(ErrorKind::AgentUnreachable, message)
}

fn private_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Refuses to work on another user's home: under plain `sudo` it would leave files there that their owner can't open. Root,
/// who may write anywhere, is also refused directories that lead into one (`sudo -H -E`).
#[cfg(unix)]
pub fn check_home_owner(paths: &Paths) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    let owner = |path: &Path| fs::metadata(path).ok().map(|found| found.uid());
    let home = (&paths.home, owner(&paths.home));
    let leading = [&paths.vault_dir, &paths.state_dir].map(|path| (path, path.ancestors().find_map(owner)));
    for (place, owner) in std::iter::once(home).chain(leading.into_iter().filter(|_| own == 0)) {
        if let Some(owner) = owner.filter(|owner| *owner != own) {
            let what = format!(
                "{} belongs to user {owner} and this runs as user {own}: run it as its owner, or with `sudo -H`",
                place.display()
            );
            return Err(Error::new(ErrorKind::Refused, what));
        }
    }
    Ok(())
}

/// Windows has no `sudo` that keeps another user's home.
#[cfg(windows)]
pub fn check_home_owner(_paths: &Paths) -> Result<(), Error> {
    Ok(())
}

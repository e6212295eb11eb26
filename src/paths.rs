//! Where things are: configuration, vault, state, socket. The XDG base directories on Unix, AppData on Windows.
//!
//! The only vocabulary file that looks at the environment, and the only one that names a directory.

use std::env;
use std::path::{Path, PathBuf};

/// Names another socket (a forwarded one); no agent is started for it.
pub const SOCKET_VARIABLE: &str = "CRED_HELPER_SOCK";
/// Names the agent's executable.
pub const AGENT_VARIABLE: &str = "CRED_HELPER_AGENT";

/// Every place this program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The user's home.
    pub home: PathBuf,
    /// The configuration file; it need not exist.
    pub config_file: PathBuf,
    /// The vault's directory: what must not be lost.
    pub vault_dir: PathBuf,
    /// What this installation remembers beside the vault: the install id, accepted notices, the log.
    pub state_dir: PathBuf,
    /// The socket's path, or the pipe's name on Windows.
    pub socket: PathBuf,
    /// Whether [`SOCKET_VARIABLE`] named the socket.
    pub socket_given: bool,
}

/// Why there are no paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// No home directory.
    #[error("no home directory: set HOME")]
    NoHome,
    /// A variable that has to be an absolute path is not.
    #[error("{0} has to be an absolute path")]
    Relative(&'static str),
}

impl Paths {
    /// From this process's environment.
    pub fn from_env() -> Result<Self, PathsError> {
        Self::from_variables(|name| env::var_os(name).map(PathBuf::from), env::home_dir())
    }

    /// From given variables, so that tests need no environment.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> Result<Self, PathsError> {
        let absolute = |name| match variable(name).filter(|path| !path.as_os_str().is_empty()) {
            Some(path) if path.is_absolute() => Ok(Some(path)),
            Some(_) => Err(PathsError::Relative(name)),
            None => Ok(None),
        };
        let home = home.filter(|home| home.is_absolute()).ok_or(PathsError::NoHome)?;
        let bases = system::bases(&absolute, &home)?;
        let vault_dir = bases.data.join("cred-helper").join("vault");
        let state_dir = bases.state.join("cred-helper");
        let given = variable(SOCKET_VARIABLE).filter(|path| !path.as_os_str().is_empty());
        let socket_given = given.is_some();
        let socket = given.unwrap_or_else(|| system::socket(bases.runtime.as_deref(), &state_dir, &vault_dir));
        let config_file = bases.config.join("cred-helper").join("config.toml");
        Ok(Self { home, config_file, vault_dir, state_dir, socket, socket_given })
    }

    /// Why this process's `XDG_RUNTIME_DIR` does not hold the socket, if it is set and passed over; one line for people.
    pub fn runtime_passed_over() -> Option<String> {
        let directory = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute())?;
        let reason = system::unfit(&directory)?;
        Some(format!("XDG_RUNTIME_DIR is passed over: {} {reason}", directory.display()))
    }

    /// The address of the session's bus, if there is one; nothing is started to make one.
    #[cfg(target_os = "linux")]
    pub fn session_bus() -> Option<String> {
        let given = env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
        let socket = || env::var_os("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("bus"));
        let path = || socket().filter(|path| path.exists()).map(|path| format!("unix:path={}", path.display()));
        given.or_else(path)
    }

    /// A socket that no other home computes, for when another home's agent listens at [`Paths::socket`].
    pub fn own_socket(&self) -> PathBuf {
        system::socket(None, &self.state_dir, &self.vault_dir)
    }

    /// The socket at which systemd asks for units' credentials: beside the agent's own.
    pub fn units_socket(&self) -> PathBuf {
        system::beside_socket(&self.socket, &self.state_dir).join("systemd.sock")
    }

    /// The file that says where the HTTP door is, and with which secret: beside the socket, which nobody else may read.
    pub fn door_file(&self) -> PathBuf {
        system::beside_socket(&self.socket, &self.state_dir).join("http.json")
    }

    /// The file that names the vault's owner, which holds the lock beside it (`ipc::owner`).
    pub fn owner_file(&self) -> PathBuf {
        self.vault_dir.join("owner.json")
    }
}

/// The base directories of this system.
struct Bases {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    runtime: Option<PathBuf>,
}

#[cfg(unix)]
mod system {
    use super::{Bases, Path, PathBuf, PathsError};

    type Variable<'a> = &'a dyn Fn(&'static str) -> Result<Option<PathBuf>, PathsError>;

    pub(super) fn bases(variable: Variable<'_>, home: &Path) -> Result<Bases, PathsError> {
        Ok(Bases {
            config: variable("XDG_CONFIG_HOME")?.unwrap_or_else(|| home.join(".config")),
            data: variable("XDG_DATA_HOME")?.unwrap_or_else(|| home.join(".local/share")),
            state: variable("XDG_STATE_HOME")?.unwrap_or_else(|| home.join(".local/state")),
            runtime: variable("XDG_RUNTIME_DIR")?.filter(|directory| unfit(directory).is_none()).or_else(run_user),
        })
    }

    /// Why it may not hold this user's socket, which has to be its own, and nobody else's to write to (XDG Base Directory
    /// Specification). `su` leaves another user's in the environment, where a directory of ours would be in that user's way.
    /// One that is not there is made.
    pub(super) fn unfit(directory: &Path) -> Option<String> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(directory).ok()?;
        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        if !found.is_dir() {
            Some("is no directory".to_owned())
        } else if owner != rustix::process::geteuid().as_raw() {
            Some(format!("belongs to user {owner} (`su -` leaves no such variable behind)"))
        } else {
            (mode & 0o022 != 0).then(|| format!("is open to other users (mode {mode:04o}): chmod 700 it"))
        }
    }

    /// What systemd gives a logged-in user, for cron and `su`, which don't pass the variable on.
    fn run_user() -> Option<PathBuf> {
        let directory = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
        directory.is_dir().then_some(directory)
    }

    pub(super) fn beside_socket(socket: &Path, state_dir: &Path) -> PathBuf {
        socket.parent().unwrap_or(state_dir).to_owned()
    }

    pub(super) fn socket(runtime: Option<&Path>, state_dir: &Path, _vault_dir: &Path) -> PathBuf {
        let base = runtime.map_or_else(|| state_dir.join("run"), |runtime| runtime.join("cred-helper"));
        base.join("agent.sock")
    }
}

#[cfg(windows)]
mod system {
    use super::{Bases, Path, PathBuf, PathsError};

    type Variable<'a> = &'a dyn Fn(&'static str) -> Result<Option<PathBuf>, PathsError>;

    pub(super) fn bases(variable: Variable<'_>, home: &Path) -> Result<Bases, PathsError> {
        let roaming = variable("APPDATA")?.unwrap_or_else(|| home.join("AppData").join("Roaming"));
        let local = variable("LOCALAPPDATA")?.unwrap_or_else(|| home.join("AppData").join("Local"));
        Ok(Bases { config: roaming, data: local.clone(), state: local, runtime: None })
    }

    /// The socket is a pipe, which no directory holds.
    pub(super) fn unfit(_directory: &Path) -> Option<String> {
        None
    }

    /// A pipe is in no directory; LOCALAPPDATA is the user's own.
    pub(super) fn beside_socket(_socket: &Path, state_dir: &Path) -> PathBuf {
        state_dir.to_owned()
    }

    /// Pipes have one flat name space for the machine: the vault's path makes the name this vault's own (FNV-1a).
    pub(super) fn socket(_runtime: Option<&Path>, _state_dir: &Path, vault_dir: &Path) -> PathBuf {
        let bytes = vault_dir.as_os_str().as_encoded_bytes();
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        PathBuf::from(format!(r"\\.\pipe\cred-helper-{hash:016x}"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn paths(variables: &'static [(&'static str, &'static str)]) -> Result<Paths, PathsError> {
        let find = |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
        Paths::from_variables(find, Some(PathBuf::from("/home/u")))
    }

    #[test]
    fn the_runtime_directory_has_the_socket() {
        let paths = paths(&[("XDG_RUNTIME_DIR", "/run/user/7")]).expect("paths");
        assert_eq!(paths.socket, Path::new("/run/user/7/cred-helper/agent.sock"));
        assert_eq!(paths.vault_dir, Path::new("/home/u/.local/share/cred-helper/vault"));
        assert_eq!(paths.config_file, Path::new("/home/u/.config/cred-helper/config.toml"));
        assert!(!paths.socket_given);
    }

    #[test]
    fn a_runtime_directory_that_others_may_write_to_or_that_is_none_is_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        let stage = tempfile::tempdir().expect("a directory");
        let with = |runtime: PathBuf| {
            let find = |name| (name == "XDG_RUNTIME_DIR").then(|| runtime.clone());
            Paths::from_variables(find, Some(PathBuf::from("/home/u"))).expect("paths").socket
        };
        let within = |directory: PathBuf| with(directory).starts_with(stage.path());
        let mode = |mode| std::fs::set_permissions(stage.path(), std::fs::Permissions::from_mode(mode)).expect("set");
        for (bits, fit) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
            mode(bits);
            assert_eq!(within(stage.path().to_owned()), fit, "{bits:o}");
        }
        mode(0o700);
        std::fs::write(stage.path().join("file"), "").expect("written");
        assert!(!within(stage.path().join("file")) && within(stage.path().join("not-there")));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(stage.path(), Some(61_004), None).expect("given away");
            assert!(!within(stage.path().to_owned()), "another user's");
        }
    }

    #[test]
    fn an_empty_variable_is_none_and_a_relative_one_an_error() {
        assert_eq!(
            paths(&[("XDG_DATA_HOME", "")]).expect("paths").vault_dir.to_str(),
            Some("/home/u/.local/share/cred-helper/vault")
        );
        assert_eq!(paths(&[("XDG_DATA_HOME", "x")]), Err(PathsError::Relative("XDG_DATA_HOME")));
        assert_eq!(Paths::from_variables(|_| None, None), Err(PathsError::NoHome));
    }

    #[test]
    fn a_given_socket_wins() {
        let paths = paths(&[("CRED_HELPER_SOCK", "/tmp/forwarded.sock")]).expect("paths");
        assert!(paths.socket_given);
        assert_eq!(paths.socket, Path::new("/tmp/forwarded.sock"));
    }
}

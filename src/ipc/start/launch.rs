//! The agent as a process of its own: found by path, given a named list of variables and nothing else of its caller's.
//!
//! Its standard output is the ready pipe: one line says that it serves or why it doesn't. What a caller holds open (a pipe of
//! `$(...)`, a lock) must not live on in the agent: std opens everything close-on-exec, and the agent closes what else came
//! along; on Windows this side keeps it.

use std::env;
use std::ffi::OsString;
#[cfg(windows)]
use std::io;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::unreachable;
use crate::ipc::message::{Error, ErrorKind};
use crate::paths::{AGENT_VARIABLE, Paths};

/// What the agent's process is called.
const EXECUTABLE: &str = concat!("cred-helper-agent", "");
/// Variables that the agent gets, each because it uses it: where things are, the keyring's bus, the system's, prompts, proxies, trust roots,
/// language and time. On Windows also what the system's own libraries need.
const VARIABLES: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "TZ",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "WAYLAND_DISPLAY",
    "DISPLAY",
    "XAUTHORITY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SystemRoot",
    "SystemDrive",
    "USERPROFILE",
    "USERNAME",
    "APPDATA",
    "LOCALAPPDATA",
    "TEMP",
    "TMP",
    "COMPUTERNAME",
];
/// Families of variables that it gets.
const FAMILIES: &[&str] = &["XDG_", "LC_", "CRED_HELPER_"];
/// The longest ready line.
const MAX_READY: u64 = 64 * 1024;

/// The one line on the ready pipe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Readiness {
    /// It serves.
    Ready {
        /// Always true.
        ready: bool,
        /// Where it listens.
        socket: PathBuf,
    },
    /// It doesn't, and ends.
    Failed {
        /// Why.
        error: Error,
    },
}

/// The agent's executable: as [`AGENT_VARIABLE`] says, beside this program, or where the package put it. Never in PATH or the
/// working directory.
pub fn agent_executable(_paths: &Paths) -> Result<PathBuf, Error> {
    if let Some(given) = env::var_os(AGENT_VARIABLE).filter(|given| !given.is_empty()) {
        let given = PathBuf::from(given);
        if given.is_absolute() && given.is_file() {
            return Ok(given);
        }
        return Err(Error::new(
            ErrorKind::Misconfigured,
            format!("{AGENT_VARIABLE} has to be the absolute path of the agent"),
        ));
    }
    let name = format!("{EXECUTABLE}{}", env::consts::EXE_SUFFIX);
    let beside =
        env::current_exe().and_then(|own| own.canonicalize()).ok().and_then(|own| Some(own.parent()?.join(&name)));
    let installed = option_env!("CRED_HELPER_LIBEXEC").map(|directory| Path::new(directory).join(&name));
    beside.into_iter().chain(installed).find(|path| path.is_file()).ok_or_else(|| {
        unreachable(format!("{name} is not beside this program: install both, or set {AGENT_VARIABLE} to its path"))
    })
}

/// Starts it and waits for its word; where it listens, or `None` if it has ended without a word.
pub(super) fn launch(executable: &Path, until: Instant) -> Result<Option<PathBuf>, Error> {
    let mut command = Command::new(executable);
    command.args(["run", "--detach"]).env_clear().envs(passed_on(env::vars_os()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    detached(&mut command);
    let child = command.spawn().map_err(|error| unreachable(format!("{}: {error}", executable.display())))?;
    match first_line(child, until) {
        Some(line) => match serde_json::from_slice(&line) {
            Ok(Readiness::Ready { socket, .. }) => Ok(Some(socket)),
            Ok(Readiness::Failed { error }) => Err(error),
            Err(_) => Ok(None),
        },
        None => Err(unreachable("the agent was started and is not ready yet: try again in a moment".to_owned())),
    }
}

#[cfg(unix)]
fn detached(command: &mut Command) {
    // The session of its own it makes itself: doing it between fork and exec would take unsafe code.
    command.current_dir("/");
}

#[cfg(windows)]
fn detached(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS};
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    if let Some(root) = env::var_os("SystemRoot") {
        command.current_dir(root);
    }
    keep_standard_streams();
}

/// A new process gets every handle that may be inherited, named for it or not: our standard streams too, which may be pipes
/// that our caller reads to their end.
#[cfg(windows)]
fn keep_standard_streams() {
    use std::os::windows::io::AsRawHandle;
    use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
    let streams = [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()];
    for stream in streams {
        // SAFETY: a standard handle is open as long as the process, and where there is none the call fails.
        #[expect(unsafe_code, reason = "the standard library never takes a handle's inheritance away")]
        unsafe {
            SetHandleInformation(stream, HANDLE_FLAG_INHERIT, 0);
        }
    }
}

/// What the agent says; `None` if it says nothing in time. A thread reads, and then waits for the agent's end, so that a
/// long-lived caller doesn't keep a zombie.
fn first_line(mut child: Child, until: Instant) -> Option<Vec<u8>> {
    let (sender, line) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            let _ = BufReader::new(pipe.take(MAX_READY)).read_until(b'\n', &mut bytes);
        }
        let _ = sender.send(bytes);
        let _ = child.wait();
    });
    line.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
}

fn passed_on(variables: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    variables.filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            let same = |known: &&str| if cfg!(windows) { known.eq_ignore_ascii_case(name) } else { *known == name };
            VARIABLES.iter().any(same) || FAMILIES.iter().any(|family| name.starts_with(family))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_variables_are_passed_on() {
        let given =
            ["HOME", "LC_ALL", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "CRED_HELPER_LOG", "XDG_DATA_HOME", "OLDPWD"];
        let passed: Vec<_> =
            passed_on(given.iter().map(|name| (name.into(), "x".into()))).map(|(name, _)| name).collect();
        assert_eq!(passed, ["HOME", "LC_ALL", "CRED_HELPER_LOG", "XDG_DATA_HOME"]);
    }

    #[test]
    fn the_ready_line_is_one_of_two() {
        let ready = serde_json::from_str(r#"{"ready":true,"socket":"/s"}"#).expect("parses");
        assert!(matches!(ready, Readiness::Ready { ready: true, .. }));
        let failed = serde_json::from_str(r#"{"error":{"code":-32008,"message":"m","data":{"kind":"vault_in_use"}}}"#);
        assert!(
            matches!(failed.expect("parses"), Readiness::Failed { error } if error.kind() == ErrorKind::VaultInUse)
        );
    }
}

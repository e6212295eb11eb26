//! The user's service manager: where the agent's unit is installed, systemd starts it, in its own clean environment.
//!
//! Nothing is run unless a unit file is there, and only for the home that the service manager itself would use: a trial in
//! another home must not wake the person's own agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::paths::Paths;

/// The unit's name.
const UNIT: &str = "cred-helper-agent.service";
/// Where units of all users are (systemd.unit(5)).
const SYSTEM_DIRECTORIES: [&str; 3] = ["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];
/// Never from PATH.
const SYSTEMCTL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];

/// Whether the service manager knows the agent and would serve this home.
pub(super) fn is_installed(paths: &Paths) -> bool {
    let own = [paths.config_file.parent(), paths.vault_dir.parent()];
    let own = own.into_iter().flatten().filter_map(Path::parent).map(|base| base.join("systemd/user"));
    let has_unit = own.chain(SYSTEM_DIRECTORIES.map(PathBuf::from)).any(|directory| directory.join(UNIT).is_file());
    has_unit && is_real_home(&paths.home)
}

/// Whether this is the home of the user's entry in the passwd file.
fn is_real_home(home: &Path) -> bool {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&&*uid));
    // No entry: the user comes from a directory service, and there is nothing to compare with.
    entry.is_none_or(|fields| fields.get(5).is_some_and(|entry| Path::new(entry) == home))
}

/// Asks for it and waits; systemctl returns once the agent has said that it is ready.
pub(super) fn start(until: Instant) -> bool {
    let Some(systemctl) = SYSTEMCTL.iter().find(|path| Path::new(path).is_file()) else { return false };
    let mut command = Command::new(systemctl);
    command.args(["--user", "--quiet", "start", UNIT]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(command.status().is_ok_and(|status| status.success())));
    ended.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap_or(false)
}

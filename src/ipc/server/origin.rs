//! The program that a request came from: the nearest ancestor of the peer, itself included, that is neither ours nor a
//! shell. One file per system; where it can't be told it is unknown, and that matches no rule.
//!
//! This guards against accidents, not against the same user's malware: whoever may start a shell may start `git`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unknown;

#[cfg(any(target_os = "linux", test))]
use std::path::Path;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub(super) use linux::{of, terminal};
#[cfg(not(target_os = "linux"))]
pub(super) use unknown::{of, terminal};

/// The program that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its executable; without it the program is unknown.
    pub path: Option<PathBuf>,
    /// What its process calls itself: not to be relied on, nor to be shown as it is.
    pub name: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// When that began, by a clock of the system's own: with the number it is a process that no other is.
    pub started: Option<u64>,
}

/// What an executable is to us, by its name.
#[cfg(any(target_os = "linux", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Ours, a shell, or what runs another program for its caller: whoever is behind it asks.
    Between,
    /// What begins sessions: nobody is behind it.
    Beginning,
    /// Whoever asks.
    Program,
}

#[cfg(any(target_os = "linux", test))]
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "busybox", "csh", "dash", "elvish", "fish", "ksh", "ksh93", "mksh", "nu", "pwsh", "rbash",
    "tcsh", "xonsh", "yash", "zsh",
];
#[cfg(any(target_os = "linux", test))]
const WRAPPERS: &[&str] = &["env", "ionice", "nice", "nohup", "setsid", "stdbuf", "time", "timeout", "xargs"];
#[cfg(any(target_os = "linux", test))]
const BEGINNINGS: &[&str] = &[
    "anacron",
    "atd",
    "cron",
    "crond",
    "doas",
    "init",
    "launchd",
    "login",
    "runuser",
    "sshd",
    "sshd-session",
    "su",
    "sudo",
    "systemd",
    "systemd-executor",
];

#[cfg(any(target_os = "linux", test))]
fn part(executable: &Path) -> Part {
    let name = executable.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    // An upgrade has replaced it; what it was it still is.
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    // zsh-5.9 is zsh.
    let versioned = name.rsplit_once('-').filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
    let plain = versioned.map_or(name, |(plain, _)| plain);
    let ours = ["cred-helper", "cred-helper-agent"].contains(&name) || name.ends_with("-cred-helper");
    if ours || SHELLS.contains(&plain) || WRAPPERS.contains(&plain) {
        Part::Between
    } else if BEGINNINGS.contains(&plain) {
        Part::Beginning
    } else {
        Part::Program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_our_own_names_stand_between_and_sessions_begin_somewhere() {
        for (path, expected) in [
            ("/usr/bin/git", Part::Program),
            ("/usr/bin/bash", Part::Between),
            ("/usr/bin/zsh-5.9", Part::Between),
            ("/usr/bin/dash (deleted)", Part::Between),
            ("/nix/store/x/bin/sh", Part::Between),
            ("/usr/bin/timeout", Part::Between),
            ("/opt/cred-helper", Part::Between),
            ("/opt/git-credential-cred-helper", Part::Between),
            ("/usr/bin/git-5", Part::Program),
            ("/usr/bin/shotwell", Part::Program),
            ("/usr/sbin/sshd", Part::Beginning),
            ("/usr/lib/systemd/systemd", Part::Beginning),
            ("/", Part::Program),
        ] {
            assert_eq!(part(Path::new(path)), expected, "{path}");
        }
    }
}

//! Ancestors as /proc tells them (proc(5)). `stat` and `exe` never wait for their process, as `cmdline` and `environ` may.
//!
//! Process numbers are used again: each process has to have begun no later than what it is asked about. A path means a
//! program only where it means the same to us: a container's /usr/bin/git is not ours, and one that was replaced is not
//! the one on the disk. No file is looked at for that: it may lie on a server that hangs, and everybody would wait.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Origin, Part, part};

/// Nobody nests shells so deep on purpose.
const MAX_GENERATIONS: usize = 32;

/// The program behind a process that was met then.
pub(in super::super) fn of(pid: u32, met: Duration) -> Origin {
    let ticks = rustix::param::clock_ticks_per_second();
    let met = met.as_millis() * u128::from(ticks) / 1000 + 1;
    walk(pid, u64::try_from(met).unwrap_or(u64::MAX))
}

fn walk(mut pid: u32, mut no_later: u64) -> Origin {
    for _ in 0..MAX_GENERATIONS {
        // Process 1 adopts orphans: what is behind it is anybody's guess.
        let Some(stat) = Stat::read(pid).filter(|stat| pid > 1 && stat.started <= no_later) else { break };
        let seen = |path| Origin { path, name: Some(stat.name.clone()), pid: Some(pid), started: Some(stat.started) };
        // Another user's, or one that shields itself.
        let Ok(path) = fs::read_link(format!("/proc/{pid}/exe")) else { return seen(None) };
        match part(&path) {
            Part::Between => (pid, no_later) = (stat.parent, stat.started),
            Part::Beginning => return seen(None),
            Part::Program => return seen(Some(path).filter(|path| runs(pid, path))),
        }
    }
    Origin::default()
}

/// Whether the process runs that file, as we see it: proc(5) says of one that was removed or replaced that it is deleted, and
/// in another mount namespace the path may be another file's.
fn runs(pid: u32, path: &Path) -> bool {
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let theirs = mounts(&pid.to_string());
    !path.as_os_str().as_bytes().ends_with(b" (deleted)") && theirs.is_some() && theirs == mounts("self")
}

/// The terminal of a process in its foreground: one in the background would be stopped, and nobody looks there.
pub(in super::super) fn terminal(pid: u32) -> Option<PathBuf> {
    let stat = Stat::read(pid)?;
    let (major, minor) = (stat.terminal >> 8 & 0xfff, stat.terminal & 0xff | stat.terminal >> 12 & 0xfff00);
    let path = match major {
        136..=143 => format!("/dev/pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("/dev/tty{minor}"),
        _ => return None,
    };
    (stat.group == stat.foreground).then(|| path.into())
}

/// What is needed of /proc/PID/stat.
struct Stat {
    name: String,
    parent: u32,
    group: i64,
    terminal: u64,
    foreground: i64,
    /// In clock ticks since boot.
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let mut buffer = [0; 1024];
        let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
        Self::parse(&buffer[..length])
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The name may hold anything, parentheses and line feeds too: the fields begin after the last one.
        let (open, close) = (stat.iter().position(|b| *b == b'(')?, stat.iter().rposition(|b| *b == b')')?);
        let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(&stat[close + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5), where these begin with the third.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            name,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            terminal: field(7)?.parse::<i64>().ok()?.cast_unsigned(),
            foreground: field(8)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn a_name_with_parentheses_and_line_feeds_is_only_a_name() {
        let stat = b"7 (a) S 1 (b\n) S 42 7 7 34817 7 0 0 0 0 0 0 0 0 0 20 0 1 0 900 0 0";
        let stat = Stat::parse(stat).expect("parses");
        assert_eq!((stat.name.as_str(), stat.parent, stat.started), ("a) S 1 (b\n", 42, 900));
        assert_eq!((stat.terminal, stat.group == stat.foreground), (34817, true));
        assert!(Stat::parse(b"7 (x) S 1").is_none() && Stat::parse(b"").is_none());
    }

    #[test]
    fn this_test_is_a_program_and_a_later_process_of_its_number_is_not() {
        let own = std::process::id();
        let found = of(own, SystemClock.boot());
        let exe = std::env::current_exe().expect("this program");
        assert_eq!((found.path, found.pid), (Some(exe), Some(own)));
        assert_eq!(of(own, Duration::ZERO), Origin::default());
        assert_eq!(of(u32::MAX, SystemClock.boot()), Origin::default());
    }

    #[test]
    fn who_is_behind_a_shell_asks() {
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "read line; :"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        assert_eq!(of(shell.id(), SystemClock.boot()).pid, Some(std::process::id()));
        drop(shell.stdin.take());
        shell.wait().expect("ended");
        assert_eq!(of(shell.id(), SystemClock.boot()), Origin::default());
    }
}

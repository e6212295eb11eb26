//! A core of a process that rests, as root takes one: gdb's gcore, with everything that the process wrote and every
//! register.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a machine that is busy; an idle process is idle at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dump, and what tells where in it something stood.
pub(super) struct Core {
    pub(super) bytes: Vec<u8>,
    maps: String,
}

impl Core {
    /// Waits until the process has nothing to do and no more than so many connections, and takes its core.
    pub(super) fn of_idle(pid: i32, connections: usize, directory: &Path) -> Self {
        wait_until_idle(pid, connections);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let mut gcore = Command::new("gcore");
        gcore.arg("-o").arg(directory.join("core")).arg(pid.to_string()).stdin(Stdio::null());
        let output = gcore.output().unwrap();
        let path = directory.join(format!("core.{pid}"));
        let bytes = fs::read(&path).unwrap_or_else(|_| panic!("no core: {}", String::from_utf8_lossy(&output.stderr)));
        fs::remove_file(path).unwrap();
        let core = Self { bytes, maps };
        let stack = core.maps.lines().find(|line| line.ends_with("[stack]")).and_then(range).unwrap();
        let segments = core.segments();
        assert!(segments.iter().any(|(_, address, size)| stack.contains(address) && *size > 0), "the stack is in it");
        core
    }

    /// What a place in the file was in the process.
    pub(super) fn place(&self, at: usize) -> String {
        let at = at as u64;
        let segment = self.segments().into_iter().find(|(start, _, size)| (*start..start + size).contains(&at));
        let Some((start, address, _)) = segment else { return "a register, or another note".to_owned() };
        let address = address + at - start;
        let line = self.maps.lines().find(|line| range(line).is_some_and(|range| range.contains(&address)));
        format!("{address:#x} in {}", line.unwrap_or("nothing"))
    }

    /// elf(5): file offset, address and size of what was mapped.
    fn segments(&self) -> Vec<(u64, u64, u64)> {
        const LOAD: u64 = 1;
        let number = |at: usize, size: usize| {
            self.bytes[at..at + size].iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
        };
        let table = usize::try_from(number(0x20, 8)).unwrap();
        let headers = (0..usize::try_from(number(0x38, 2)).unwrap()).map(|n| table + 56 * n);
        let loads = headers.filter(|at| number(*at, 4) == LOAD);
        loads.map(|at| (number(at + 8, 8), number(at + 16, 8), number(at + 32, 8))).collect()
    }
}

/// The addresses of a line of proc_pid_maps(5).
fn range(line: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some(u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?)
}

/// The first bytes of the one page that is locked and left out of dumps (proc_pid_smaps(5)), read as root can.
pub(super) fn key_in_locked_page(pid: i32) -> [u8; 32] {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut page = None;
    let mut mapping = None;
    for line in smaps.lines() {
        mapping = range(line).or(mapping);
        let flags: BTreeSet<&str> = line.strip_prefix("VmFlags:").unwrap_or_default().split_whitespace().collect();
        if ["lo", "dd", "dc"].iter().all(|flag| flags.contains(flag)) {
            assert!(page.replace(mapping.clone().unwrap().start).is_none(), "there are two");
        }
    }
    let mut key = [0; 32];
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    memory.read_exact_at(&mut key, page.expect("a locked page")).unwrap();
    key
}

/// Until every thread waits in the kernel and the other connections are closed: nothing else tells it from outside.
fn wait_until_idle(pid: i32, open: usize) {
    let end = Instant::now() + PATIENCE;
    while !sleeps(pid) || connections(pid) > open {
        assert!(Instant::now() < end, "the agent has not come to rest");
        std::thread::yield_now();
    }
}

/// Its connections to servers and callers: those of TCP, and those of a named local socket that don't listen.
fn connections(pid: i32) -> usize {
    const LISTENS: &str = "00010000";
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()));
    let inodes: BTreeSet<String> =
        targets.filter_map(|target| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let of_tcp = |line: &str| line.split_whitespace().nth(9).is_some_and(|inode| inodes.contains(inode));
    let of_unix = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() == 8 && fields[3] != LISTENS && inodes.contains(fields[6])
    };
    let tcp = table("tcp") + &table("tcp6");
    tcp.lines().filter(|line| of_tcp(line)).count() + table("unix").lines().filter(|line| of_unix(line)).count()
}

fn sleeps(pid: i32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path());
    // proc_pid_syscall(5): a thread that is not blocked is "running".
    let mut calls = tasks.map(|task| fs::read_to_string(task.join("syscall")).unwrap_or_default());
    calls.all(|call| !call.is_empty() && !call.starts_with("running"))
}

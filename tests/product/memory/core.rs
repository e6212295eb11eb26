//! A core of a process that sleeps, as root takes one: gdb's gcore, with every mapping and every register.

use std::collections::BTreeSet;
use std::fs;
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
    /// Waits until the process has nothing to do, and takes its core.
    pub(super) fn of_idle(pid: i32, directory: &Path) -> Self {
        wait_until_idle(pid);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let prefix = directory.join("core");
        // -a: what was to be left out of dumps is in it as well.
        let mut gcore = Command::new("gcore");
        gcore.arg("-a").arg("-o").arg(&prefix).arg(pid.to_string()).stdin(Stdio::null());
        let output = gcore.output().unwrap();
        let path = directory.join(format!("core.{pid}"));
        let bytes = fs::read(&path).unwrap_or_else(|_| panic!("no core: {}", String::from_utf8_lossy(&output.stderr)));
        fs::remove_file(path).unwrap();
        Self { bytes, maps }
    }

    /// The bytes of a mapping.
    pub(super) fn mapping(&self, from: u64, length: usize) -> Option<&[u8]> {
        let (start, address) = self.segments().into_iter().find_map(|(at, address, size)| {
            (address <= from && from + length as u64 <= address + size).then_some((at, address))
        })?;
        let at = usize::try_from(start + from - address).unwrap();
        self.bytes.get(at..at + length)
    }

    /// Every part of it that the process may have written to, with its place in the file: registers and other notes, and
    /// what was mapped, but for what is read from files.
    pub(super) fn written(&self) -> Vec<(usize, &[u8])> {
        let segments = self.segments();
        let notes = segments.iter().map(|(start, ..)| *start).min().unwrap_or_default();
        let mapped = segments.into_iter().filter(|(_, address, _)| !self.maps_line(*address).is_some_and(is_of_a_file));
        let all = [(0, 0, notes)].into_iter().chain(mapped);
        let range = |(start, _, size): (u64, u64, u64)| {
            let (from, to) = (usize::try_from(start).unwrap(), usize::try_from(start + size).unwrap());
            (from, &self.bytes[from..to.min(self.bytes.len())])
        };
        all.map(range).collect()
    }

    /// What a place in the file was in the process.
    pub(super) fn place(&self, at: usize) -> String {
        let at = at as u64;
        let segment = self.segments().into_iter().find(|(start, _, size)| (*start..start + size).contains(&at));
        let Some((start, address, _)) = segment else { return "a register, or another note".to_owned() };
        let address = address + at - start;
        format!("{address:#x} in {}", self.maps_line(address).unwrap_or("nothing"))
    }

    /// proc_pid_maps(5): the line of the mapping that an address is in.
    fn maps_line(&self, address: u64) -> Option<&str> {
        let contains = |line: &&str| {
            let (from, to) = line.split_whitespace().next()?.split_once('-')?;
            let number = |hex| u64::from_str_radix(hex, 16).ok();
            Some((number(from)?..number(to)?).contains(&address))
        };
        self.maps.lines().find(|line| contains(line) == Some(true))
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

/// A mapping of a file that nothing can have been written to.
fn is_of_a_file(line: &str) -> bool {
    let mut fields = line.split_whitespace();
    let writable = fields.nth(1).is_some_and(|rights| rights.contains('w'));
    !writable && fields.nth(3).is_some_and(|path| path.starts_with('/'))
}

/// Until every thread waits in the kernel and no connection is open: nothing else tells it from outside.
fn wait_until_idle(pid: i32) {
    let end = Instant::now() + PATIENCE;
    while !sleeps(pid) || converses(pid) {
        assert!(Instant::now() < end, "the agent has not come to rest");
        std::thread::yield_now();
    }
}

/// Whether it has a connection to a server or a caller: one of TCP, or one of a named local socket that doesn't listen.
fn converses(pid: i32) -> bool {
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
    table("tcp").lines().any(of_tcp) || table("tcp6").lines().any(of_tcp) || table("unix").lines().any(of_unix)
}

fn sleeps(pid: i32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path());
    // proc_pid_syscall(5): a thread that is not blocked is "running".
    let mut calls = tasks.map(|task| fs::read_to_string(task.join("syscall")).unwrap_or_default());
    calls.all(|call| !call.is_empty() && !call.starts_with("running"))
}

//! The log's file: JSON lines, its user's alone, moved aside when it is half of what may be used, so that the two together
//! stay below.
//!
//! A line is one write, so a crash keeps whole lines. One that the disk took in part is ended before the next begins, and
//! whoever reads skips it. The file is opened for each write: it may be moved or removed at any time.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::ipc::message::audit::{Entry, ReadAudit};

/// The most entries of one answer, which has to fit into a message.
const MAX_ENTRIES: usize = 10_000;
/// No line of ours is longer: four paths and some words.
const MAX_LINE: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Bytes of one file; there are two.
    max: u64,
    /// What is in the file may not end in a line feed: found there at the start, or left by a write that failed.
    torn: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, max_size: u64) -> Self {
        Self { path, max: max_size / 2, torn: true }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file goes when it is full.
    fn older(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".1");
        name.into()
    }

    /// Writes one line.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.open()?;
        if file.metadata()?.len() + line.len() as u64 > self.max {
            drop(file);
            fs::rename(&self.path, self.older())?;
            self.torn = false;
            file = self.open()?;
        }
        if self.torn && !ends_in_line_feed(&mut file)? {
            line.insert(0, b'\n');
        }
        self.torn = true;
        let written = file.write(&line)?;
        if written < line.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.torn = false;
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
            options.mode(0o600).custom_flags(flags.bits().cast_signed());
        }
        match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.path.parent().unwrap_or(Path::new("/")))?;
                options.open(&self.path)
            }
            opened => opened,
        }
    }

    /// The newest entries that fit, oldest first, and whether there are older ones.
    pub(super) fn read(&self, read: &ReadAudit) -> (Vec<Entry>, bool) {
        let limit = read.limit.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        let (mut found, mut more) = (VecDeque::new(), false);
        for path in [self.older(), self.path.clone()] {
            let Some(file) = regular(&path) else { continue };
            for entry in entries(BufReader::new(file.take(self.max * 2))).filter(|entry| fits(read, entry)) {
                found.push_back(entry);
                if found.len() > limit {
                    found.pop_front();
                    more = true;
                }
            }
        }
        (found.into(), more)
    }
}

/// A file to read; a device that stands in its place may have no end.
fn regular(path: &Path) -> Option<File> {
    fs::metadata(path).ok()?.is_file().then(|| File::open(path).ok())?
}

fn ends_in_line_feed(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The entries of a file; what is none is skipped.
fn entries(mut file: impl io::BufRead) -> impl Iterator<Item = Entry> {
    let mut line = Vec::new();
    std::iter::from_fn(move || {
        loop {
            line.clear();
            if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            if let Ok(entry) = serde_json::from_slice(&line) {
                return Some(entry);
            }
        }
    })
}

/// Whether an entry is one of those asked for.
pub(super) fn fits(read: &ReadAudit, entry: &Entry) -> bool {
    let ReadAudit { since, until, account, program, limit: _, follow: _ } = read;
    since.is_none_or(|since| entry.until.unwrap_or(entry.at) >= since)
        && until.is_none_or(|until| entry.at <= until)
        && account.as_deref().is_none_or(|asked| {
            let of = |name: &str| name == asked || name.strip_prefix(asked).is_some_and(|rest| rest.starts_with('/'));
            entry.account.as_deref().is_some_and(of)
        })
        && program.as_deref().is_none_or(|asked| {
            let path = entry.program.path.as_deref();
            let last = path.and_then(|path| path.rsplit(['/', '\\']).next());
            [path, last, entry.program.name.as_deref()].contains(&Some(asked))
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ipc::message::audit::{Outcome, Program};

    pub(in super::super) fn entry(at: i64, account: &str) -> Entry {
        Entry {
            at: Timestamp(at),
            until: None,
            count: 1,
            method: "token.get".to_owned(),
            account: Some(account.to_owned()),
            detail: None,
            uid: Some(1000),
            pid: Some(7),
            program: Program {
                path: Some("/usr/bin/git".to_owned()),
                name: Some("git-remote".to_owned()),
                pid: Some(6),
            },
            outcome: Outcome::Cached,
            error: None,
        }
    }

    fn times(log: &LogFile, read: &ReadAudit) -> Vec<i64> {
        log.read(read).0.iter().map(|entry| entry.at.0).collect()
    }

    #[test]
    fn two_files_together_stay_below_the_size_and_hold_the_newest() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut log = LogFile::new(directory.path().join("deep/audit.jsonl"), 8192);
        for at in 0..200 {
            log.append(&entry(at, "p")).expect("written");
            let sizes = [log.path.clone(), log.older()].map(|path| fs::metadata(path).map_or(0, |found| found.len()));
            assert!(sizes.iter().sum::<u64>() <= 8192, "{sizes:?}");
        }
        let all = times(&log, &ReadAudit::default());
        assert!(all.len() > 20 && all.is_sorted() && all.last() == Some(&199), "{all:?}");
        let (some, more) = log.read(&ReadAudit { limit: Some(3), ..ReadAudit::default() });
        assert_eq!((some.len(), some[0].at.0, more), (3, 197, true));
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(log.path).expect("there").permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn a_line_that_was_cut_short_costs_only_itself() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        fs::write(&path, "{\"at\":1,\"meth").expect("written");
        let mut log = LogFile::new(path.clone(), 1 << 20);
        log.append(&entry(2, "p")).expect("written");
        log.append(&entry(3, "p")).expect("written");
        assert_eq!(times(&log, &ReadAudit::default()), [2, 3]);
        fs::remove_file(&path).expect("removed");
        log.append(&entry(4, "p")).expect("written");
        assert_eq!(times(&log, &ReadAudit::default()), [4]);
        assert!(fs::read_to_string(path).expect("text").starts_with('{'));
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        #[cfg(unix)]
        {
            let directory = tempfile::tempdir().expect("a directory");
            let (path, other) = (directory.path().join("audit.jsonl"), directory.path().join("other"));
            std::os::unix::fs::symlink(&other, &path).expect("a link");
            assert!(LogFile::new(path, 1 << 20).append(&entry(1, "p")).is_err() && !other.exists());
        }
    }

    #[test]
    fn what_is_asked_for_is_found() {
        let one = Entry { until: Some(Timestamp(20)), ..entry(10, "p/work") };
        let read = ReadAudit::default();
        let (since, until) = (|at| Some(Timestamp(at)), |at| Some(Timestamp(at)));
        let (account, program) = (|name: &str| Some(name.to_owned()), |name: &str| Some(name.to_owned()));
        for (expected, read) in [
            (true, read.clone()),
            (true, ReadAudit { since: since(20), ..read.clone() }),
            (false, ReadAudit { since: since(21), ..read.clone() }),
            (true, ReadAudit { until: until(10), ..read.clone() }),
            (false, ReadAudit { until: until(9), ..read.clone() }),
            (true, ReadAudit { account: account("p"), ..read.clone() }),
            (true, ReadAudit { account: account("p/work"), ..read.clone() }),
            (false, ReadAudit { account: account("p/wo"), ..read.clone() }),
            (false, ReadAudit { account: account("q"), ..read.clone() }),
            (true, ReadAudit { program: program("git"), ..read.clone() }),
            (true, ReadAudit { program: program("/usr/bin/git"), ..read.clone() }),
            (true, ReadAudit { program: program("git-remote"), ..read.clone() }),
            (false, ReadAudit { program: program("gi"), ..read }),
        ] {
            assert_eq!(fits(&read, &one), expected, "{read:?}");
        }
    }
}

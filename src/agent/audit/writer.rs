//! The log's thread: folds, writes, and answers those who read. One thread, so that a reader who follows misses nothing and
//! sees nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use tokio::sync::{broadcast, oneshot};
use tracing::warn;

use super::Reading;
use super::file::LogFile;
use super::fold::Folds;
use crate::ipc::message::audit::{AuditLog, Entry, Outcome, Program, ReadAudit};

/// What the thread is asked to do.
pub(super) enum Message {
    /// Write this.
    Entry(Box<Entry>),
    /// Say what is written.
    Read(ReadAudit, oneshot::Sender<Reading>),
    /// Write everything and say so.
    Flush(Sender<()>),
}

pub(super) struct Writer {
    file: LogFile,
    folds: Folds,
    written: broadcast::Sender<Entry>,
    /// All that were lost, and how many of them the log has been told.
    lost: Arc<AtomicU64>,
    told: u64,
}

impl Writer {
    pub(super) fn new(file: LogFile, lost: Arc<AtomicU64>, followed: usize) -> Self {
        Self { file, folds: Folds::default(), written: broadcast::channel(followed).0, lost, told: 0 }
    }

    /// Until nobody can send any more. While nothing was logged for a minute it sleeps without a timer.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let message = match self.folds.next() {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Entry(entry)) => self.take(*entry),
                Ok(Message::Read(read, answer)) => {
                    self.write_counted();
                    let _ = answer.send(self.read(&read));
                }
                Ok(Message::Flush(done)) => {
                    self.write_counted();
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let over = self.folds.over(Instant::now());
                    over.into_iter().for_each(|entry| self.write(entry));
                }
                Err(RecvTimeoutError::Disconnected) => return self.write_counted(),
            }
        }
    }

    fn take(&mut self, entry: Entry) {
        // Who looks on sees each request when it comes.
        let now = if self.written.receiver_count() > 0 { Some(entry) } else { self.folds.take(entry, Instant::now()) };
        if let Some(entry) = now {
            self.write(entry);
        }
    }

    fn write_counted(&mut self) {
        let counted = self.folds.all();
        counted.into_iter().for_each(|entry| self.write(entry));
    }

    fn write(&mut self, entry: Entry) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.told && self.file.append(&lost_before(&entry, lost - self.told)).is_ok() {
            self.told = lost;
        }
        if let Err(error) = self.file.append(&entry) {
            // Once for each time that it begins; the log itself says how many when it can.
            if self.lost.fetch_add(entry.count, Ordering::Relaxed) == self.told {
                warn!(file = %self.file.path().display(), "the audit log cannot be written: {error}; requests are served all the same");
            }
        }
        // Nobody following is no error.
        let _ = self.written.send(entry);
    }

    fn read(&self, read: &ReadAudit) -> Reading {
        let (entries, more) = self.file.read(read);
        let file = self.file.path().display().to_string();
        let lost = self.lost.load(Ordering::Relaxed);
        let following = read.follow.then(|| self.written.subscribe());
        (AuditLog { enabled: true, file, entries, more, lost }, following)
    }
}

fn lost_before(entry: &Entry, count: u64) -> Entry {
    Entry {
        at: entry.at,
        until: None,
        count,
        method: "audit".to_owned(),
        account: None,
        detail: None,
        uid: None,
        pid: None,
        program: Program::default(),
        outcome: Outcome::Lost,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::entry;
    use super::*;

    #[test]
    fn what_could_not_be_written_is_counted_and_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let lost = Arc::<AtomicU64>::default();
        let mut writer = Writer::new(LogFile::new(path.clone(), 1 << 20), Arc::clone(&lost), 4);
        std::fs::create_dir(&path).expect("something in its place");
        writer.take(entry(1, "a"));
        writer.take(entry(2, "b"));
        assert_eq!(lost.load(Ordering::Relaxed), 2);
        std::fs::remove_dir(&path).expect("gone");
        writer.take(entry(3, "c"));
        writer.take(entry(4, "d"));
        let (log, _) = writer.read(&ReadAudit::default());
        let shown: Vec<_> = log.entries.iter().map(|entry| (entry.at.0, entry.count, entry.outcome)).collect();
        assert_eq!(shown, [(3, 2, Outcome::Lost), (3, 1, Outcome::Cached), (4, 1, Outcome::Cached)]);
        assert_eq!(log.lost, 2);
    }

    #[test]
    fn a_follower_sees_every_request_and_a_reader_the_counts_so_far() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = LogFile::new(directory.path().join("audit.jsonl"), 1 << 20);
        let mut writer = Writer::new(file, Arc::default(), 4);
        for at in 1..=3 {
            writer.take(entry(at, "a"));
        }
        writer.write_counted();
        let (log, following) = writer.read(&ReadAudit { follow: true, ..ReadAudit::default() });
        assert_eq!(log.entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1, 2]);
        let mut following = following.expect("followed");
        writer.take(entry(4, "a"));
        assert_eq!(following.try_recv().expect("written").at.0, 4);
    }
}

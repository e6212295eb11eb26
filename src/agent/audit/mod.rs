//! The audit log: who asked for what, and what came of it. `cred-helper log` shows it.
//!
//! No answer waits for it: an entry goes into a bounded channel, and a thread folds and writes. What the channel or the disk
//! doesn't take is lost and counted, and the log says how many. No entry holds a secret.

mod asking;
mod file;
mod fold;
mod follow;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use crate::config::AuditSettings;
use crate::ipc::message::audit::{AuditLog, Entry, ReadAudit};
use crate::ipc::message::{Error, ErrorKind};

pub(super) use asking::Asking;
use writer::{Message, Writer};

/// Entries on their way to the thread. A disk that hangs loses what comes after them.
const WAITING: usize = 4096;
/// Entries that a follower may be behind before it misses some.
const FOLLOWED: usize = 1024;
/// How long a stop waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way into the log.
pub(super) struct Audit {
    file: PathBuf,
    writer: Option<SyncSender<Message>>,
    lost: Arc<AtomicU64>,
}

/// What the log answers, and what comes after it for those who follow.
type Reading = (AuditLog, Option<broadcast::Receiver<Entry>>);

impl Audit {
    /// Starts the thread, unless the log is off. The file is made with the first entry.
    pub(super) fn new(settings: &AuditSettings, state_dir: &std::path::Path) -> Self {
        let file = settings.file.clone().unwrap_or_else(|| state_dir.join("audit.jsonl"));
        let lost = Arc::<AtomicU64>::default();
        let writer = settings.enabled.then(|| {
            let (sender, messages) = mpsc::sync_channel(WAITING);
            let writer = Writer::new(file::LogFile::new(file.clone(), settings.max_size), Arc::clone(&lost), FOLLOWED);
            let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&messages));
            thread.ok().map(|_| sender)
        });
        Self { file, writer: writer.flatten(), lost }
    }

    /// Writes an entry, some time soon. Never waits.
    pub(super) fn write(&self, entry: Entry) {
        if let Some(writer) = &self.writer
            && writer.try_send(Message::Entry(Box::new(entry))).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether entries are written, and where.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        self.writer.is_some().then_some(&self.file)
    }

    /// How many entries could not be written since the agent began.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What is written, this moment's entries included.
    async fn read(&self, read: ReadAudit) -> Result<Reading, Error> {
        let Some(writer) = self.writer.clone() else {
            return Ok((AuditLog { file: self.file.display().to_string(), ..AuditLog::default() }, None));
        };
        let (answer, answered) = oneshot::channel();
        // A full channel is waited for, elsewhere.
        tokio::task::spawn_blocking(move || writer.send(Message::Read(read, answer)));
        answered.await.map_err(|_| Error::new(ErrorKind::Internal, "the audit log's thread has ended; see the log"))
    }

    /// Waits until what was given to it is written, for two seconds at most.
    pub(super) fn flush(&self) {
        let (done, written) = mpsc::channel();
        if self.writer.as_ref().is_some_and(|writer| writer.try_send(Message::Flush(done)).is_ok()) {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

//! `audit.read` and its followers, and what the agent itself says of the log.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::super::Agent;
use super::asking::refused;
use super::file::fits;
use crate::ipc::message::Error;
use crate::ipc::message::agent::{Check, CheckResult};
use crate::ipc::message::audit::{AuditLog, Entry, ReadAudit};
use crate::ipc::server::{Notifier, Peer};

impl Agent {
    pub(in super::super) async fn read_audit(&self, read: ReadAudit, notifier: Notifier) -> Result<AuditLog, Error> {
        let (log, following) = self.audit.read(read.clone()).await?;
        if let Some(entries) = following {
            tokio::spawn(follow(entries, read, notifier));
        }
        Ok(log)
    }

    /// Somebody connected who may not be served.
    pub(in super::super) fn log_refused(&self, peer: &Peer) {
        self.audit.write(refused(peer, &*self.clock));
    }

    /// Whether the log is well, for `doctor`.
    pub(in super::super) fn check_audit(&self) -> Check {
        let (result, message) = match (self.audit.file(), self.audit.lost()) {
            (None, _) => (CheckResult::Ok, "off, as the configuration says".to_owned()),
            (Some(file), 0) => (CheckResult::Ok, file.display().to_string()),
            (Some(file), lost) => {
                let message = format!("{lost} entries could not be written to {}: is the disk full?", file.display());
                (CheckResult::Warning, message)
            }
        };
        Check { name: "audit log".to_owned(), result, message }
    }
}

/// Sends every entry that fits to one caller until it is gone.
async fn follow(mut entries: broadcast::Receiver<Entry>, read: ReadAudit, notifier: Notifier) {
    loop {
        let entry = tokio::select! {
            entry = entries.recv() => entry,
            () = notifier.closed() => return,
        };
        match entry {
            Ok(entry) if !fits(&read, &entry) => {}
            Ok(entry) if notifier.send(&entry) => {}
            // What a slow reader misses is in the file.
            Err(RecvError::Lagged(_)) => {}
            _ => return,
        }
    }
}

//! What is in hand before a refresh request goes out, so that its answer can be kept whatever happens meanwhile: the
//! sealing key, an open temporary file with its space, and a mark on the disk that the request was sent.
//!
//! A mark counts only while the version it names is the record's newest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arrivals::arriving_name;
use super::disk::{self, Temporary};
use super::error::VaultError;
use super::header::Keys;
use super::record::Record;
use super::sealed;
use super::{RecordId, Vault, hold};
use crate::clock::Timestamp;
use crate::fault;

/// Room for the largest login seen, several times; a longer one still fits if the disk has space.
pub(super) const ROOM: u64 = 64 * 1024;

/// A refresh request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The rotation whose refresh token it carried.
    pub rotation: u64,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct MarkFile {
    version: u64,
    #[serde(flatten)]
    mark: Mark,
}

/// Everything needed to keep the answer of a request that is about to go out.
///
/// It ends in [`commit`](Self::commit), [`abandon`](Self::abandon) or [`keep_mark`](Self::keep_mark); dropped, the mark
/// stays.
#[derive(Debug)]
#[must_use = "the mark says that a request was sent until this is committed or abandoned"]
pub struct Prepared {
    vault: Vault,
    id: RecordId,
    version: u64,
    vault_id: String,
    keys: Arc<Keys>,
    temporary: Option<Temporary>,
    spared: bool,
    /// What the mark was before: an earlier request, never answered either.
    before: Option<Mark>,
}

impl Vault {
    /// Before a refresh request goes out: if this fails, it must not.
    pub fn prepare(&self, id: &RecordId, version: u64, mark: Mark) -> Result<Prepared, VaultError> {
        let (keys, vault_id) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        let _writes = hold(&self.shared.writes);
        self.check_barred(id)?;
        self.check_version(id, version)?;
        let before = self.mark(id, version);
        let in_memory = self.inner().memory.is_some();
        let temporary = match in_memory {
            true => None,
            false => Some(self.shared.disk.prepare_named(&self.records_directory(), &arriving_name(id)?, ROOM)?),
        };
        let prepared =
            Prepared { vault: self.clone(), id: id.clone(), version, vault_id, keys, temporary, spared: false, before };
        if !in_memory {
            self.write_mark(id, version, mark)?;
        }
        Ok(prepared)
    }

    /// The mark on that version of a record.
    pub(super) fn mark(&self, id: &RecordId, version: u64) -> Option<Mark> {
        let file = disk::read(&self.mark_file(id)).ok()??;
        let kept: MarkFile = serde_json::from_slice(&file).ok()?;
        (kept.version == version).then_some(kept.mark)
    }

    fn write_mark(&self, id: &RecordId, version: u64, mark: Mark) -> Result<(), VaultError> {
        let json = serde_json::to_vec(&MarkFile { version, mark })
            .map_err(|_| VaultError::Internal("a mark could not be written as JSON"))?;
        self.shared.disk.replace(&self.mark_file(id), &json)
    }
}

impl Prepared {
    /// The record and the version that it was prepared for.
    pub fn stored(&self) -> (RecordId, u64) {
        (self.id.clone(), self.version)
    }

    /// Keeps the answer; the new version. On an error nothing is lost that the caller holds: it may be tried again, even if
    /// the vault was locked since.
    pub fn commit(&mut self, record: &Record) -> Result<u64, VaultError> {
        let version = self.vault.put(&self.id, self.version + 1, record, &mut self.temporary, Some(&self.keys))?;
        // An earlier key that was kept for the answer may go now.
        let _ = self.vault.finish_epoch_if_begun();
        Ok(version)
    }

    /// Writes the answer down ahead of [`commit`](Self::commit), without waiting for anybody: from here on a kill doesn't
    /// lose it, however long its place is waited for. What is written is what is committed then.
    pub fn arrive(&mut self, record: &Record) -> Result<(), VaultError> {
        let Some(temporary) = &mut self.temporary else { return Ok(()) };
        let file = sealed::seal(&self.keys, &self.vault_id, &self.id, self.version + 1, record)?;
        self.vault.shared.disk.write_ahead(temporary, file)?;
        fault::point("refresh.arrived");
        Ok(())
    }

    /// Until the disk takes the answer, it counts from here for whoever opens the vault.
    pub fn hold(&self, record: &Record) -> Result<(), VaultError> {
        let file = sealed::seal(&self.keys, &self.vault_id, &self.id, self.version + 1, record)?;
        self.vault.inner().arrived.insert(self.id.clone(), file);
        Ok(())
    }

    /// Whether the answer counts from memory alone.
    pub fn is_held(&self) -> bool {
        self.vault.inner().arrived.contains_key(&self.id)
    }

    /// Whether what was written ahead stays when this ends: it could not be put in its place, but may be found there when the
    /// vault is opened next.
    pub fn spare(&mut self, spare: bool) {
        self.spared = spare;
    }

    /// The request was certainly not sent: the mark goes. One left by an earlier request stays.
    pub fn abandon(self) {
        if self.temporary.is_none() {
            return;
        }
        let _writes = hold(&self.vault.shared.writes);
        if self.vault.mark(&self.id, self.version).is_none() {
            // The record is newer by now, and a mark on it somebody else's.
            return;
        }
        // A mark that can't be undone says too much, which costs a question to the server, no login.
        let _ = match self.before {
            Some(before) => self.vault.write_mark(&self.id, self.version, before),
            None => self.vault.shared.disk.remove(&self.vault.mark_file(&self.id)),
        };
    }

    /// The answer was lost: the mark stays.
    pub fn keep_mark(self) {}
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let spared = self.spared;
        if let Some(temporary) = self.temporary.take().filter(|temporary| !spared || temporary.written().is_none()) {
            self.vault.shared.disk.discard(temporary);
        }
    }
}

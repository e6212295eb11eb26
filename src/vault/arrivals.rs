//! Answers that a kill caught between being written and being put in place.
//!
//! What a refresh brings goes into a temporary file first. From the moment it is written there, a killed agent need not lose
//! it: the next one finds the file, sees by its seal that it is whole and follows what is in the vault, and finishes the
//! step. A file that is not whole, or follows nothing, is nobody's.

use std::fs;
use std::path::Path;

use super::disk;
use super::error::VaultError;
use super::record::Record;
use super::records::is_id;
use super::seal::random_name;
use super::sealed;
use super::{RecordId, Vault};

/// Begins the name of such a file; the record's id and a random part follow.
const ARRIVING: &str = ".arriving-";

/// A name for one record's next version.
pub(super) fn arriving_name(id: &RecordId) -> Result<String, VaultError> {
    Ok(format!("{ARRIVING}{id}-{}", random_name()?))
}

fn record_of(path: &Path) -> Option<RecordId> {
    let (id, _) = path.file_name()?.to_str()?.strip_prefix(ARRIVING)?.split_once('-')?;
    is_id(id).then(|| RecordId::named(id))
}

/// Whether it is a later refresh token of the same login.
fn follows(arrived: &Record, now: &Record) -> bool {
    arrived.incarnation == now.incarnation && arrived.rotation > now.rotation
}

impl Vault {
    /// Puts what arrived in its place, and sweeps up the rest. For when the vault is opened: nobody is writing then.
    pub(super) fn finish_arrivals(&self) -> Result<(), VaultError> {
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        for entry in fs::read_dir(self.records_directory()).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(id) = record_of(&path) else { continue };
            // One that can't be read is followed by nothing.
            let current = disk::read(&self.record_file(&id)).ok().flatten();
            let current = current.and_then(|file| sealed::open(&keys, &vault, &id, &file).ok());
            let arrived = disk::read(&path).ok().flatten();
            let arrived = arrived.and_then(|file| sealed::open(&keys, &vault, &id, &file).ok());
            if let (Some((current, now)), Some((version, arrived))) = (current, arrived) {
                if version == current + 1 {
                    if self.shared.disk.adopt(&path, &self.record_file(&id)).is_err() {
                        // It counts from where it is until the disk takes it.
                        let file = disk::read(&path)?.unwrap_or_default();
                        self.inner().arrived.insert(id, file);
                        continue;
                    }
                } else if follows(&arrived, &now) {
                    // Renamed, or made the default, while its answer was on its way.
                    let record = Record { account: now.account, default_since: now.default_since, ..arrived };
                    self.put(&id, current + 1, &record, &mut None, None)?;
                }
            }
            // Gone already, if it was put in its place.
            let _ = fs::remove_file(&path);
        }
        Ok(())
    }

    /// Whether an answer is on its way, or was when its agent was killed.
    pub(super) fn is_arriving(&self) -> bool {
        fs::read_dir(self.records_directory())
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| record_of(&entry.path()).is_some())
    }
}

//! Answers that a kill caught between being written and being put in place.
//!
//! What a refresh brings goes into a temporary file first. From the moment it is written there, a killed agent need not lose
//! it: the next one finds the file, sees by its seal that it is whole and follows what is in the vault, and finishes the
//! step. A file that is not whole, or follows nothing, is nobody's.

use std::fs;
use std::path::Path;

use super::disk;
use super::error::VaultError;
use super::header::Keys;
use super::record::Record;
use super::records::is_id;
use super::seal::random_name;
use super::sealed;
use super::{RecordId, Vault, hold};

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

/// What is to be done with an answer that was found.
enum Due {
    /// It goes into its record's place as it is.
    Place(Vec<u8>),
    /// It goes there as that version.
    Follow(u64, Box<Record>),
    /// It is nobody's.
    Nothing,
    /// Nobody can tell for now.
    Kept,
}

impl Vault {
    /// Puts what arrived in its place, and sweeps up the rest. For when the vault is opened: nobody is writing then. One that
    /// the disk does not take counts from memory until it does.
    pub(super) fn finish_arrivals(&self) -> Result<(), VaultError> {
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        for entry in fs::read_dir(self.records_directory()).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(id) = record_of(&path) else { continue };
            let (file, placed) = match self.due(&keys, &vault, &id, &path) {
                Due::Kept => continue,
                Due::Nothing => {
                    let _ = fs::remove_file(&path);
                    continue;
                }
                Due::Place(file) => (file, self.shared.disk.adopt(&path, &self.record_file(&id))),
                // Not as a write among others: the ledger may not have heard of the newest record yet.
                Due::Follow(version, record) => {
                    let file = sealed::seal(&keys, &vault, &id, version, &record)?;
                    let placed = self.shared.disk.replace(&self.record_file(&id), &file);
                    (file, placed)
                }
            };
            match placed {
                // Gone already, if it was moved there.
                Ok(()) => drop(fs::remove_file(&path)),
                Err(_) => drop(self.inner().arrived.insert(id, file)),
            }
        }
        Ok(())
    }

    fn due(&self, keys: &Keys, vault: &str, id: &RecordId, path: &Path) -> Due {
        let (Ok(file), Ok(current)) = (disk::read(path), disk::read(&self.record_file(id))) else { return Due::Kept };
        let Some(current) = current else {
            let logged_out = hold(&self.shared.ledger).was_removed(id);
            return if logged_out { Due::Nothing } else { Due::Kept };
        };
        let Some(file) = file else { return Due::Nothing };
        // Cut short in its writing.
        let Ok((version, arrived)) = sealed::open(keys, vault, id, &file) else { return Due::Nothing };
        // A record that doesn't open may be put back: then this follows it.
        let Ok((newest, now)) = sealed::open(keys, vault, id, &current) else { return Due::Kept };
        if version == newest + 1 {
            return Due::Place(file);
        }
        if !follows(&arrived, &now) {
            return Due::Nothing;
        }
        // Renamed, or made the default, while its answer was on its way.
        let record = Record { account: now.account, default_since: now.default_since, ..arrived };
        Due::Follow(version.max(newest + 1), Box::new(record))
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

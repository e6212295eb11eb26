//! Records: read all, make one, replace one, remove one.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{self, Temporary};
use super::error::VaultError;
use super::header::Keys;
use super::ledger::{Entry, Kind, Verdict};
use super::prepared::Mark;
use super::record::Record;
use super::seal::random_name;
use super::sealed::{self, Closed, Prefix};
use super::{Barred, Vault, hold};

/// A record's random name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(String);

impl RecordId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(any(feature = "fuzzing", test))]
    pub(super) fn for_fuzzing() -> Self {
        Self("0123456789abcdef0123456789abcdef".to_owned())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that could be read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The records, in no order that means anything.
    pub records: Vec<Stored>,
    /// File names of those that could not be opened; they are kept.
    pub damaged: Vec<String>,
    /// What is wrong with each of these and what to do, in one line.
    pub trouble: Vec<String>,
}

/// A record at rest.
#[derive(Debug)]
pub struct Stored {
    /// Its name.
    pub id: RecordId,
    /// How often it was written.
    pub version: u64,
    /// The login.
    pub record: Record,
    /// A refresh that was sent and never answered, as far as the disk knows.
    pub unanswered: Option<Mark>,
    /// Why its refresh token must not be redeemed.
    pub barred: Option<Barred>,
}

/// A record just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub id: RecordId,
    /// Its first version.
    pub version: u64,
}

impl Vault {
    /// Reads every record; one that can't be opened hides no other.
    pub fn load(&self) -> Result<Loaded, VaultError> {
        let _writes = hold(&self.shared.writes);
        let (keys, vault, elsewhere) = {
            let inner = self.inner();
            (inner.readable()?, inner.vault_id()?, inner.elsewhere)
        };
        let (mut loaded, mut unopened) = (Loaded::default(), Vec::new());
        let files = self.record_files()?;
        let found: HashSet<RecordId> = files.keys().cloned().collect();
        for (id, file) in files {
            match file.and_then(|file| sealed::open(&keys, &vault, &id, &file)) {
                Ok((version, record)) => match self.judged(&id, version, record) {
                    Some(stored) => {
                        let barred = stored.barred.or(elsewhere.map(|_| Barred::Foreign));
                        loaded.records.push(Stored { barred, ..stored });
                    }
                    None => unopened.push(self.unopened(&id, &Closed::LoggedOut)),
                },
                Err(closed) => unopened.push(self.unopened(&id, &closed)),
            }
        }
        if self.inner().memory.is_none() {
            let missing = hold(&self.shared.ledger).missing(&found);
            unopened.extend(missing.iter().map(|id| self.unopened(id, &Closed::Missing)));
            unopened.extend(self.unopened_ledger());
        }
        loaded.damaged = unopened.iter().map(|unopened| unopened.file.clone()).collect();
        loaded.trouble = unopened.iter().map(|unopened| unopened.line.clone()).collect();
        self.inner().unopened = unopened;
        Ok(loaded)
    }

    /// The record that was found, as far as the ledger lets it count; `None` if it was logged out.
    fn judged(&self, id: &RecordId, version: u64, record: Record) -> Option<Stored> {
        if self.inner().memory.is_some() {
            return Some(Stored { id: id.clone(), version, record, unanswered: None, barred: None });
        }
        let (verdict, barred) = {
            let mut ledger = hold(&self.shared.ledger);
            let verdict = ledger.judge(id, version, &record);
            (verdict, ledger.barred(id))
        };
        let newest = match verdict {
            Verdict::Newest => version,
            Verdict::SameToken(newest) | Verdict::RolledBack(newest) => newest,
            Verdict::LoggedOut => return None,
        };
        let unanswered = self.mark(id, version);
        Some(Stored { id: id.clone(), version: newest, record, unanswered, barred })
    }

    /// Keeps a new record.
    pub fn create(&self, record: &Record) -> Result<Written, VaultError> {
        let id = RecordId(random_name()?);
        self.put(&id, 1, record, &mut None, None)?;
        Ok(Written { id, version: 1 })
    }

    /// Puts `record` in the place of that version; the answer is the new version.
    pub fn replace(&self, id: &RecordId, version: u64, record: &Record) -> Result<u64, VaultError> {
        self.check_barred(id)?;
        self.check_version(id, version)?;
        self.put(id, version + 1, record, &mut None, None)
    }

    /// As [`Vault::replace`], with a new login: what was wrong with the old one is over.
    pub fn renew(&self, id: &RecordId, version: u64, record: &Record) -> Result<u64, VaultError> {
        self.check_version(id, version)?;
        self.put(id, version + 1, record, &mut None, None)
    }

    /// Removes a record and its mark.
    pub fn remove(&self, id: &RecordId) -> Result<(), VaultError> {
        let _writes = hold(&self.shared.writes);
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        if let Some(memory) = &mut self.inner().memory {
            memory.remove(id);
            return Ok(());
        }
        self.enter_removal(&keys, &vault, id);
        self.shared.disk.remove(&self.record_file(id))?;
        self.enter_kind(&keys, &vault, id, Kind::Removed);
        self.shared.disk.remove(&self.mark_file(id))
    }

    /// Seals and writes one version. `keys` are those in hand since before a request, for when the vault was locked since.
    pub(super) fn put(
        &self,
        id: &RecordId,
        version: u64,
        record: &Record,
        temporary: &mut Option<Temporary>,
        in_hand: Option<&Arc<Keys>>,
    ) -> Result<u64, VaultError> {
        let _writes = hold(&self.shared.writes);
        if version > 1 {
            self.check_version(id, version - 1)?;
        }
        let (keys, vault) = self.sealing_keys(in_hand)?;
        let file = match temporary.as_ref().and_then(|temporary| self.arrived(temporary)) {
            Some(file) => file,
            None => sealed::seal(&keys, &vault, id, version, record)?,
        };
        if let Some(memory) = &mut self.inner().memory {
            memory.insert(id.clone(), file);
            return Ok(version);
        }
        let path = self.record_file(id);
        match temporary.take() {
            Some(temporary) => self.shared.disk.finish(temporary, &path, &file)?,
            None => self.shared.disk.replace(&path, &file)?,
        }
        self.inner().arrived.remove(id);
        self.enter(&keys, &vault, id, Entry::of(Kind::Written, version, record));
        // It names a version that is gone, so it means nothing any more, whether or not it can be removed.
        self.shared.disk.forget(&self.mark_file(id));
        Ok(version)
    }

    /// What was written ahead, unless a new epoch has begun since.
    fn arrived(&self, temporary: &Temporary) -> Option<Vec<u8>> {
        let written = temporary.written()?;
        let epoch = self.inner().header.as_ref()?.body.epoch;
        (Prefix::parse(written).ok()?.0.epoch == epoch).then(|| written.to_owned())
    }

    fn sealing_keys(&self, in_hand: Option<&Arc<Keys>>) -> Result<(Arc<Keys>, String), VaultError> {
        let inner = self.inner();
        let vault = inner.vault_id()?;
        let epoch = inner.header.as_ref().map(|header| header.body.epoch);
        match (inner.opened(), in_hand) {
            (Ok(keys), _) => Ok((keys, vault)),
            (Err(_), Some(keys)) if Some(keys.epoch) == epoch => Ok((Arc::clone(keys), vault)),
            (Err(error), _) => Err(error),
        }
    }

    /// Refuses a login that must not be redeemed.
    pub(super) fn check_barred(&self, id: &RecordId) -> Result<(), VaultError> {
        hold(&self.shared.ledger).barred(id).map_or(Ok(()), |why| Err(VaultError::Barred(why)))
    }

    /// Refuses to build on a version that is not the newest.
    pub(super) fn check_version(&self, id: &RecordId, version: u64) -> Result<(), VaultError> {
        let version_of = |files: &BTreeMap<_, Vec<u8>>| Some(Prefix::parse(files.get(id)?).ok()?.0.version);
        let in_memory = self.inner().memory.as_ref().map(version_of);
        let known = match in_memory {
            Some(version) => version,
            // The ledger may wait for the disk: nobody waits for that with what everybody asks for in hand.
            None => {
                let ledger = hold(&self.shared.ledger);
                if ledger.was_removed(id) {
                    return Err(VaultError::Stale);
                }
                ledger.version(id)
            }
        };
        let current = match known {
            Some(version) => Some(version),
            None => disk::read(&self.record_file(id))?.and_then(|file| Some(Prefix::parse(&file).ok()?.0.version)),
        };
        if current == Some(version) { Ok(()) } else { Err(VaultError::Stale) }
    }

    pub(super) fn record_file(&self, id: &RecordId) -> PathBuf {
        self.records_directory().join(file_name(id))
    }

    pub(super) fn mark_file(&self, id: &RecordId) -> PathBuf {
        self.records_directory().join(format!("{}.mark", id.0))
    }

    pub(super) fn records_directory(&self) -> PathBuf {
        self.shared.options.vault_dir.join("records")
    }

    /// The names of all records.
    pub(super) fn record_ids(&self) -> Result<Vec<RecordId>, VaultError> {
        if let Some(memory) = &self.inner().memory {
            return Ok(memory.keys().cloned().collect());
        }
        let directory = self.records_directory();
        let failed = || VaultError::disk("read the directory", &directory);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            // Only names that this program gives; whatever else lies there is somebody's.
            let id = name.to_str().and_then(|name| name.strip_suffix(".rec"));
            ids.extend(id.filter(|id| is_id(id)).map(RecordId::named));
        }
        ids.sort();
        Ok(ids)
    }

    /// Whether passwords are kept in it, as far as that can be seen without its key.
    pub fn keeps_passwords(&self) -> bool {
        let is_one = |file: &[u8]| Prefix::parse(file).is_ok_and(|(prefix, _)| prefix.format == sealed::PASSWORD);
        let files = self.record_files().unwrap_or_default();
        files.into_values().any(|file| file.is_ok_and(|file| is_one(&file)))
    }

    /// Every record's file, or that it could not be read.
    pub(super) fn record_files(&self) -> Result<BTreeMap<RecordId, Result<Vec<u8>, Closed>>, VaultError> {
        if let Some(memory) = &self.inner().memory {
            return Ok(memory.iter().map(|(id, file)| (id.clone(), Ok(file.clone()))).collect());
        }
        let arrived = self.inner().arrived.clone();
        let read = |id: RecordId| {
            let file = match arrived.get(&id) {
                Some(file) => Ok(file.clone()),
                None => match disk::read(&self.record_file(&id)) {
                    Ok(file) => file.ok_or(Closed::Missing),
                    Err(error) => Err(Closed::Unreadable(error.to_string())),
                },
            };
            (id, file)
        };
        Ok(self.record_ids()?.into_iter().map(read).collect())
    }
}

/// Whether this program gives such names.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl RecordId {
    pub(super) fn named(id: &str) -> Self {
        Self(id.to_owned())
    }
}

pub(super) fn file_name(id: &RecordId) -> String {
    format!("{}.rec", id.0)
}

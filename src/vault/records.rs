//! Records: read all, make one, replace one, remove one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::disk::{self, Temporary};
use super::error::VaultError;
use super::header::Keys;
use super::prepared::Mark;
use super::record::Record;
use super::seal::random_name;
use super::sealed::{self, Closed, Prefix};
use super::{Inner, Vault, hold};

/// What a removed record's version is remembered as, so that its file does not come back.
const REMOVED: u64 = u64::MAX;

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
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        let mut loaded = Loaded::default();
        for (id, file) in self.record_files()? {
            let opened = file.and_then(|file| sealed::open(&keys, &vault, &id, &file));
            let mut inner = self.inner();
            let seen = inner.seen.get(&id).copied().unwrap_or(0);
            match opened {
                Ok((version, record)) if version >= seen => {
                    inner.seen.insert(id.clone(), version);
                    let unanswered = self.mark(&id, version);
                    loaded.records.push(Stored { id, version, record, unanswered });
                }
                // An older file in a newer one's place: its token was used.
                Ok(_) | Err(_) => loaded.damaged.push(file_name(&id)),
            }
        }
        self.inner().damaged.clone_from(&loaded.damaged);
        Ok(loaded)
    }

    /// Keeps a new record.
    pub fn create(&self, record: &Record) -> Result<Written, VaultError> {
        let id = RecordId(random_name()?);
        self.put(&id, 1, record, &mut None, None)?;
        Ok(Written { id, version: 1 })
    }

    /// Puts `record` in the place of that version; the answer is the new version.
    pub fn replace(&self, id: &RecordId, version: u64, record: &Record) -> Result<u64, VaultError> {
        self.check_version(id, version)?;
        self.put(id, version + 1, record, &mut None, None)
    }

    /// Removes a record and its mark.
    pub fn remove(&self, id: &RecordId) -> Result<(), VaultError> {
        let _writes = hold(&self.shared.writes);
        self.inner().opened()?;
        if let Some(memory) = &mut self.inner().memory {
            memory.remove(id);
            return Ok(());
        }
        self.shared.disk.remove(&self.record_file(id))?;
        self.inner().seen.insert(id.clone(), REMOVED);
        self.shared.disk.remove(&self.mark_file(id))
    }

    /// Seals and writes one version. `keys` are those in hand since before a request, for when the vault was locked since.
    pub(super) fn put(
        &self,
        id: &RecordId,
        version: u64,
        record: &Record,
        temporary: &mut Option<Temporary>,
        keys: Option<&Keys>,
    ) -> Result<u64, VaultError> {
        let _writes = hold(&self.shared.writes);
        if version > 1 {
            self.check_version(id, version - 1)?;
        }
        let file = match temporary.as_ref().and_then(|temporary| self.arrived(temporary)) {
            Some(file) => file,
            None => self.seal(id, version, record, keys)?,
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
        self.inner().seen.insert(id.clone(), version);
        // It names a version that is gone, so it means nothing any more, whether or not it can be removed.
        let _ = fs::remove_file(self.mark_file(id));
        Ok(version)
    }

    /// What was written ahead, unless a new epoch has begun since.
    fn arrived(&self, temporary: &Temporary) -> Option<Vec<u8>> {
        let written = temporary.written()?;
        let epoch = self.inner().header.as_ref()?.body.epoch;
        (Prefix::parse(written).ok()?.0.epoch == epoch).then(|| written.to_owned())
    }

    fn seal(
        &self,
        id: &RecordId,
        version: u64,
        record: &Record,
        in_hand: Option<&Keys>,
    ) -> Result<Vec<u8>, VaultError> {
        let (opened, vault, epoch) = {
            let inner = self.inner();
            (inner.opened(), inner.vault_id()?, inner.header.as_ref().map(|header| header.body.epoch))
        };
        match (opened, in_hand) {
            (Ok(keys), _) => sealed::seal(&keys, &vault, id, version, record),
            (Err(_), Some(keys)) if Some(keys.epoch) == epoch => sealed::seal(keys, &vault, id, version, record),
            (Err(error), _) => Err(error),
        }
    }

    /// Refuses to build on a version that is not the newest.
    pub(super) fn check_version(&self, id: &RecordId, version: u64) -> Result<(), VaultError> {
        let known = self.inner().known_version(id);
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

    /// Every record's file, or that it could not be read.
    pub(super) fn record_files(&self) -> Result<BTreeMap<RecordId, Result<Vec<u8>, Closed>>, VaultError> {
        if let Some(memory) = &self.inner().memory {
            return Ok(memory.iter().map(|(id, file)| (id.clone(), Ok(file.clone()))).collect());
        }
        let read = |id: RecordId| {
            let file = disk::read(&self.record_file(&id)).ok().flatten().ok_or(Closed::Foreign);
            (id, file)
        };
        Ok(self.record_ids()?.into_iter().map(read).collect())
    }
}

impl Inner {
    fn known_version(&self, id: &RecordId) -> Option<u64> {
        let in_memory = |files: &BTreeMap<RecordId, Vec<u8>>| Some(Prefix::parse(files.get(id)?).ok()?.0.version);
        self.memory.as_ref().map_or_else(|| self.seen.get(id).copied(), in_memory)
    }
}

/// Whether this program gives such names.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl RecordId {
    pub(super) fn named(id: &str) -> Self {
        Self(id.to_owned())
    }
}

fn file_name(id: &RecordId) -> String {
    format!("{}.rec", id.0)
}

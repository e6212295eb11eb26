//! The ledger: which version of each record is the newest, and whose tokens it holds. A record that was put back from a
//! backup while no agent ran is older than its entry says, and its refresh token was used.
//!
//! An entry follows its record and is not waited for, so a kill leaves a record that is newer than the ledger says: that
//! is fine. Only a removal is entered before it begins. Entries are never taken out, or a login that was logged out could
//! come back. `file` has the form on the disk.

mod file;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::error::VaultError;
use super::header::Keys;
use super::record::Record;
use super::seal::random_name;
use super::{Barred, RecordId};

/// So many entries beyond two for each record, and the file is written anew.
const SUPERSEDED: u64 = 256;

/// What is known of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Its newest version.
    pub(super) version: u64,
    /// The login in it, and which of that login's refresh tokens.
    pub(super) incarnation: u64,
    pub(super) rotation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// It is there.
    Written,
    /// It came with a vault that was copied or restored, and nobody has taken it over.
    Foreign,
    /// It is about to be removed.
    Removing,
    /// It was removed: its login was logged out.
    Removed,
}

impl Entry {
    pub(super) fn of(kind: Kind, version: u64, record: &Record) -> Self {
        Self { kind, version, incarnation: record.incarnation, rotation: record.rotation }
    }
}

/// What the ledger says to a record that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the newest.
    Newest,
    /// It is older, but its refresh token is the newest one's: nothing was redeemed since. It counts as that version.
    SameToken(u64),
    /// It is older than this version, and its refresh token was used since.
    RolledBack(u64),
    /// Its login was logged out.
    LoggedOut,
}

/// The ledger of a vault. Without a disk it is in memory alone.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    newest: HashMap<RecordId, Entry>,
    /// Entries that are not in the file yet, oldest first.
    pending: Vec<(RecordId, Entry)>,
    /// How the file stands; `None`: there is none.
    file: Option<file::Extent>,
    /// The file is not what was written.
    damaged: bool,
    /// It has fewer entries than were counted outside the vault.
    pub(super) is_older: bool,
    /// How many entries were counted outside the vault: a file that is begun anew counts on from there, or a kill before the
    /// next count would make it look like one from a backup.
    least: u64,
    /// Whether the file was read.
    pub(super) known: bool,
    /// Records that were found older than they should be, until a new login replaces them.
    rolled_back: HashSet<RecordId>,
}

/// The keys it is sealed with, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) disk: &'a Disk,
    pub(super) path: &'a Path,
    pub(super) vault: &'a str,
    pub(super) keys: &'a Keys,
}

impl Ledger {
    /// Of a vault that was just made.
    pub(super) fn new() -> Self {
        Self { known: true, ..Self::default() }
    }

    /// From its file, if there is one. What doesn't open there is left out; whether that was the last of it, which a power
    /// cut may take, or something before, is told apart.
    pub(super) fn read(bytes: Option<&[u8]>, least: u64, place: Place<'_>) -> Self {
        let mut ledger = Self { least, ..Self::new() };
        let Some(bytes) = bytes else {
            ledger.is_older = least > 0;
            return ledger;
        };
        match file::read(bytes, place.vault, place.keys) {
            Some(read) => {
                ledger.is_older = read.extent.count().saturating_add(read.unopened) < least;
                // What was counted was synced, so no power cut has taken its last entries.
                ledger.damaged = read.damaged || (read.extent.count() < least && !ledger.is_older);
                ledger.file = Some(read.extent);
                ledger.newest.extend(read.entries);
            }
            None => ledger.damaged = true,
        }
        ledger
    }

    /// Everything that is known.
    #[cfg(unix)]
    pub(super) fn newest(&self) -> impl Iterator<Item = (&RecordId, &Entry)> {
        self.newest.iter()
    }

    /// Takes what another owner knew.
    #[cfg(unix)]
    pub(super) fn learn(&mut self, id: RecordId, entry: Entry) {
        if self.newest.get(&id) != Some(&entry) {
            self.enter(id, entry);
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// How many entries it ever had; `None` if it can't tell.
    pub(super) fn count(&self) -> Option<u64> {
        match &self.file {
            Some(file) => Some(file.count()),
            None => (!self.damaged).then_some(0),
        }
    }

    /// Whether it has a file.
    pub(super) fn is_written(&self) -> bool {
        self.file.is_some()
    }

    /// The record's newest version; `None` for one that is not in it or was removed.
    pub(super) fn version(&self, id: &RecordId) -> Option<u64> {
        self.newest.get(id).filter(|entry| entry.kind != Kind::Removed).map(|entry| entry.version)
    }

    pub(super) fn was_removed(&self, id: &RecordId) -> bool {
        self.newest.get(id).is_some_and(|entry| entry.kind == Kind::Removed)
    }

    /// Why its token must not be redeemed.
    pub(super) fn barred(&self, id: &RecordId) -> Option<Barred> {
        let foreign =
            || self.newest.get(id).is_some_and(|entry| entry.kind == Kind::Foreign).then_some(Barred::Foreign);
        self.rolled_back.contains(id).then_some(Barred::RolledBack).or_else(foreign)
    }

    /// Judges a record that was found, and remembers what it is.
    pub(super) fn judge(&mut self, id: &RecordId, version: u64, record: &Record) -> Verdict {
        let found = Entry::of(Kind::Written, version, record);
        let verdict = judge(self.newest.get(id), found);
        match verdict {
            Verdict::Newest => {
                self.rolled_back.remove(id);
                let known = self.newest.get(id).copied();
                let entry = Entry { kind: known.map_or(Kind::Written, |entry| entry.kind), ..found };
                // A kill came before its entry, or this is the first ledger of the vault.
                if known != Some(entry) {
                    self.enter(id.clone(), entry);
                }
            }
            Verdict::RolledBack(_) => drop(self.rolled_back.insert(id.clone())),
            Verdict::SameToken(_) | Verdict::LoggedOut => {}
        }
        verdict
    }

    /// Records that should be there and are not among those found. A removal that was begun and had its effect is entered
    /// as done.
    pub(super) fn missing(&mut self, found: &HashSet<RecordId>) -> Vec<RecordId> {
        let absent: Vec<_> =
            self.newest.iter().filter(|(id, _)| !found.contains(id)).map(|(i, e)| (i.clone(), *e)).collect();
        let mut missing = Vec::new();
        for (id, entry) in absent {
            match entry.kind {
                Kind::Written | Kind::Foreign => missing.push(id),
                Kind::Removing => self.enter(id, Entry { kind: Kind::Removed, ..entry }),
                Kind::Removed => {}
            }
        }
        missing.sort();
        missing
    }

    /// Records that are not among those found are gone for good: somebody has said that this is so.
    pub(super) fn give_up(&mut self, found: &HashSet<RecordId>) {
        for id in self.missing(found) {
            self.mark(&id, Kind::Removed);
        }
    }

    /// Enters what became of a record; in the file with the next [`Ledger::append`].
    pub(super) fn enter(&mut self, id: RecordId, entry: Entry) {
        self.rolled_back.remove(&id);
        self.newest.insert(id.clone(), entry);
        self.pending.push((id, entry));
    }

    /// Enters another kind for a record that is known.
    pub(super) fn mark(&mut self, id: &RecordId, kind: Kind) {
        if let Some(entry) = self.newest.get(id).copied() {
            self.enter(id.clone(), Entry { kind, ..entry });
        }
    }

    /// Enters `kind` for every record that is there.
    pub(super) fn mark_all(&mut self, from: Kind, to: Kind) {
        for entry in self.newest.values_mut().filter(|entry| entry.kind == from) {
            entry.kind = to;
        }
    }

    /// Writes what is not in the file yet; not synced. What can't be written now is kept for the next time.
    pub(super) fn append(&mut self, place: Place<'_>) -> Result<(), VaultError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let Some(extent) = self.file.as_mut().filter(|_| !self.damaged) else { return self.rewrite(place) };
        let Some(bytes) = extent.seal(&self.pending, place.vault, place.keys)? else { return self.rewrite(place) };
        if !place.disk.append(place.path, extent.end(), &bytes)? {
            // Somebody put another in its place: what is in memory is newer.
            return self.rewrite(place);
        }
        extent.grow(self.pending.len());
        self.pending.clear();
        Ok(())
    }

    /// Whether most of the file is superseded.
    pub(super) fn is_long(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.entries() > SUPERSEDED + 2 * self.newest.len() as u64)
    }

    /// Writes it anew, under the newest key and synced. A copy of one that was damaged is kept beside it: at no instant there is
    /// none in its place.
    pub(super) fn rewrite(&mut self, place: Place<'_>) -> Result<(), VaultError> {
        let mut entries: Vec<_> = self.newest.iter().map(|(id, entry)| (id.clone(), *entry)).collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let mut extent = file::Extent::new(place.keys.epoch, self.count().unwrap_or(0).max(self.least));
        let sealed = extent.seal(&entries, place.vault, place.keys)?.unwrap_or_default();
        let bytes = [extent.prefix(), sealed].concat();
        // What is no file makes way by itself.
        if let (true, Ok(Some(found))) = (self.damaged, disk::read(place.path)) {
            let aside = format!("{}.damaged-{}", place.path.display(), &random_name()?[..8]);
            place.disk.replace(Path::new(&aside), &found)?;
        }
        place.disk.replace(place.path, &bytes)?;
        self.damaged = false;
        extent.grow(entries.len());
        self.file = Some(extent);
        self.pending.clear();
        Ok(())
    }

    /// The epoch whose key its file is sealed with.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.file.as_ref().map(file::Extent::epoch)
    }
}

fn judge(known: Option<&Entry>, found: Entry) -> Verdict {
    let Some(known) = known else { return Verdict::Newest };
    if known.kind == Kind::Removed {
        return Verdict::LoggedOut;
    }
    if found.version >= known.version {
        return Verdict::Newest;
    }
    if (found.incarnation, found.rotation) == (known.incarnation, known.rotation) {
        return Verdict::SameToken(known.version);
    }
    Verdict::RolledBack(known.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_record_is_rolled_back_unless_its_token_is_still_the_newest() {
        let entry = |kind, version, incarnation, rotation| Entry { kind, version, incarnation, rotation };
        let cases = [
            (None, (3, 7, 2), Verdict::Newest),
            (Some(entry(Kind::Written, 3, 7, 2)), (3, 7, 2), Verdict::Newest),
            (Some(entry(Kind::Written, 3, 7, 2)), (4, 7, 3), Verdict::Newest),
            (Some(entry(Kind::Written, 3, 7, 2)), (2, 7, 1), Verdict::RolledBack(3)),
            (Some(entry(Kind::Written, 3, 7, 2)), (2, 7, 2), Verdict::SameToken(3)),
            (Some(entry(Kind::Written, 3, 8, 0)), (2, 7, 0), Verdict::RolledBack(3)),
            (Some(entry(Kind::Foreign, 3, 7, 2)), (3, 7, 2), Verdict::Newest),
            (Some(entry(Kind::Removing, 3, 7, 2)), (3, 7, 2), Verdict::Newest),
            (Some(entry(Kind::Removing, 3, 7, 2)), (2, 7, 1), Verdict::RolledBack(3)),
            (Some(entry(Kind::Removed, 3, 7, 2)), (3, 7, 2), Verdict::LoggedOut),
            (Some(entry(Kind::Removed, 3, 7, 2)), (9, 7, 9), Verdict::LoggedOut),
        ];
        for (known, (version, incarnation, rotation), expected) in cases {
            let found = entry(Kind::Written, version, incarnation, rotation);
            assert_eq!(judge(known.as_ref(), found), expected, "{known:?} {found:?}");
        }
    }
}

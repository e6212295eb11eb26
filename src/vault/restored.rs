//! Records and vaults that came back: from a backup, or from another machine. Their refresh tokens may be used already, or
//! in use elsewhere, and a server takes one that comes twice for theft. So they are noticed and told, and nothing is
//! redeemed until a person has decided; nothing is deleted.
//!
//! One record that was put back is older than the ledger says. A vault that was put back whole has a ledger with fewer
//! entries than this installation has counted, in a file outside the vault. A vault from elsewhere names another machine or
//! installation. What can't be noticed is a machine that was put back whole.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::VaultError;
use super::header::Keys;
use super::ledger::{Entry, Kind, Ledger, Place};
use super::state::Elsewhere;
use super::{RecordId, Vault, disk, hold};

/// Why a login that is there must not be redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// Its record was put back from a backup: its refresh token was used since. A new login ends that.
    RolledBack,
    /// It came with a vault that was copied or restored. A new login ends that, or [`Vault::adopt`].
    Foreign,
}

/// How many entries this installation has counted in a vault's ledger.
#[derive(Default, Serialize, Deserialize)]
struct Counted {
    vault: String,
    entries: u64,
}

impl Vault {
    /// Whether the vault came from elsewhere, and as what.
    pub fn is_from_elsewhere(&self) -> bool {
        self.inner().elsewhere.is_some()
    }

    /// Takes the vault as it is: what came from elsewhere, logins and all, and without the records that are gone. Then opens it if that needs nobody.
    pub fn adopt(&self) -> Result<(), VaultError> {
        {
            let _admin = hold(&self.shared.admin);
            let (keys, elsewhere, vault) = {
                let inner = self.inner();
                (inner.keys.clone(), inner.elsewhere, inner.vault_id().ok())
            };
            let Some(vault) = vault else { return Ok(()) };
            match (keys, elsewhere) {
                (Some(keys), _) => {
                    let found = self.record_ids()?.into_iter().collect();
                    hold(&self.shared.ledger).give_up(&found);
                    self.take_all(&keys, &vault, Kind::Foreign, Kind::Written)?;
                }
                (None, None) => {}
                // The count is of what this installation had of that vault, if it ever had.
                (None, Some(_)) => self.shared.disk.remove(&self.count_file())?,
            }
            self.bind()?;
        }
        // Adopted it is, opened or not: what stands in the way is the state's to say.
        let _ = self.unlock_at_start();
        self.finish_opening();
        // What was wrong with it is looked at anew.
        let _ = self.load();
        Ok(())
    }

    /// Makes a vault that came from elsewhere this installation's, for a new login; those that came with it stay barred.
    pub fn begin_anew(&self) -> Result<(), VaultError> {
        let _admin = hold(&self.shared.admin);
        let (keys, vault) = {
            let inner = self.inner();
            if inner.elsewhere.is_none() {
                return Ok(());
            }
            (inner.readable()?, inner.vault_id()?)
        };
        self.take_all(&keys, &vault, Kind::Written, Kind::Foreign)?;
        self.bind()
    }

    /// In the ledger first: until the binding follows, all of it is from elsewhere.
    fn take_all(&self, keys: &Keys, vault: &str, from: Kind, to: Kind) -> Result<(), VaultError> {
        let mut ledger = hold(&self.shared.ledger);
        ledger.mark_all(from, to);
        let path = self.ledger_file();
        ledger.rewrite(self.ledger_place(&path, vault, keys))
    }

    fn bind(&self) -> Result<(), VaultError> {
        if self.inner().elsewhere == Some(Elsewhere::Copied) {
            self.change_header(|header| {
                header.binding = self.make_binding(&header.body.id)?;
                Ok(())
            })?;
        }
        self.inner().elsewhere = None;
        Ok(())
    }

    /// Reads the ledger, once its key is there. Whether the vault is an older one than this installation has seen.
    pub(super) fn open_ledger(&self, keys: &Keys, vault: &str) -> bool {
        let mut ledger = hold(&self.shared.ledger);
        if ledger.known {
            return false;
        }
        let path = self.ledger_file();
        // One that can't be read is as good as one that doesn't open.
        let bytes = disk::read(&path).unwrap_or_else(|_| Some(Vec::new()));
        let counted = self.counted(vault);
        *ledger = Ledger::read(bytes.as_deref(), counted, self.ledger_place(&path, vault, keys));
        ledger.is_older
    }

    /// Enters what became of a record that is safe. A ledger that can't be written now is written later.
    pub(super) fn enter(&self, keys: &Keys, vault: &str, id: &RecordId, entry: Entry) {
        let mut ledger = hold(&self.shared.ledger);
        ledger.enter(id.clone(), entry);
        let path = self.ledger_file();
        let _ = ledger.append(self.ledger_place(&path, vault, keys));
    }

    pub(super) fn enter_kind(&self, keys: &Keys, vault: &str, id: &RecordId, kind: Kind) {
        let path = self.ledger_file();
        let mut ledger = hold(&self.shared.ledger);
        ledger.mark(id, kind);
        let _ = ledger.append(self.ledger_place(&path, vault, keys));
    }

    /// Enters that a record is about to be removed, so that nobody misses it. Synced: it has to be there before the record
    /// is not.
    pub(super) fn enter_removal(&self, keys: &Keys, vault: &str, id: &RecordId) {
        let path = self.ledger_file();
        let mut ledger = hold(&self.shared.ledger);
        ledger.mark(id, Kind::Removing);
        if ledger.append(self.ledger_place(&path, vault, keys)).is_ok() {
            let _ = self.shared.disk.sync(&path);
        }
    }

    /// What the last writes left to do that nobody has to wait for: the ledger is synced, and counted outside the vault.
    /// Whatever fails is done the next time.
    pub fn settle(&self) -> Result<(), VaultError> {
        let mut counted = hold(&self.shared.counted);
        let (keys, vault) = {
            let inner = self.inner();
            if inner.memory.is_some() || inner.elsewhere.is_some() || inner.header.is_none() {
                return Ok(());
            }
            (inner.keys.clone(), inner.vault_id()?)
        };
        let path = self.ledger_file();
        let count = {
            let mut ledger = hold(&self.shared.ledger);
            if let Some(keys) = keys.filter(|_| ledger.known) {
                let place = self.ledger_place(&path, &vault, &keys);
                if ledger.is_long() || ledger.is_damaged() { ledger.rewrite(place)? } else { ledger.append(place)? }
            }
            ledger.count().filter(|_| ledger.known && ledger.is_written())
        };
        let Some(count) = count.filter(|count| (&vault, *count) != (&counted.0, counted.1)) else { return Ok(()) };
        // The count outside is never ahead of what a power cut leaves inside.
        self.shared.disk.sync(&path)?;
        let json = serde_json::to_vec(&Counted { vault: vault.clone(), entries: count })
            .map_err(|_| VaultError::Internal("the ledger's count could not be written as JSON"))?;
        self.shared.disk.replace(&self.count_file(), &json)?;
        *counted = (vault, count);
        Ok(())
    }

    fn counted(&self, vault: &str) -> u64 {
        let bytes = disk::read(&self.count_file()).ok().flatten();
        let counted: Option<Counted> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        counted.filter(|counted| counted.vault == vault).map_or(0, |counted| counted.entries)
    }

    /// Which of these are not what is on the disk: somebody put others in their place, or took them away.
    pub fn displaced(&self, held: Vec<(RecordId, u64)>) -> Vec<RecordId> {
        let (keys, vault) = {
            let inner = self.inner();
            let (Ok(keys), Ok(vault), None) = (inner.opened(), inner.vault_id(), &inner.memory) else {
                return Vec::new();
            };
            (keys, vault)
        };
        let there = |id: &RecordId| {
            let file = disk::read(&self.record_file(id)).ok().flatten()?;
            super::sealed::open(&keys, &vault, id, &file).ok().map(|(version, _)| version)
        };
        // None is being written while it is looked at.
        let _writes = hold(&self.shared.writes);
        let current = |id: &RecordId, version| hold(&self.shared.ledger).version(id) == Some(version);
        let displaced = held.into_iter().filter(|(id, version)| current(id, *version) && there(id) != Some(*version));
        displaced.map(|(id, _)| id).collect()
    }

    /// Writes the header anew if it is not what was written.
    pub fn mend_header(&self) -> Result<bool, VaultError> {
        let header = {
            let inner = self.inner();
            match &inner.header {
                Some(header) if inner.memory.is_none() => header.bytes()?,
                _ => return Ok(false),
            }
        };
        if disk::read(&self.header_file()).is_ok_and(|found| found.as_deref() == Some(&header)) {
            return Ok(false);
        }
        // By the header's own turn: it may have been changed meanwhile.
        self.change_header(|_| Ok(()))?;
        Ok(true)
    }

    pub(super) fn ledger_place<'a>(&'a self, path: &'a std::path::Path, vault: &'a str, keys: &'a Keys) -> Place<'a> {
        Place { disk: &self.shared.disk, path, vault, keys }
    }

    pub(super) fn ledger_file(&self) -> PathBuf {
        self.shared.options.vault_dir.join("ledger")
    }

    fn count_file(&self) -> PathBuf {
        self.shared.options.state_dir.join("ledger-count")
    }
}

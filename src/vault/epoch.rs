//! Removing a slot: a new vault key, and every record sealed anew.
//!
//! One write of the header starts the new epoch: from then on the slots left open the new key and the removed one
//! opens nothing, while the old key stays in the header, sealed under the new one. Every file says which epoch sealed
//! it, so each is readable at every instant; when none needs the old key it goes, with a second write. An interrupted
//! change goes on at the next unlocking.

use std::sync::Arc;

use super::error::VaultError;
use super::header::{Header, Keys};
use super::seal::Key;
use super::sealed::{self, Closed};
use super::slot;
use super::{Vault, hold};

impl Vault {
    /// Removes a slot; the last one stays.
    pub fn remove_slot(&self, id: &str) -> Result<(), VaultError> {
        let _admin = hold(&self.shared.admin);
        let (vault, removed) = {
            // No record is written between the old key and the new.
            let _writes = hold(&self.shared.writes);
            let keys = self.inner().opened()?;
            let (removed, keys) = self.change_header(|header| {
                let at = header.body.slots.iter().position(|slot| slot.id == id);
                let at = at.ok_or_else(|| VaultError::Invalid("there is no key slot of that id".into()))?;
                if header.body.slots.len() == 1 {
                    return Err(VaultError::Invalid(
                        "that is the last key slot and nothing would open the vault: add another first".into(),
                    ));
                }
                let removed = header.body.slots.remove(at);
                Ok((removed, start_epoch(header, &keys)?))
            })?;
            let mut inner = self.inner();
            // Locked meanwhile, it stays so.
            if inner.keys.is_some() {
                inner.keys = Some(Arc::new(keys));
            }
            inner.opened_by = inner.opened_by.take().filter(|slot| *slot != removed.id);
            (inner.vault_id()?, removed)
        };
        if let Some(slot) = slot::of_kind(removed.kind) {
            // What stays there opens nothing any more.
            let _ = slot.forget(&self.place(&vault, &removed.id), &removed.params);
        }
        self.finish_epoch()
    }

    /// Seals every record of an earlier epoch anew, then lets the earlier keys go.
    pub(super) fn finish_epoch(&self) -> Result<(), VaultError> {
        let _writes = hold(&self.shared.writes);
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened()?, inner.vault_id()?)
        };
        if keys.earlier.is_empty() {
            return Ok(());
        }
        // An answer on its way is sealed under the key that was in hand when its request went out.
        let mut all = !self.is_arriving();
        for (id, file) in self.record_files()? {
            match file.and_then(|file| sealed::reseal(&keys, &vault, &id, &file)) {
                Ok(Some(file)) => self.shared.disk.replace(&self.record_file(&id), &file)?,
                // No key opens that one.
                Ok(None) | Err(Closed::Damaged) => {}
                // A newer version of this program may need the key for it, or the disk may give it back.
                Err(_) => all = false,
            }
        }
        self.reseal_ledger(&keys, &vault)?;
        if all { self.drop_earlier(&keys) } else { Ok(()) }
    }

    /// What was left for later goes on, where there is something left.
    pub(super) fn finish_epoch_if_begun(&self) -> Result<(), VaultError> {
        let begun = self.inner().keys.as_ref().is_some_and(|keys| !keys.earlier.is_empty());
        if begun { self.finish_epoch() } else { Ok(()) }
    }

    /// The earlier keys go: the ledger must not need them.
    fn reseal_ledger(&self, keys: &Keys, vault: &str) -> Result<(), VaultError> {
        let path = self.ledger_file();
        let mut ledger = hold(&self.shared.ledger);
        match ledger.epoch() {
            Some(epoch) if epoch != keys.epoch => ledger.rewrite(self.ledger_place(&path, vault, keys)),
            _ => Ok(()),
        }
    }

    fn drop_earlier(&self, keys: &Keys) -> Result<(), VaultError> {
        self.change_header(|header| {
            header.body.earlier.clear();
            header.reseal(&keys.current)
        })?;
        let mut inner = self.inner();
        if inner.keys.is_some() {
            let current = Key::from_slice(&*keys.current.expose()).map_err(|_| UNREADABLE)?;
            inner.keys = Some(Arc::new(Keys { epoch: keys.epoch, current, earlier: Vec::new() }));
        }
        Ok(())
    }
}

const UNREADABLE: VaultError = VaultError::Internal("a new vault key did not open; nothing was changed");

fn start_epoch(header: &mut Header, old: &Keys) -> Result<Keys, VaultError> {
    let new = Key::random()?;
    header.body.start_epoch(old, &new)?;
    header.reseal(&new)?;
    header.open(new).map_err(|_| UNREADABLE)
}

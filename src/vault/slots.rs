//! Making a vault, adding slots, binding it to this machine, setting one aside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::error::VaultError;
use super::header::{Binding, Header, SlotEntry};
use super::ledger::Ledger;
use super::seal::{Key, associated, hex, random_name};
use super::slot::{self, Person, Slot, SlotKey};
use super::{Inner, Vault, disk, hold};
use crate::ipc::message::vault::{SlotKind, SlotReport, VaultState};
use crate::secret::Secret;

/// Begins the name of a directory that a vault is being set aside in, and of one where that is done.
const RESETTING: &str = "resetting-";
const SET_ASIDE: &str = "set-aside-";

impl Vault {
    /// Another way to open the vault; makes the vault if there is none. One weaker than those there are has to be
    /// accepted as such. The keyring may prompt: whoever asks for this is there.
    pub fn add_slot(
        &self,
        kind: SlotKind,
        passphrase: Option<&Secret>,
        accept_weaker: bool,
    ) -> Result<SlotReport, VaultError> {
        let _admin = hold(&self.shared.admin);
        let person = Person { passphrase, present: true };
        if self.state() == VaultState::Absent {
            return self.make_vault(kind, person);
        }
        let keys = self.inner().opened()?;
        let vault = self.check_addition(kind, accept_weaker)?;
        let (slot, slot_id, made) = self.make_slot(kind, &vault, person)?;
        let params = made.params.clone();
        let now = self.shared.options.clock.now();
        let added = self.change_header(|header| {
            header.body.add(slot_id.clone(), kind, now, made, &keys.current)?;
            header.reseal(&keys.current)
        });
        match added {
            Ok(()) => self.inner().slot_report(&slot_id),
            Err(error) => {
                let _ = slot.forget(&self.place(&vault, &slot_id), &params);
                Err(error)
            }
        }
    }

    fn check_addition(&self, kind: SlotKind, accept_weaker: bool) -> Result<String, VaultError> {
        let inner = self.inner();
        let header = inner.header.as_ref().ok_or(VaultError::Locked(""))?;
        if inner.memory.is_some() {
            return Err(VaultError::Invalid("this vault lives in memory alone: stop the agent to make another".into()));
        }
        if kind == SlotKind::Memory {
            return Err(VaultError::Invalid("there is a vault on disk: it can't live in memory alone".into()));
        }
        let weakest = header.body.slots.iter().map(|slot| slot.kind).max();
        if Some(kind) > weakest && !accept_weaker {
            return Err(VaultError::Invalid(
                "that slot is weaker than those there are, and a vault is as strong as its weakest slot: \
                 add --accept-weaker if that is meant"
                    .into(),
            ));
        }
        Ok(header.body.id.clone())
    }

    /// Mints the key of a vault that has neither slots nor records.
    pub(super) fn make_vault(&self, kind: SlotKind, person: Person<'_>) -> Result<SlotReport, VaultError> {
        let id = random_name()?;
        let key = Key::random()?;
        let (slot, slot_id, made) = self.make_slot(kind, &id, person)?;
        let params = made.params.clone();
        let _turn = hold(&self.shared.header);
        let written = self.make_binding(&id).and_then(|binding| {
            let mut header = Header::new(id.clone(), binding);
            header.body.add(slot_id.clone(), kind, self.shared.options.clock.now(), made, &key)?;
            header.reseal(&key)?;
            self.write_header(&header)?;
            Ok(header)
        });
        let header = match written {
            Ok(header) => header,
            Err(error) => {
                // It may be there although the disk did not say so, and its key is about to go.
                let _ = self.shared.disk.remove(&self.header_file());
                let _ = slot.forget(&self.place(&id, &slot_id), &params);
                return Err(error);
            }
        };
        let keys = header.open(key).map_err(|_| VaultError::Internal("a new vault did not open"))?;
        *hold(&self.shared.ledger) = Ledger::new();
        let mut inner = self.inner();
        let memory = (kind == SlotKind::Memory).then(BTreeMap::new);
        *inner = Inner { header: Some(header), memory, locks: inner.locks, ..Inner::default() };
        inner.keys = Some(Arc::new(keys));
        inner.opened_by = Some(slot_id.clone());
        inner.slot_report(&slot_id)
    }

    fn make_slot(
        &self,
        kind: SlotKind,
        vault: &str,
        person: Person<'_>,
    ) -> Result<(&'static dyn Slot, String, SlotKey), VaultError> {
        let unknown = || VaultError::Invalid("this version does not know that kind of slot".into());
        let slot = slot::of_kind(kind).ok_or_else(unknown)?;
        let slot_id = random_name()?[..8].to_owned();
        let made = slot.make(&self.place(vault, &slot_id), person).map_err(|error| error.making(kind))?;
        Ok((slot, slot_id, made))
    }

    /// Sets the vault aside, so that a new one can be made. Deletes nothing; the answer is where it went. Once begun, it is
    /// finished by whoever opens the vault next: half of it would look like a vault from a backup.
    pub fn reset(&self) -> Result<PathBuf, VaultError> {
        let _admin = hold(&self.shared.admin);
        let _writes = hold(&self.shared.writes);
        let _turn = hold(&self.shared.header);
        let name = format!("{RESETTING}{}-{}", self.shared.options.clock.now().0, &random_name()?[..8]);
        let resetting = self.shared.options.vault_dir.join(name);
        self.shared.disk.make_directory(&resetting)?;
        let aside = self.set_aside(&resetting).inspect_err(|_| self.put_back(&resetting))?;
        *hold(&self.shared.ledger) = Ledger::default();
        *hold(&self.shared.counted) = Default::default();
        let mut inner = self.inner();
        *inner = Inner { locks: inner.locks + 1, ..Inner::default() };
        Ok(aside)
    }

    /// Finishes a reset that was begun.
    pub(super) fn finish_reset(&self) -> Result<(), VaultError> {
        for entry in fs::read_dir(&self.shared.options.vault_dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(RESETTING) {
                self.set_aside(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Moves everything there that is not there yet, and gives that its last name.
    fn set_aside(&self, resetting: &Path) -> Result<PathBuf, VaultError> {
        let disk = &self.shared.disk;
        for (file, name) in self.everything() {
            let aside = resetting.join(name);
            // Whatever it is, if it is there.
            if file.symlink_metadata().is_ok() && aside.symlink_metadata().is_err() {
                disk.rename(&file, &aside)?;
            }
        }
        disk.make_directory(&self.records_directory())?;
        let name = resetting.file_name().unwrap_or_default().to_string_lossy().replacen(RESETTING, SET_ASIDE, 1);
        let aside = resetting.with_file_name(name);
        disk.rename(resetting, &aside)?;
        Ok(aside)
    }

    /// The disk refused some of it: the vault goes on as it was.
    fn put_back(&self, resetting: &Path) {
        // The one for the next vault.
        let _ = fs::remove_dir(self.records_directory());
        for (file, name) in self.everything() {
            if file.symlink_metadata().is_err() {
                // What can't be put back is set aside when the vault is opened next.
                let _ = self.shared.disk.rename(&resetting.join(name), &file);
            }
        }
        let _ = fs::remove_dir(resetting);
    }

    /// What makes a vault, and its name where that is set aside.
    fn everything(&self) -> [(PathBuf, &'static str); 3] {
        [(self.records_directory(), "records"), (self.ledger_file(), "ledger"), (self.header_file(), "vault.json")]
    }

    /// What binds a vault to this machine and installation; `None` before the installation has an id.
    pub(super) fn binding(&self, vault: &str) -> Result<Option<Binding>, VaultError> {
        let Some(install) = disk::read(&self.install_file())? else { return Ok(None) };
        let install = String::from_utf8_lossy(&install).trim().to_owned();
        // Hashed with the vault's id: the machine's own is nobody else's business (machine-id(5)).
        let hash =
            |id: String| hex(&Sha256::digest(associated(&[b"cred-helper machine", vault.as_bytes(), id.as_bytes()])));
        Ok(Some(Binding { machine: self.shared.options.machine.read().map(hash), install }))
    }

    pub(super) fn make_binding(&self, vault: &str) -> Result<Binding, VaultError> {
        if let Some(binding) = self.binding(vault)? {
            return Ok(binding);
        }
        self.shared.disk.replace(&self.install_file(), format!("{}\n", random_name()?).as_bytes())?;
        self.binding(vault)?.ok_or(VaultError::Internal("the installation's id is gone again"))
    }

    fn install_file(&self) -> PathBuf {
        self.shared.options.state_dir.join("install-id")
    }
}

impl Inner {
    fn slot_report(&self, id: &str) -> Result<SlotReport, VaultError> {
        let slots = self.header.iter().flat_map(|header| &header.body.slots);
        let entry = slots.into_iter().find(|slot| slot.id == id);
        entry.map(|slot| report(slot, self.opened_by.as_deref())).ok_or(VaultError::Internal("a new slot is gone"))
    }
}

pub(super) fn report(slot: &SlotEntry, opened_by: Option<&str>) -> SlotReport {
    SlotReport {
        id: slot.id.clone(),
        kind: slot.kind,
        created_at: slot.created_at,
        in_use: opened_by == Some(slot.id.as_str()),
        description: slot::of_kind(slot.kind).map_or("of a newer version", |kind| kind.description()).to_owned(),
    }
}

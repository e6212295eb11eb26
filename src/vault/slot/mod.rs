//! Key slots: the places where a key that opens the vault can live, one file each.
//!
//! A slot makes a key of its own, keeps it its own way, and gives it back. It never sees the vault's key. A new kind is
//! a file with a [`Slot`] and a line in [`SLOTS`], which the tests loop over.

mod keyring;
mod machine;
mod memory;
mod passphrase;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub use self::keyring::KeyringChoice;
pub use self::passphrase::Cost;
use super::disk::Disk;
use super::error::VaultError;
use super::machine::MachineId;
use super::seal::Key;
use crate::ipc::message::vault::SlotKind;
use crate::secret::Secret;

/// Every kind of slot, strongest first.
pub(crate) const SLOTS: &[&dyn Slot] =
    &[&memory::Memory, &keyring::Keyring, &passphrase::Passphrase, &machine::Machine];

/// A place where a key can live.
pub(crate) trait Slot: Sync {
    /// Its kind; each has one.
    fn kind(&self) -> SlotKind;

    /// What it is worth, in one line.
    fn description(&self) -> &'static str;

    /// Whether it opens without a person's answer.
    fn opens_alone(&self) -> bool;

    /// Makes a key and keeps it. Nothing is kept if it fails.
    fn make(&self, place: &Place<'_>, person: Person<'_>) -> Result<SlotKey, SlotError>;

    /// Gives the key back.
    fn open(&self, place: &Place<'_>, params: &Value, person: Person<'_>) -> Result<Key, SlotError>;

    /// Gives up what it kept outside the vault, once nothing needs it.
    fn forget(&self, place: &Place<'_>, params: &Value) -> Result<(), SlotError>;
}

/// A key just made, and what the header remembers of it.
#[derive(Debug)]
pub(crate) struct SlotKey {
    pub(crate) key: Key,
    pub(crate) params: Value,
}

/// Which slot of which vault, and what it may use.
#[cfg_attr(windows, allow(dead_code, reason = "its keyring needs less"))]
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) vault: &'a str,
    pub(crate) slot: &'a str,
    pub(crate) state_dir: &'a Path,
    /// Writes what a slot keeps in files.
    pub(crate) disk: &'a Disk,
    pub(crate) machine: &'a MachineId,
    pub(crate) keyring: &'a KeyringChoice,
    pub(crate) cost: Cost,
    /// How long a keyring has that asks nobody.
    pub(crate) patience: Duration,
}

/// What the person gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Person<'a> {
    pub(crate) passphrase: Option<&'a Secret>,
    /// There to answer a prompt.
    pub(crate) present: bool,
}

/// Why a slot did not open or was not made.
#[cfg_attr(windows, allow(dead_code, reason = "its keyring fails in fewer ways"))]
#[derive(Debug)]
pub(crate) enum SlotError {
    /// There is no such place here, or it does not answer.
    Unavailable(String),
    /// The place is there, and locked.
    Locked,
    /// A person said no, or something in their place did.
    Refused(String),
    /// The place is there and open, and the key is not in it.
    Missing(String),
    /// It takes a passphrase, and there was none.
    NeedsPassphrase,
    /// The key it gives is not the one.
    Wrong,
    /// Anything else.
    Failed(VaultError),
}

impl From<VaultError> for SlotError {
    fn from(error: VaultError) -> Self {
        Self::Failed(error)
    }
}

impl SlotError {
    /// As the answer to making a slot.
    pub(crate) fn making(self, kind: SlotKind) -> VaultError {
        match self {
            Self::Unavailable(why) | Self::Missing(why) if kind == SlotKind::Keyring => {
                VaultError::NoKeySlot { possible: without_keyring(), why }
            }
            Self::Unavailable(why) | Self::Missing(why) => VaultError::Invalid(why),
            Self::Locked => {
                let mut possible = without_keyring();
                possible.insert(0, SlotKind::Keyring);
                VaultError::NoKeySlot { possible, why: "the keyring is locked".into() }
            }
            Self::Refused(why) => VaultError::KeyringRefused(why),
            Self::NeedsPassphrase => {
                VaultError::Invalid("a passphrase slot needs a passphrase that is not empty".into())
            }
            Self::Wrong => VaultError::Internal("a new key slot did not open"),
            Self::Failed(error) => error,
        }
    }
}

/// What to offer where there is no keyring, best first: a person's choice, so the one that asks for something leads.
pub(crate) fn without_keyring() -> Vec<SlotKind> {
    vec![SlotKind::Passphrase, SlotKind::Machine, SlotKind::Memory]
}

/// The slot of a kind.
pub(crate) fn of_kind(kind: SlotKind) -> Option<&'static dyn Slot> {
    SLOTS.iter().copied().find(|slot| slot.kind() == kind)
}

#[cfg(test)]
mod tests;

//! What is known of a vault while it has an owner, and what that means for whoever asks: its state, its keys or why there
//! are none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::error::VaultError;
use super::header::{Header, Keys};
use super::{RecordId, unlock};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::vault::VaultState;

/// What is known; held for moments only.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) header: Option<Header>,
    /// The records of a vault without a disk, sealed as they would be there.
    pub(super) memory: Option<BTreeMap<RecordId, Vec<u8>>>,
    pub(super) keys: Option<Arc<Keys>>,
    /// The slot that opened it.
    pub(super) opened_by: Option<String>,
    pub(super) copied: bool,
    pub(super) trouble: Option<Trouble>,
    /// The highest version seen of each record; `u64::MAX` once it was removed.
    pub(super) seen: HashMap<RecordId, u64>,
    pub(super) damaged: Vec<String>,
    pub(super) wrong_passphrases: u32,
    /// On the boot clock.
    pub(super) next_try: Duration,
    /// How often it was locked: an unlocking that began before loses.
    pub(super) locks: u64,
    /// Whether what a killed agent left half-placed was looked for: once, before anything is prepared.
    pub(super) arrivals_finished: bool,
}

/// What stood in the way at the last try.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    KeyMissing(String),
    KeyringUnavailable(String),
    /// The disk, or what is on it.
    Storage(String),
    Other(String),
}

impl Inner {
    pub(super) fn state(&self) -> VaultState {
        match (&self.header, &self.trouble) {
            _ if self.copied => VaultState::Copied,
            _ if self.keys.is_some() => VaultState::Unlocked,
            (_, Some(Trouble::KeyMissing(_))) => VaultState::KeyMissing,
            (_, Some(Trouble::KeyringUnavailable(_))) => VaultState::KeyringUnavailable,
            (None, None) => VaultState::Absent,
            _ => VaultState::Locked,
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        if self.copied {
            return Some(VaultError::Copied.to_string());
        }
        if self.keys.is_some() {
            return None;
        }
        let sticky = self.header.as_ref().is_some_and(|header| header.sticky);
        match &self.trouble {
            _ if sticky => Some(unlock::STICKY.to_string()),
            Some(Trouble::KeyMissing(why)) => Some(VaultError::KeyMissing(why.clone()).to_string()),
            Some(Trouble::KeyringUnavailable(why)) => Some(VaultError::KeyringUnavailable(why.clone()).to_string()),
            Some(Trouble::Storage(why) | Trouble::Other(why)) => Some(why.clone()),
            None => self.header.is_some().then(|| VaultError::Locked("").to_string()),
        }
    }

    /// The keys, or why there are none.
    pub(super) fn opened(&self) -> Result<Arc<Keys>, VaultError> {
        if self.copied {
            return Err(VaultError::Copied);
        }
        match (&self.keys, &self.trouble) {
            (Some(keys), _) => Ok(keys.clone()),
            (None, _) if self.header.as_ref().is_some_and(|header| header.sticky) => Err(unlock::STICKY),
            (None, Some(Trouble::KeyMissing(why))) => Err(VaultError::KeyMissing(why.clone())),
            (None, Some(Trouble::KeyringUnavailable(why))) => Err(VaultError::KeyringUnavailable(why.clone())),
            (None, Some(Trouble::Storage(why))) => Err(VaultError::Storage(why.clone())),
            (None, Some(Trouble::Other(why))) if self.header.is_none() => Err(VaultError::Invalid(why.clone())),
            (None, _) => Err(VaultError::Locked("")),
        }
    }

    pub(super) fn vault_id(&self) -> Result<String, VaultError> {
        self.header.as_ref().map(|header| header.body.id.clone()).ok_or(VaultError::Locked(""))
    }
}

impl From<&VaultError> for Trouble {
    fn from(error: &VaultError) -> Self {
        match error {
            VaultError::KeyMissing(why) => Self::KeyMissing(why.clone()),
            VaultError::KeyringUnavailable(why) => Self::KeyringUnavailable(why.clone()),
            other if other.kind() == ErrorKind::StorageFailed => Self::Storage(other.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

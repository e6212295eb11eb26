//! What is known of a vault while it has an owner, and what that means for whoever asks: its state, its keys or why there
//! are none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::VaultError;
use super::header::{Header, Keys};
use super::unopened::Unopened;
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
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) trouble: Option<Trouble>,
    /// Records that could not be opened or should not be there, as of the last look.
    pub(super) unopened: Vec<Unopened>,
    /// What arrived and could not be put in its place.
    pub(super) arrived: BTreeMap<RecordId, Vec<u8>>,
    pub(super) wrong_passphrases: u32,
    /// On the boot clock.
    pub(super) next_try: Duration,
    /// How often it was locked: an unlocking that began before loses.
    pub(super) locks: u64,
    /// Whether what a killed agent left half-placed was looked for: once, before anything is prepared.
    pub(super) arrivals_finished: bool,
}

/// A vault that is not this installation's own, or not its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// From another machine or installation.
    Copied,
    /// From a backup.
    Restored,
}

impl Elsewhere {
    pub(super) fn error(self) -> VaultError {
        match self {
            Self::Copied => VaultError::Copied,
            Self::Restored => VaultError::Restored,
        }
    }
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
            _ if self.elsewhere == Some(Elsewhere::Copied) => VaultState::Copied,
            _ if self.elsewhere == Some(Elsewhere::Restored) => VaultState::Restored,
            _ if self.keys.is_some() => VaultState::Unlocked,
            (_, Some(Trouble::KeyMissing(_))) => VaultState::KeyMissing,
            (_, Some(Trouble::KeyringUnavailable(_))) => VaultState::KeyringUnavailable,
            (None, None) => VaultState::Absent,
            _ => VaultState::Locked,
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        if let Some(elsewhere) = self.elsewhere {
            return Some(elsewhere.error().to_string());
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

    /// The keys, for whatever writes or redeems; or why not.
    pub(super) fn opened(&self) -> Result<Arc<Keys>, VaultError> {
        self.elsewhere.map_or_else(|| self.readable(), |elsewhere| Err(elsewhere.error()))
    }

    /// The keys, or why there are none; what came from elsewhere can be looked at, too.
    pub(super) fn readable(&self) -> Result<Arc<Keys>, VaultError> {
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

    /// One line for each file that is not well.
    pub(super) fn trouble_lines(&self) -> Vec<String> {
        self.unopened.iter().map(|unopened| unopened.line.clone()).collect()
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

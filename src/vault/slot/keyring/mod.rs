//! The session's keyring, one file per system: Secret Service, macOS Keychain, Windows DPAPI.
//!
//! A keyring is touched only where the choice says so, and prompts only for a person who is there.

#[cfg(all(target_os = "linux", feature = "agent"))]
mod linux;
#[cfg(all(target_os = "macos", feature = "agent"))]
mod macos;
#[cfg(all(unix, not(feature = "agent")))]
mod none;
#[cfg(windows)]
mod windows;

use serde_json::Value;

#[cfg(all(target_os = "linux", feature = "agent"))]
use linux as system;
#[cfg(all(target_os = "macos", feature = "agent"))]
use macos as system;
#[cfg(all(unix, not(feature = "agent")))]
use none as system;
#[cfg(windows)]
use windows as system;

use super::{Person, Place, Slot, SlotError, SlotKey};
use crate::ipc::message::vault::SlotKind;
use crate::vault::seal::Key;

/// Which keyring may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyringChoice {
    /// None: the demo, tests, and whoever says so.
    Disabled,
    /// The one of the user's session.
    #[default]
    Session,
    /// The Secret Service on the D-Bus at this address (Linux).
    Bus(String),
}

pub(super) struct Keyring;

impl Slot for Keyring {
    fn kind(&self) -> SlotKind {
        SlotKind::Keyring
    }

    fn description(&self) -> &'static str {
        system::DESCRIPTION
    }

    fn opens_alone(&self) -> bool {
        true
    }

    fn make(&self, place: &Place<'_>, person: Person<'_>) -> Result<SlotKey, SlotError> {
        allowed(place)?;
        let key = Key::random()?;
        let params = system::keep(place, &key, person.present)?;
        Ok(SlotKey { key, params })
    }

    fn open(&self, place: &Place<'_>, params: &Value, person: Person<'_>) -> Result<Key, SlotError> {
        allowed(place)?;
        system::fetch(place, params, person.present)
    }

    fn forget(&self, place: &Place<'_>, params: &Value) -> Result<(), SlotError> {
        allowed(place)?;
        system::forget(place, params)
    }
}

fn allowed(place: &Place<'_>) -> Result<(), SlotError> {
    match place.keyring {
        KeyringChoice::Disabled => Err(SlotError::Unavailable("keyrings are switched off".into())),
        KeyringChoice::Session | KeyringChoice::Bus(_) => Ok(()),
    }
}

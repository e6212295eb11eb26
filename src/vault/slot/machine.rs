//! This machine: a key derived from the machine's id and a random file that only the user can read.
//!
//! Whoever can read the user's files on this machine opens it: it keeps a vault closed in a backup or a synced folder,
//! not more, and says so.

use std::path::PathBuf;

use serde_json::Value;

use super::{Person, Place, Slot, SlotError, SlotKey};
use crate::ipc::message::vault::SlotKind;
use crate::vault::disk;
use crate::vault::error::VaultError;
use crate::vault::seal::{Key, derive};

pub(super) struct Machine;

impl Slot for Machine {
    fn kind(&self) -> SlotKind {
        SlotKind::Machine
    }

    fn description(&self) -> &'static str {
        "weaker: whoever can read your files on this machine can open it"
    }

    fn opens_alone(&self) -> bool {
        true
    }

    fn make(&self, place: &Place<'_>, _person: Person<'_>) -> Result<SlotKey, SlotError> {
        let random = Key::random()?;
        place.disk.make_directory(place.state_dir)?;
        place.disk.replace(&file(place), &*random.expose())?;
        Ok(SlotKey { key: key(place, &random), params: Value::Null })
    }

    fn open(&self, place: &Place<'_>, _params: &Value, _person: Person<'_>) -> Result<Key, SlotError> {
        let path = file(place);
        let missing = || SlotError::Missing(format!("{} is gone", path.display()));
        let kept = zeroize::Zeroizing::new(disk::read(&path)?.ok_or_else(missing)?);
        let damaged = |_| VaultError::Damaged { path: path.clone(), advice: "" };
        Ok(key(place, &Key::from_slice(&kept).map_err(damaged)?))
    }

    fn forget(&self, place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
        Ok(place.disk.remove(&file(place))?)
    }
}

fn file(place: &Place<'_>) -> PathBuf {
    place.state_dir.join(format!("machine-key-{}", place.slot))
}

fn key(place: &Place<'_>, random: &Key) -> Key {
    // A machine without an id has only the file.
    let machine = place.machine.read().unwrap_or_default();
    derive(&*random.expose(), machine.as_bytes(), "cred-helper machine slot")
}

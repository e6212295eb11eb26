//! No disk at all: the key and the logins live in the agent's memory, and end with it.

use serde_json::Value;

use super::{Person, Place, Slot, SlotError, SlotKey};
use crate::ipc::message::vault::SlotKind;
use crate::vault::seal::Key;

pub(super) struct Memory;

impl Slot for Memory {
    fn kind(&self) -> SlotKind {
        SlotKind::Memory
    }

    fn description(&self) -> &'static str {
        "nothing on disk: logins end with the agent"
    }

    fn opens_alone(&self) -> bool {
        true
    }

    fn make(&self, _place: &Place<'_>, _person: Person<'_>) -> Result<SlotKey, SlotError> {
        Ok(SlotKey { key: Key::random()?, params: Value::Null })
    }

    fn open(&self, _place: &Place<'_>, _params: &Value, _person: Person<'_>) -> Result<Key, SlotError> {
        Err(SlotError::Missing("it was in the memory of an agent that ended".into()))
    }

    fn forget(&self, _place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
        Ok(())
    }
}

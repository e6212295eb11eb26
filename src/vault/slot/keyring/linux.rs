//! The Secret Service.

use serde_json::Value;

use super::super::{Place, SlotError};
use crate::vault::seal::Key;

pub(super) const DESCRIPTION: &str = "the session's keyring (Secret Service): open while you are signed in";

pub(super) fn keep(place: &Place<'_>, _key: &Key, _present: bool) -> Result<Value, SlotError> {
    works(place).map(|()| Value::Null)
}

pub(super) fn fetch(place: &Place<'_>, _params: &Value, _present: bool) -> Result<Key, SlotError> {
    works(place)?;
    Err(SlotError::Locked)
}

pub(super) fn forget(place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
    works(place)
}

fn works(_place: &Place<'_>) -> Result<(), SlotError> {
    Err(SlotError::Unavailable("the Secret Service is not reached by this version".into()))
}

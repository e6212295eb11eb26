//! No keyring: the light half of the library has the vault's formats and none of the systems' libraries.

use serde_json::Value;

use super::super::{Place, SlotError};
use crate::vault::seal::Key;

pub(super) const DESCRIPTION: &str = "no keyring";

pub(super) fn keep(_place: &Place<'_>, _key: &Key, _present: bool) -> Result<Value, SlotError> {
    Err(none())
}

pub(super) fn fetch(_place: &Place<'_>, _params: &Value, _present: bool) -> Result<Key, SlotError> {
    Err(none())
}

pub(super) fn forget(_place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
    Err(none())
}

fn none() -> SlotError {
    SlotError::Unavailable("this build has no keyring".into())
}

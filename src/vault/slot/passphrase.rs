//! A passphrase (Argon2id, RFC 9106). Its cost is kept with the slot, so that a later default opens old ones.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Person, Place, Slot, SlotError, SlotKey};
use crate::ipc::message::vault::SlotKind;
use crate::secret::Secret;
use crate::vault::error::VaultError;
use crate::vault::seal::{Key, fill};

/// The most memory that a header may ask for, in KiB: it is read before anything is authentic.
const MOST_MEMORY: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 64;

/// Argon2id's cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// RFC 9106 section 4, the second recommended option, with one lane: the agent computes on one core.
    fn default() -> Self {
        Self { memory: 64 * 1024, passes: 3, lanes: 1 }
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    salt: String,
    #[serde(flatten)]
    cost: Cost,
}

pub(super) struct Passphrase;

impl Slot for Passphrase {
    fn kind(&self) -> SlotKind {
        SlotKind::Passphrase
    }

    fn description(&self) -> &'static str {
        "as strong as its passphrase; asked for after every start of the agent"
    }

    fn opens_alone(&self) -> bool {
        false
    }

    fn make(&self, place: &Place<'_>, person: Person<'_>) -> Result<SlotKey, SlotError> {
        let mut salt = [0u8; 16];
        fill(&mut salt)?;
        let key = stretch(person, &salt, place.cost)?;
        let kept = Kept { salt: STANDARD.encode(salt), cost: place.cost };
        Ok(SlotKey { key, params: json!(kept) })
    }

    fn open(&self, _place: &Place<'_>, params: &Value, person: Person<'_>) -> Result<Key, SlotError> {
        let kept: Kept = serde_json::from_value(params.clone()).map_err(|_| SlotError::Wrong)?;
        let salt = STANDARD.decode(&kept.salt).map_err(|_| SlotError::Wrong)?;
        if kept.cost.memory > MOST_MEMORY || kept.cost.passes > MOST_PASSES {
            return Err(SlotError::Wrong);
        }
        stretch(person, &salt, kept.cost)
    }

    fn forget(&self, _place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
        Ok(())
    }
}

fn stretch(person: Person<'_>, salt: &[u8], cost: Cost) -> Result<Key, SlotError> {
    let passphrase = person.passphrase.filter(|text| !text.is_empty()).ok_or(SlotError::NeedsPassphrase)?;
    let failed = |_| SlotError::Failed(VaultError::Internal("the passphrase could not be stretched (Argon2id)"));
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let key = Secret::filled(|key| argon2.hash_password_into(passphrase.expose().as_bytes(), salt, key));
    Ok(Key::from_secret(key.map_err(failed)?))
}

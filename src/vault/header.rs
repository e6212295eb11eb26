//! `vault.json`: what is known of a vault without its key.
//!
//! Slots, epoch and the keys of epochs still in use are sealed against change under the vault key. The sticky lock and
//! the machine's binding stand beside that seal, because `lock` and `adopt` have to work without the key; neither
//! opens anything.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::VaultError;
use super::seal::{Key, Unauthentic, associated};
use super::slot::SlotKey;
use super::wrap::{self, Place, Target};
use crate::clock::Timestamp;
use crate::ipc::message::vault::SlotKind;

/// The format written; every field added makes it grow, because the seal covers exactly the known ones.
const FORMAT: u64 = 1;

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// `cred-helper lock` was said, and `unlock` not yet.
    pub(super) sticky: bool,
    pub(super) binding: Binding,
    pub(super) body: Body,
    /// Base64 of what the vault key made of `body`.
    seal: String,
}

/// The machine and the installation that may redeem what is in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    /// A hash of the machine's id and the vault's; `None` where the machine has no id.
    pub(super) machine: Option<String>,
    /// The random id kept in the state directory.
    pub(super) install: String,
}

/// What the seal covers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Body {
    format: u64,
    pub(super) id: String,
    pub(super) epoch: u64,
    pub(super) slots: Vec<SlotEntry>,
    /// Keys of earlier epochs, sealed under this one's, until no record needs them.
    pub(super) earlier: Vec<EarlierKey>,
}

/// A slot, as the header knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SlotEntry {
    pub(super) id: String,
    pub(super) kind: SlotKind,
    pub(super) created_at: Timestamp,
    /// The slot's own.
    pub(super) params: Value,
    public: String,
    link: String,
    wrapped: String,
}

/// The key of an earlier epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EarlierKey {
    pub(super) epoch: u64,
    key: String,
}

/// The keys of an open vault.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) epoch: u64,
    pub(super) current: Key,
    /// Of earlier epochs, while records need them.
    pub(super) earlier: Vec<(u64, Key)>,
}

impl Keys {
    pub(super) fn of_epoch(&self, epoch: u64) -> Option<&Key> {
        let earlier = self.earlier.iter().find(|(of, _)| *of == epoch).map(|(_, key)| key);
        if epoch == self.epoch { Some(&self.current) } else { earlier }
    }
}

impl Header {
    pub(super) fn new(id: String, binding: Binding) -> Self {
        let body = Body { format: FORMAT, id, epoch: 1, slots: Vec::new(), earlier: Vec::new() };
        Self { sticky: false, binding, body, seal: String::new() }
    }

    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, VaultError> {
        let damaged = || VaultError::Damaged {
            path: path.to_owned(),
            advice: ", or set the vault aside with `cred-helper vault reset`",
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let found = value.pointer("/body/format").and_then(Value::as_u64).ok_or_else(damaged)?;
        if found != FORMAT {
            return Err(VaultError::Format { path: path.to_owned(), found });
        }
        serde_json::from_value(value).map_err(|_| damaged())
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, VaultError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|_| UNWRITABLE)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn reseal(&mut self, key: &Key) -> Result<(), VaultError> {
        self.seal = STANDARD.encode(header_key(key).seal(&self.body.associated()?, b"")?);
        Ok(())
    }

    /// The keys, if that is the vault's own and nobody changed what it sealed.
    pub(super) fn open(&self, key: Key) -> Result<Keys, Unauthentic> {
        let seal = decode(&self.seal)?;
        header_key(&key).open(&self.body.associated().map_err(|_| Unauthentic)?, &seal)?;
        let mut earlier = Vec::new();
        for old in &self.body.earlier {
            let opened = key.open(&self.body.earlier_place(old.epoch), &decode(&old.key)?)?;
            earlier.push((old.epoch, Key::from_slice(&opened)?));
        }
        Ok(Keys { epoch: self.body.epoch, current: key, earlier })
    }
}

const UNWRITABLE: VaultError = VaultError::Internal("the vault's header could not be written as JSON");

impl Body {
    fn associated(&self) -> Result<Vec<u8>, VaultError> {
        let json = serde_json::to_vec(self).map_err(|_| UNWRITABLE)?;
        Ok(associated(&[b"cred-helper header", &json]))
    }

    fn earlier_place(&self, epoch: u64) -> Vec<u8> {
        associated(&[b"earlier key", self.id.as_bytes(), &self.epoch.to_le_bytes(), &epoch.to_le_bytes()])
    }

    pub(super) fn add(
        &mut self,
        id: String,
        kind: SlotKind,
        created_at: Timestamp,
        made: SlotKey,
        vault_key: &Key,
    ) -> Result<(), VaultError> {
        let target = Target::of(&made.key);
        let mut entry = SlotEntry {
            id,
            kind,
            created_at,
            params: made.params,
            public: STANDARD.encode(target.public),
            link: String::new(),
            wrapped: String::new(),
        };
        entry.wrap(&self.id, self.epoch, &target, vault_key)?;
        self.slots.push(entry);
        Ok(())
    }

    /// Starts an epoch under `new`: every slot left opens it, and it opens what came before.
    pub(super) fn start_epoch(&mut self, old: &Keys, new: &Key) -> Result<(), VaultError> {
        let targets = self.slots.iter().map(|slot| slot.target(&self.id, self.epoch, &old.current));
        let targets: Vec<Target> = targets
            .collect::<Result<_, _>>()
            .map_err(|_| VaultError::Internal("a key slot could not be read; nothing was changed"))?;
        self.epoch += 1;
        for (slot, target) in self.slots.iter_mut().zip(&targets) {
            slot.wrap(&self.id, self.epoch, target, new)?;
        }
        self.earlier.clear();
        for (epoch, key) in old.earlier.iter().map(|(e, k)| (*e, k)).chain([(old.epoch, &old.current)]) {
            let key = STANDARD.encode(new.seal(&self.earlier_place(epoch), &*key.expose())?);
            self.earlier.push(EarlierKey { epoch, key });
        }
        Ok(())
    }
}

impl SlotEntry {
    fn wrap(&mut self, vault: &str, epoch: u64, target: &Target, vault_key: &Key) -> Result<(), VaultError> {
        let id = self.id.clone();
        let place = Place { vault, slot: &id, epoch };
        self.link = STANDARD.encode(vault_key.seal(&place.associated("link"), &*target.link.expose())?);
        self.wrapped = STANDARD.encode(target.wrap(place, vault_key)?);
        Ok(())
    }

    fn target(&self, vault: &str, epoch: u64, vault_key: &Key) -> Result<Target, Unauthentic> {
        let place = Place { vault, slot: &self.id, epoch };
        let link = vault_key.open(&place.associated("link"), &decode(&self.link)?)?;
        let public = decode(&self.public)?.try_into().map_err(|_| Unauthentic)?;
        Ok(Target { public, link: Key::from_slice(&link)? })
    }

    /// The vault key, with this slot's own.
    pub(super) fn unwrap(&self, vault: &str, epoch: u64, slot_key: &Key) -> Result<Key, Unauthentic> {
        wrap::unwrap(slot_key, Place { vault, slot: &self.id, epoch }, &decode(&self.wrapped)?)
    }
}

fn header_key(key: &Key) -> Key {
    key.derive("cred-helper header v1")
}

fn decode(text: &str) -> Result<Vec<u8>, Unauthentic> {
    STANDARD.decode(text).map_err(|_| Unauthentic)
}

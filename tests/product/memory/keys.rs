//! The keys of a vault, made again from what is on the disk and what opens a slot: what an agent that opened it has had in its
//! hands. A second reading of `vault.json`, by its description alone.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

use super::super::home::Home;

type Key = [u8; 32];

/// Each of a vault with a machine slot with its name: from the file that opens it to the key that records are sealed under.
pub(super) fn of_vault(home: &Home) -> Vec<(&'static str, Key)> {
    let (_, slot) = slot(home, "machine");
    let file = home.state().join(format!("machine-key-{}", slot["id"].as_str().unwrap()));
    let file: Key = fs::read(file).unwrap().try_into().unwrap();
    let machine = fs::read_to_string("/etc/machine-id").or_else(|_| fs::read_to_string("/var/lib/dbus/machine-id"));
    let slot_key = derive(&file, machine.unwrap_or_default().trim().as_bytes(), "cred-helper machine slot");
    let mut keys = opened_by(home, "machine", slot_key);
    keys.push(("the machine slot's file", file));
    keys
}

/// The header's body, and its slot of that kind.
fn slot(home: &Home, kind: &str) -> (Value, Value) {
    let header: Value = serde_json::from_slice(&fs::read(home.vault().join("vault.json")).unwrap()).unwrap();
    let body = header["body"].clone();
    let slot = body["slots"].as_array().unwrap().iter().find(|slot| slot["kind"] == kind).unwrap().clone();
    (body, slot)
}

/// The keys that the key of a slot of that kind leads to, itself included.
pub(super) fn opened_by(home: &Home, kind: &str, slot_key: Key) -> Vec<(&'static str, Key)> {
    let (body, slot) = slot(home, kind);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bytes = |value: &Value| STANDARD.decode(text(value)).unwrap();
    let (exchange, link) =
        (derive(&slot_key, b"", "cred-helper slot exchange"), derive(&slot_key, b"", "cred-helper slot link"));
    let private = StaticSecret::from(exchange);
    let wrapped = bytes(&slot["wrapped"]);
    let (ephemeral, sealed) = wrapped.split_first_chunk::<32>().unwrap();
    let shared = private.diffie_hellman(&PublicKey::from(*ephemeral)).to_bytes();
    let mixed = derive(&shared, &link, "cred-helper slot mix");
    let public = PublicKey::from(&private).to_bytes();
    let wrapping = derive(&mixed, &[*ephemeral, public].concat(), "cred-helper slot wrap");
    let epoch = body["epoch"].as_u64().unwrap().to_le_bytes();
    let place: Vec<u8> = [b"vault key", text(&body["id"]).as_bytes(), text(&slot["id"]).as_bytes(), &epoch]
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_le_bytes()[..], part].concat())
        .collect();
    let (nonce, sealed) = sealed.split_first_chunk::<24>().unwrap();
    let cipher = XChaCha20Poly1305::new(&wrapping.into());
    let vault_key = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place }).unwrap();
    let vault_key: Key = vault_key.try_into().unwrap();
    vec![
        ("the slot's key", slot_key),
        ("the slot's private key", exchange),
        ("the slot's link", link),
        ("the shared secret", shared),
        ("the wrapping key", wrapping),
        ("the vault's key", vault_key),
        ("the records' key", derive(&vault_key, b"", "cred-helper record v1")),
        ("the header's key", derive(&vault_key, b"", "cred-helper header v1")),
    ]
}

fn derive(material: &[u8], salt: &[u8], purpose: &str) -> Key {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), material).expand(purpose.as_bytes(), &mut key).unwrap();
    key
}

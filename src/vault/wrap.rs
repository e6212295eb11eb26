//! How a slot's key opens the vault's key, such that a new vault key reaches every slot without opening the slots.
//!
//! From its key a slot derives an X25519 key pair (RFC 7748) and a *link*. The vault key is sealed to the public half
//! and the link together. So whoever removed slot's key and old header is kept holds nothing that opens a later vault
//! key (there is no private half in the header), and whoever can only write the file can't slip in a key of their own
//! (they lack the link, which is kept sealed under the vault key).

use x25519_dalek::{PublicKey, StaticSecret};

use super::error::VaultError;
use super::seal::{Key, Unauthentic, associated, derive};

const PUBLIC: usize = 32;

/// The half of a slot that seals to it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) public: [u8; PUBLIC],
    pub(crate) link: Key,
}

/// The place that a wrapped key belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) vault: &'a str,
    pub(crate) slot: &'a str,
    pub(crate) epoch: u64,
}

impl Place<'_> {
    pub(crate) fn associated(&self, what: &str) -> Vec<u8> {
        associated(&[what.as_bytes(), self.vault.as_bytes(), self.slot.as_bytes(), &self.epoch.to_le_bytes()])
    }
}

impl Target {
    pub(crate) fn of(slot_key: &Key) -> Self {
        let public = PublicKey::from(&private(slot_key)).to_bytes();
        Self { public, link: link(slot_key) }
    }

    /// An ephemeral public key, then the sealed vault key.
    pub(crate) fn wrap(&self, place: Place<'_>, vault_key: &Key) -> Result<Vec<u8>, VaultError> {
        let ephemeral = StaticSecret::from(*Key::random()?.expose());
        let public = PublicKey::from(&ephemeral).to_bytes();
        let shared = ephemeral.diffie_hellman(&PublicKey::from(self.public));
        let wrapping = wrapping_key(shared.as_bytes(), &self.link, &public, &self.public);
        let sealed = wrapping.seal(&place.associated("vault key"), &*vault_key.expose())?;
        Ok([&public[..], &sealed].concat())
    }
}

/// The vault's key, with the slot's.
pub(crate) fn unwrap(slot_key: &Key, place: Place<'_>, wrapped: &[u8]) -> Result<Key, Unauthentic> {
    let (public, sealed) = wrapped.split_first_chunk::<PUBLIC>().ok_or(Unauthentic)?;
    let own = private(slot_key);
    let shared = own.diffie_hellman(&PublicKey::from(*public));
    let wrapping = wrapping_key(shared.as_bytes(), &link(slot_key), public, PublicKey::from(&own).as_bytes());
    Key::from_slice(&wrapping.open(&place.associated("vault key"), sealed)?)
}

fn private(slot_key: &Key) -> StaticSecret {
    StaticSecret::from(*slot_key.derive("cred-helper slot exchange").expose())
}

fn link(slot_key: &Key) -> Key {
    slot_key.derive("cred-helper slot link")
}

fn wrapping_key(shared: &[u8], link: &Key, ephemeral: &[u8; PUBLIC], slot: &[u8; PUBLIC]) -> Key {
    let mixed = derive(shared, &*link.expose(), "cred-helper slot mix");
    derive(&*mixed.expose(), &[&ephemeral[..], slot].concat(), "cred-helper slot wrap")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { vault: "v", slot: "s", epoch: 3 };

    #[test]
    fn the_slot_alone_opens_what_was_wrapped_for_it() {
        let slot = Key::random().expect("random");
        let vault = Key::random().expect("random");
        let wrapped = Target::of(&slot).wrap(PLACE, &vault).expect("wrapped");
        assert!(unwrap(&slot, PLACE, &wrapped).expect("opens").matches(&vault));
        assert!(unwrap(&Key::random().expect("random"), PLACE, &wrapped).is_err());
        assert!(unwrap(&slot, Place { epoch: 4, ..PLACE }, &wrapped).is_err());
        assert!(unwrap(&slot, Place { slot: "t", ..PLACE }, &wrapped).is_err());
    }

    #[test]
    fn the_public_half_without_the_link_forges_nothing() {
        let slot = Key::random().expect("random");
        let forger = Target { link: Key::random().expect("random"), ..Target::of(&slot) };
        let wrapped = forger.wrap(PLACE, &Key::random().expect("random")).expect("wrapped");
        assert!(unwrap(&slot, PLACE, &wrapped).is_err());
    }
}

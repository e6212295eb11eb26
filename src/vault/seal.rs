//! Keys, and what they do: sealing (XChaCha20-Poly1305) and deriving other keys (HKDF-SHA256).
//!
//! Everything sealed is bound to what it is and where it belongs by its associated data, so that a sealed thing moved
//! to another place does not open. Nonces are random: 192 bits leave room for that.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::VaultError;
use crate::secret::{Exposed, Secret};

const NONCE: usize = 24;

/// A 256-bit key.
#[derive(Debug)]
pub(crate) struct Key(Secret<[u8; 32]>);

/// What was sealed is not what is there, or was sealed by another key or for another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unauthentic;

impl Key {
    pub(crate) fn random() -> Result<Self, VaultError> {
        Secret::filled(|key| fill(key)).map(Self)
    }

    pub(crate) fn from_secret(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, Unauthentic> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| Unauthentic)?;
        Ok(Self(Secret::new(Box::new(*bytes))))
    }

    /// The key itself, for where it is wrapped or kept.
    pub(crate) fn expose(&self) -> Exposed<'_, [u8; 32]> {
        self.0.expose()
    }

    /// Only a keyring that could give back another key than it was given asks.
    #[cfg(any(unix, test))]
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.matches(&other.0)
    }

    /// A key of its own for each purpose (RFC 5869).
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        derive(&*self.expose(), b"", purpose)
    }

    /// Nonce and ciphertext.
    pub(crate) fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0u8; NONCE];
        fill(&mut nonce)?;
        let payload = Payload { msg: plain, aad: associated };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| VaultError::Internal("a login is too large to seal"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unauthentic> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Unauthentic)?;
        let payload = Payload { msg: sealed, aad: associated };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Unauthentic)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.expose()).into())
    }
}

/// HKDF-SHA256 of whatever has enough randomness in it.
pub(crate) fn derive(material: &[u8], salt: &[u8], purpose: &str) -> Key {
    let hkdf = Hkdf::<Sha256>::new(Some(salt), material);
    // RFC 5869 section 2.3 allows 255 hashes' worth; this asks for one.
    Key(Secret::filled(|key| hkdf.expand(purpose.as_bytes(), key)).expect("one hash's worth"))
}

/// Parts of associated data, each with its length before it, so that no two lists run together alike.
pub(crate) fn associated(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part);
    }
    all
}

/// A random name of 32 hexadecimal digits.
pub(crate) fn random_name() -> Result<String, VaultError> {
    let mut bytes = [0u8; 16];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|error| VaultError::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_place_alone() {
        let key = Key::random().expect("random");
        let sealed = key.seal(b"here", b"text").expect("sealed");
        assert_eq!(key.open(b"here", &sealed).expect("opens").as_slice(), b"text");
        assert!(key.open(b"there", &sealed).is_err());
        assert!(Key::random().expect("random").open(b"here", &sealed).is_err());
        assert!(key.derive("other").open(b"here", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(key.open(b"here", &flipped).is_err(), "bit {at}");
            assert!(key.open(b"here", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn associated_parts_do_not_run_together() {
        assert_ne!(associated(&[b"ab", b"c"]), associated(&[b"a", b"bc"]));
        assert_ne!(associated(&[b"a"]), associated(&[b"a", b""]));
    }

    #[test]
    fn a_key_shows_nothing() {
        let key = Key::from_slice(&[0xaa; 32]).expect("32 bytes");
        assert_eq!(format!("{key:?}"), "Key(Secret(32 bytes))");
    }
}

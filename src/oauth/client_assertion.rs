//! `private_key_jwt` (RFC 7523 sections 2.2 and 3, OpenID Connect Core section 9): the client signs who it is, anew for
//! each request, and no secret of it ever travels.
//!
//! The key stays in its file: it is read, used once and wiped. The algorithm follows from the key: RS256, ES256 or EdDSA
//! (RFC 7518 section 3.1, RFC 8037 section 3.1).

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::Timestamp;
use crate::secret::Secret;

/// `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good for: longer than any clock is wrong, and short enough to be worth nothing afterwards.
const LIFETIME: Duration = Duration::from_secs(300);
/// Longer than any key: an RSA key of 16,384 bits is under 13 KiB.
const MAX_KEY: u64 = 64 * 1024;

/// Who signs, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct ClientAssertion<'a> {
    /// The client identifier: issuer and subject at once.
    pub client_id: &'a str,
    /// The authorization server.
    pub audience: &'a str,
    /// The key's name at the server.
    pub key_id: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Why there is no assertion. It says nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The file.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// No PEM, or none with a private key.
    #[error("there is no private key in it that is PEM and not encrypted")]
    NotAKey,
    /// SEC 1 is what `openssl ecparam -genkey` writes.
    #[error("an EC key has to be PKCS#8: `openssl pkcs8 -topk8 -nocrypt` makes it so")]
    Sec1,
    /// Another kind of key.
    #[error("its key is neither RSA of 2048 to 4096 bits, nor EC on P-256, nor Ed25519")]
    Kind,
    /// The system's random source.
    #[error("this machine gives no random numbers")]
    NoRandom,
}

/// The key in a file.
pub fn read_key(file: &Path) -> Result<Zeroizing<Vec<u8>>, SigningError> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| SigningError::Unreadable(error.kind().to_string());
    let mut pem = Zeroizing::new(Vec::with_capacity(8 * 1024));
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(MAX_KEY).read_to_end(&mut pem).map_err(unreadable)?;
    Ok(pem)
}

/// A signed assertion (RFC 7515 section 7.1).
pub fn sign(pem: &[u8], assertion: ClientAssertion<'_>) -> Result<Secret, SigningError> {
    let key = Key::parse(pem)?;
    let ClientAssertion { client_id, audience, key_id, now } = assertion;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| SigningError::NoRandom)?;
    let mut header = json!({"alg": key.algorithm(), "typ": "JWT"});
    if let Some(key_id) = key_id {
        header["kid"] = Value::from(key_id);
    }
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "jti": URL_SAFE_NO_PAD.encode(id),
        "iat": now.0, "exp": (now + LIFETIME).0,
    });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(signed.as_bytes())?;
    Ok(Secret::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    fn parse(pem: &[u8]) -> Result<Self, SigningError> {
        let mut der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| SigningError::NotAKey)?;
        let key = Self::from_der(&der);
        der.zeroize();
        key
    }

    fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, SigningError> {
        let rsa = |key| Key::Rsa(Box::new(key));
        match der {
            PrivateKeyDer::Pkcs1(key) => {
                RsaKeyPair::from_der(key.secret_pkcs1_der()).map(rsa).map_err(|_| SigningError::Kind)
            }
            PrivateKeyDer::Sec1(_) => Err(SigningError::Sec1),
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                // Each refuses the others' keys by their algorithm identifier.
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map(Key::Ed25519);
                let p256 = || {
                    let random = SystemRandom::new();
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).map(Key::P256)
                };
                let tried = RsaKeyPair::from_pkcs8(key).map(rsa).or_else(|_| p256()).or_else(|_| ed25519());
                tried.map_err(|_| SigningError::Kind)
            }
            _ => Err(SigningError::Kind),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Key::Rsa(_) => "RS256",
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        match self {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.map(|()| signature).map_err(|_| SigningError::NoRandom)
            }
            Key::P256(key) => {
                let signed = key.sign(&random, message);
                signed.map(|signature| signature.as_ref().to_vec()).map_err(|_| SigningError::NoRandom)
            }
            Key::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;

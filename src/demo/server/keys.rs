//! Keys that the server knows others by, and the JWTs that it believes because of them (RFC 7515, RFC 7519).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::random;

/// What a signature is checked with.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// RS256: an RSAPublicKey (RFC 8017 appendix A.1.1), in DER.
    Rsa(Vec<u8>),
    /// ES256: a point, uncompressed.
    P256(Vec<u8>),
    /// EdDSA: 32 bytes.
    Ed25519(Vec<u8>),
    /// HS256: a key that both sides have.
    Shared(String),
}

/// Somebody whose word the server takes for who asks.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// `iss`.
    pub issuer: String,
    /// The `aud` that its tokens must have.
    pub audience: String,
    /// What they are signed with.
    pub key: PublicKey,
}

/// What a JWT says, once its signature has been checked.
pub(super) struct Claims(Map<String, Value>);

impl PublicKey {
    fn algorithm(&self) -> &'static str {
        match self {
            PublicKey::Rsa(_) => "RS256",
            PublicKey::P256(_) => "ES256",
            PublicKey::Ed25519(_) => "EdDSA",
            PublicKey::Shared(_) => "HS256",
        }
    }

    /// The claims of a JWT that this key signed; it is not looked whether they hold.
    pub(super) fn open(&self, jwt: &str) -> Result<Claims, &'static str> {
        let (signed, signature) = jwt.rsplit_once('.').ok_or("it is no JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("it is no JWT")?;
        let header = object(header)?;
        if header.get("alg").and_then(Value::as_str) != Some(self.algorithm()) {
            return Err("it is signed with another algorithm than the key's");
        }
        let decoded = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature is not base64url")?;
        let verify = |kind: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key).verify(signed.as_bytes(), &decoded).is_ok()
        };
        let genuine = match self {
            PublicKey::Rsa(key) => verify(&RSA_PKCS1_2048_8192_SHA256, key),
            PublicKey::P256(key) => verify(&ECDSA_P256_SHA256_FIXED, key),
            PublicKey::Ed25519(key) => verify(&ED25519, key),
            PublicKey::Shared(key) => random::signature(key, signed) == signature,
        };
        if genuine { object(claims).map(Claims) } else { Err("its signature is wrong") }
    }
}

fn object(part: &str) -> Result<Map<String, Value>, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "it is not JSON")
}

impl Claims {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Whether `aud` is this, or has it.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// How many seconds it lasts from now on; none if it has ended, or doesn't say.
    pub(super) fn lasts(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.0.get("exp").and_then(Value::as_u64)?.checked_sub(now).filter(|left| *left > 0)
    }
}

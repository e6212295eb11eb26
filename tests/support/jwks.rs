//! What a service that trusts an issuer checks of its ID tokens: the signature, by the keys that the issuer publishes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use super::http;

/// An issuer's RSA keys.
pub struct Jwks(Vec<(Vec<u8>, Vec<u8>)>);

fn bytes(text: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_str()?).ok()
}

impl Jwks {
    pub fn fetch(uri: &str) -> Self {
        let keys = http::get(uri).json()["keys"].as_array().expect("keys").clone();
        let keys: Vec<_> = keys.iter().filter_map(|key| Some((bytes(&key["n"])?, bytes(&key["e"])?))).collect();
        assert!(!keys.is_empty());
        Self(keys)
    }

    /// The claims, if one of the keys signed them (RS256).
    pub fn claims(&self, jwt: &str) -> Option<Value> {
        let (signed, signature) = jwt.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_its = self.0.iter().any(|(n, e)| {
            let key = RsaPublicKeyComponents { n, e };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
        });
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        is_its.then(|| serde_json::from_slice(&payload).ok()).flatten()
    }
}

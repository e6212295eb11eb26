//! Values that nobody can guess, and the JWTs that carry claims.
//!
//! JWTs are signed with HS256: by the client's secret where it has one (OpenID Connect Core section 10.1), else by a key
//! of this server's that nobody knows. A public client therefore cannot verify one, and need not: it came straight from
//! the token endpoint (section 3.1.3.7, number 6). A real server signs with a published key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// 256 bits as base64url, behind a prefix that says what it is.
pub(super) fn value(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes::<32>()))
}

/// A user code as RFC 8628 section 6.1 recommends: eight consonants that are hard to confuse.
pub(super) fn user_code() -> String {
    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
    let letters: Vec<char> = bytes::<8>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 20)])).collect();
    let (first, second) = letters.split_at(4);
    format!("{}-{}", first.iter().collect::<String>(), second.iter().collect::<String>())
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without the system's random source no code or token can be made, and a guessable one must not be.
    #[expect(clippy::expect_used, reason = "there is no server without random values")]
    getrandom::fill(&mut bytes).expect("the system's random source answers");
    bytes
}

/// The code challenge of a verifier (RFC 7636 section 4.6).
pub(super) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// A signed JWT (RFC 7515 section 7.1).
pub(super) fn jwt(key: &str, kind: &str, claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": kind}).to_string());
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signature(key, &signed);
    format!("{signed}.{signature}")
}

/// HS256 of what is signed (RFC 7518 section 3.2).
pub(super) fn signature(key: &str, signed: &str) -> String {
    // HMAC takes a key of any length.
    #[expect(clippy::expect_used, reason = "`new_from_slice` of an HMAC has no error to return")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("an HMAC key");
    mac.update(signed.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636 appendix B.
        assert_eq!(s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn values_differ_and_user_codes_are_readable() {
        assert_ne!(value("at_"), value("at_"));
        let code = user_code();
        assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'));
        assert_eq!(jwt("k", "JWT", &json!({})).split('.').count(), 3);
    }
}

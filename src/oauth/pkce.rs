//! Proof Key for Code Exchange (RFC 7636), and the other values that nobody may guess.
//!
//! `state`, `nonce` and the code verifier are separate random values: whoever sees one learns nothing of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A code verifier with its challenge.
#[derive(Debug)]
pub struct Pkce {
    /// Sent with the code (section 4.5).
    pub verifier: Secret,
    /// Sent with the authorization request (section 4.3), method `S256`.
    pub challenge: String,
}

impl Pkce {
    /// A new pair.
    pub fn new() -> Result<Self, getrandom::Error> {
        let verifier = unguessable()?;
        let challenge = challenge(&verifier.expose());
        Ok(Self { verifier, challenge })
    }
}

/// 256 random bits as base64url: a state, a nonce, a verifier (section 4.1 recommends just that).
pub fn unguessable() -> Result<Secret, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// RFC 7636 section 4.2, `S256`.
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_is_long_enough_and_never_the_same() {
        let (one, two) = (Pkce::new().expect("random"), Pkce::new().expect("random"));
        assert_eq!(one.verifier.len(), 43);
        assert!(!one.verifier.matches(&two.verifier));
        assert_eq!(one.challenge, challenge(&one.verifier.expose()));
    }
}

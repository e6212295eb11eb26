//! Keys as `openssl` writes them, and what is signed with them, verified as a server would.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

use super::*;

const RSA: &[u8] = include_bytes!("../../../tests/keys/rsa.pem");
const PKCS1: &[u8] = include_bytes!("../../../tests/keys/pkcs1.pem");
const EC: &[u8] = include_bytes!("../../../tests/keys/ec.pem");
const ED25519_KEY: &[u8] = include_bytes!("../../../tests/keys/ed25519.pem");
const SEC1: &[u8] = include_bytes!("../../../tests/keys/sec1.pem");

const ASKED: ClientAssertion<'_> =
    ClientAssertion { client_id: "c-1", audience: "https://id.example", key_id: Some("k-1"), now: Timestamp(1000) };

fn part(token: &str, nth: usize) -> Value {
    let part = token.split('.').nth(nth).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn public_key(pem: &[u8]) -> (&'static dyn VerificationAlgorithm, Vec<u8>) {
    match Key::parse(pem).expect("a key") {
        Key::Rsa(key) => (&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref().to_vec()),
        Key::P256(key) => (&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref().to_vec()),
        Key::Ed25519(key) => (&ED25519, key.public_key().as_ref().to_vec()),
    }
}

#[test]
fn each_kind_of_key_signs_with_its_own_algorithm() {
    for (pem, algorithm) in [(RSA, "RS256"), (PKCS1, "RS256"), (EC, "ES256"), (ED25519_KEY, "EdDSA")] {
        let token = sign(pem, ASKED).expect(algorithm);
        let token = token.expose();
        assert_eq!(part(&token, 0), json!({"alg": algorithm, "typ": "JWT", "kid": "k-1"}));
        let claims = part(&token, 1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c-1"), &json!("c-1")));
        assert_eq!(claims["aud"], "https://id.example");
        assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(1000), Some(1300)));
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let (kind, key) = public_key(pem);
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        UnparsedPublicKey::new(kind, key).verify(signed.as_bytes(), &signature).expect("verified");
    }
}

#[test]
fn no_assertion_is_like_another_one() {
    let token = |asked| sign(ED25519_KEY, asked).expect("signed").expose().to_owned();
    assert_ne!(part(&token(ASKED), 1)["jti"], part(&token(ASKED), 1)["jti"]);
    let nameless = token(ClientAssertion { key_id: None, ..ASKED });
    assert_eq!(part(&nameless, 0), json!({"alg": "EdDSA", "typ": "JWT"}));
}

#[test]
fn what_is_no_key_says_what_would_be_one() {
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let public = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let odd = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases: [(&[u8], _); 6] = [
        (b"", SigningError::NotAKey),
        (b"\xff\x00", SigningError::NotAKey),
        (encrypted, SigningError::NotAKey),
        (public, SigningError::NotAKey),
        (SEC1, SigningError::Sec1),
        (odd, SigningError::Kind),
    ];
    for (pem, error) in cases {
        assert_eq!(sign(pem, ASKED).expect_err("no key"), error);
    }
    let missing = read_key(Path::new("/nonexistent/key.pem")).expect_err("no file");
    assert_eq!(missing.to_string(), "it cannot be read: entity not found");
}

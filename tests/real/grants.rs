//! Grants without a person, and clients that sign who they are, at a certified OpenID Connect server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use crate::home::Home;
use crate::support::oidc_provider::OidcProvider;
use crate::support::programs::missing_oidc_provider;

fn configured(toml: &str) -> Home {
    let home = Home::with_vault();
    home.configure(toml);
    home.ok(&["agent", "stop"]);
    home
}

/// A public key as RFC 7517 writes it.
fn jwk(key: &KeyPair) -> Value {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key.public_key_raw() {
        [4, point @ ..] if point.len() == 64 => {
            json!({"kty": "EC", "crv": "P-256", "x": encode(&point[..32]), "y": encode(&point[32..]), "kid": "k-1"})
        }
        raw if raw.len() == 32 => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(raw), "kid": "k-1"}),
        rsa => json!({"kty": "RSA", "n": encode(&modulus(rsa)), "e": "AQAB", "kid": "k-1"}),
    }
}

/// The first integer of an RSAPublicKey (RFC 8017 appendix A.1.1) of 2,048 bits.
fn modulus(der: &[u8]) -> Vec<u8> {
    let at = der.windows(4).position(|window| window == [0x02, 0x82, 0x01, 0x01]).expect("an integer of 257 bytes");
    der[at + 5..at + 5 + 256].to_vec()
}

#[test]
fn a_client_asks_for_itself() {
    if missing_oidc_provider() {
        return;
    }
    let mut server = OidcProvider::start(&json!({}));
    let home = configured(&format!(
        "[providers.robot]\ngrant = 'client_credentials'\nissuer = '{}'\nscopes = ['api:read']\n\
         client = {{ id = 'robot', secret = 'robot secret' }}\n",
        server.issuer
    ));
    home.ok(&["login", "robot"]);
    let first = home.token();
    home.ok(&["refresh", "robot"]);
    assert_ne!(home.token(), first);
    let seen = server.wait_for_grants("client_credentials", 2, std::time::Duration::from_secs(20));
    assert!(seen.iter().all(|line| line["status"] == 200 && line["client"] == "robot"), "{seen:?}");
}

#[test]
fn every_kind_of_key_signs_who_the_client_is() {
    if missing_oidc_provider() {
        return;
    }
    let rsa = KeyPair::from_pem(include_str!("../keys/rsa.pem")).unwrap();
    let keys =
        [rsa, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), KeyPair::generate_for(&PKCS_ED25519).unwrap()];
    for key in keys {
        let mut server = OidcProvider::start(&json!({"key": jwk(&key)}));
        let home = Home::with_vault();
        let file = home.path().join("key.pem");
        std::fs::write(&file, key.serialize_pem()).unwrap();
        let client = format!(
            "id = 'signing'\nauthentication = 'private_key_jwt'\nkey_id = 'k-1'\nkey_file = '{}'",
            file.display()
        );
        let issuer = &server.issuer;
        home.configure(&format!(
            "[providers.robot]\ngrant = 'client_credentials'\nissuer = '{issuer}'\nscopes = ['api:read']\n\
             [providers.robot.client]\n{client}\n\
             [providers.work]\nissuer = '{issuer}'\nscopes = ['openid', 'offline_access']\n\
             [providers.work.client]\n{client}\n",
        ));
        home.ok(&["agent", "stop"]);
        home.ok(&["login", "robot"]);
        home.ok(&["refresh", "robot"]);
        let (ended, _) = crate::provider::log_in(&home, &["work"], "");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        home.ok(&["refresh", "work"]);
        let out = home.ok(&["logout", "work", "--json"]);
        assert!(out.contains("\"revoked\""), "{out}");
        let seen = server.wait_for_grants("client_credentials", 2, std::time::Duration::from_secs(20));
        assert!(seen.iter().all(|line| line["status"] == 200), "{seen:?}");
    }
}

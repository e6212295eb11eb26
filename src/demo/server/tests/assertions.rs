//! Grants without a person, and clients that sign who they are: what is taken, and every claim that is not.

use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use super::client::post;
use crate::clock::Timestamp;
use crate::demo::server::{Options, PublicKey, RegisteredClient, Server, TrustedIssuer};
use crate::oauth::client_assertion::{ASSERTION_TYPE, ClientAssertion, sign};
use crate::token::ClientAuthentication;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

type Change = fn(&mut Value);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[test]
fn a_client_asks_for_itself_only_if_nobody_else_could() {
    let mut options = Options::default();
    options.clients.push(RegisteredClient::confidential("app", "s", ClientAuthentication::Post));
    let server = Server::start(options).expect("starts");
    let ask = |more: &[(&str, &str)]| {
        post(&server.url("/token"), &[&[("grant_type", "client_credentials"), ("scope", "a")], more].concat())
    };
    let granted = ask(&[("client_id", "app"), ("client_secret", "s")]);
    assert_eq!((granted.status, granted.text("scope").as_str()), (200, "a"));
    assert!(server.is_live(&granted.text("access_token")) && granted.json().get("refresh_token").is_none());
    assert_eq!(ask(&[("client_id", &server.client_id())]).refusal(), (400, "unauthorized_client".to_owned()));
    assert_eq!(ask(&[("client_id", "app"), ("client_secret", "x")]).refusal(), (401, "invalid_client".to_owned()));
}

#[test]
fn a_clients_signature_counts_once_and_only_here() {
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let clients = vec![
        RegisteredClient::with_key("ed", PublicKey::Ed25519(ed25519.public_key_raw().to_vec())),
        RegisteredClient::with_key("ec", PublicKey::P256(p256.public_key_raw().to_vec())),
    ];
    let server = Server::start(Options { clients, ..Options::default() }).expect("starts");
    let assertion = |key: &KeyPair, client_id: &str, audience: &str, now: u64| {
        let now = Timestamp(i64::try_from(now).expect("a time"));
        let asked = ClientAssertion { client_id, audience, key_id: None, now };
        sign(key.serialize_pem().as_bytes(), asked).expect("signed").expose().to_owned()
    };
    let ask = |client: &str, kind: &str, assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        post(&server.url("/token"), &fields)
    };
    let good = assertion(&ed25519, "ed", &server.issuer(), now());
    assert_eq!(ask("ed", ASSERTION_TYPE, &good).status, 200);
    assert_eq!(ask("ec", ASSERTION_TYPE, &assertion(&p256, "ec", &server.issuer(), now())).status, 200);
    let fresh = || assertion(&ed25519, "ed", &server.issuer(), now());
    let cases = [
        ("ed", ASSERTION_TYPE, good.clone(), "was used before"),
        ("ed", "urn:x", fresh(), "type is not known"),
        ("ec", ASSERTION_TYPE, fresh(), "another algorithm"),
        ("ed", ASSERTION_TYPE, assertion(&ed25519, "ec", &server.issuer(), now()), "not the client"),
        ("ed", ASSERTION_TYPE, assertion(&ed25519, "ed", "https://elsewhere.example", now()), "another server"),
        ("ed", ASSERTION_TYPE, assertion(&ed25519, "ed", &server.issuer(), now() - 400), "has ended"),
        ("ed", ASSERTION_TYPE, assertion(&ed25519, "ed", &server.issuer(), now() + 400), "too long"),
        ("ed", ASSERTION_TYPE, format!("{}AAAA", fresh()), "signature is wrong"),
        ("ed", ASSERTION_TYPE, "x".to_owned(), "no JWT"),
    ];
    for (client, kind, assertion, why) in cases {
        let refused = ask(client, kind, &assertion);
        assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()), "{why}");
        assert!(refused.text("error_description").contains(why), "{why}: {}", refused.body);
    }
}

#[test]
fn only_those_who_are_trusted_say_who_asks() {
    let cluster = Server::start(Options::default()).expect("starts");
    let trusted = TrustedIssuer {
        issuer: cluster.issuer(),
        audience: "https://api.example".to_owned(),
        key: cluster.shared_key(),
    };
    let required = vec![("federation_rule_id".to_owned(), "fdrl_1".to_owned())];
    let options = Options { trusted: vec![trusted], required, clientless: true, ..Options::default() };
    let server = Server::start(options).expect("starts");
    let claims = |change: fn(&mut Value)| {
        let mut claims = json!({
            "iss": cluster.issuer(), "sub": "pod", "aud": ["x", "https://api.example"], "exp": now() + 60,
        });
        change(&mut claims);
        cluster.mint(&claims)
    };
    let ask = |grant: &str, name: &str, token: &str, rule: &str| {
        let kind = "urn:ietf:params:oauth:token-type:jwt";
        let fields = [("grant_type", grant), (name, token), ("subject_token_type", kind), ("federation_rule_id", rule)];
        post(&server.url("/token"), &fields)
    };
    for (grant, name) in [(JWT_BEARER, "assertion"), (TOKEN_EXCHANGE, "subject_token")] {
        let granted = ask(grant, name, &claims(|_| {}), "fdrl_1");
        assert_eq!((granted.status, granted.json().get("refresh_token")), (200, None), "{}", granted.body);
        assert_eq!(granted.json().get("issued_token_type").is_some(), grant == TOKEN_EXCHANGE);
        assert_eq!(ask(grant, name, &claims(|_| {}), "fdrl_2").refusal(), (400, "invalid_request".to_owned()));
        let cases: [(Change, &str); 4] = [
            (|claims| claims["iss"] = json!("https://elsewhere.example"), "not trusted"),
            (|claims| claims["aud"] = json!("https://elsewhere.example"), "somebody else"),
            (|claims| claims["exp"] = json!(now() - 1), "has ended"),
            (|claims| drop(claims.as_object_mut().expect("an object").remove("sub")), "names nobody"),
        ];
        for (change, why) in cases {
            let refused = ask(grant, name, &claims(change), "fdrl_1");
            assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()), "{why}");
            assert!(refused.text("error_description").contains(why), "{why}: {}", refused.body);
        }
    }
    assert_eq!(server.families().iter().filter(|family| family.subject == "pod").count(), 2);
}

//! The certified server as a counterpart: it starts, and behaves as the tests of the flows rely on.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::http::{self, Reply, form, post_form};
use crate::support::oidc_provider::OidcProvider;
use crate::support::programs::missing_oidc_provider;
use serde_json::{Value, json};
use url::Url;

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1:4711/callback";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const RESOURCE: &str = "https://api.example/v1";

fn endpoint(metadata: &Value, name: &str) -> String {
    metadata[name].as_str().unwrap_or_else(|| panic!("no {name} in the metadata")).to_owned()
}

fn login(metadata: &Value, scope: &str, resource: Option<&str>) -> Reply {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", "native"),
        ("redirect_uri", REDIRECT),
        ("state", "s-1"),
        ("scope", scope),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    fields.extend(resource.map(|resource| ("resource", resource)));
    let url = format!("{}?{}", endpoint(metadata, "authorization_endpoint"), form(&fields));
    let back = Browser::default().until_redirected_away(&url);
    assert_eq!(parameter(&back, "state").as_deref(), Some("s-1"));
    assert_eq!(parameter(&back, "iss").as_deref(), metadata["issuer"].as_str());
    let code = parameter(&back, "code").unwrap_or_else(|| panic!("no code but {back}"));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", "native"),
    ];
    post_form(&endpoint(metadata, "token_endpoint"), &[], &fields)
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refresh(metadata: &Value, token: &str) -> Reply {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "native")];
    post_form(&endpoint(metadata, "token_endpoint"), &[], &fields)
}

#[test]
fn it_rotates_refresh_tokens_and_revokes_the_grant_when_one_is_reused() {
    if missing_oidc_provider() {
        return;
    }
    let mut server = OidcProvider::start(&json!({"accessTokenTtl": 5}));
    let metadata = server.metadata();
    assert_eq!(metadata["issuer"], json!(server.issuer));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], json!(true));
    let tokens = login(&metadata, "openid email offline_access", None);
    assert_eq!((tokens.status, tokens.json()["expires_in"].clone()), (200, json!(5)));
    assert_eq!(tokens.member("id_token").split('.').count(), 3);
    let first = tokens.member("refresh_token");
    let second = refresh(&metadata, &first).member("refresh_token");
    assert_ne!(first, second);
    assert_eq!(refresh(&metadata, &first).member("error"), "invalid_grant");
    assert_eq!(refresh(&metadata, &second).member("error"), "invalid_grant");
    let seen = server.wait_for_grants("refresh_token", 3, Duration::from_secs(20));
    assert_eq!(seen.iter().map(|line| line["status"].as_u64()).collect::<Vec<_>>(), [Some(200), Some(400), Some(400)]);
}

#[test]
fn it_signs_a_device_in() {
    if missing_oidc_provider() {
        return;
    }
    let server = OidcProvider::start(&json!({}));
    let metadata = server.metadata();
    let fields = [("client_id", "native"), ("scope", "openid offline_access")];
    let begun = post_form(&endpoint(&metadata, "device_authorization_endpoint"), &[], &fields);
    let device_code = begun.member("device_code");
    let poll = || {
        let fields = [("grant_type", DEVICE_CODE), ("device_code", device_code.as_str()), ("client_id", "native")];
        post_form(&endpoint(&metadata, "token_endpoint"), &[], &fields)
    };
    assert_eq!(poll().member("error"), "authorization_pending");
    let page = Browser::default().visit(&begun.member("verification_uri_complete"));
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(!poll().member("refresh_token").is_empty());
}

#[test]
fn it_revokes_and_binds_tokens_to_a_resource() {
    if missing_oidc_provider() {
        return;
    }
    let server = OidcProvider::start(&json!({}));
    let metadata = server.metadata();
    let tokens = login(&metadata, "openid api:read offline_access", Some(RESOURCE));
    // For a resource it issues a JWT (RFC 9068).
    assert_eq!(tokens.member("access_token").split('.').count(), 3);
    assert_eq!(tokens.member("scope"), "api:read");
    let refresh_token = tokens.member("refresh_token");
    let fields = [("token", refresh_token.as_str()), ("client_id", "native")];
    assert_eq!(post_form(&endpoint(&metadata, "revocation_endpoint"), &[], &fields).status, 200);
    assert_eq!(refresh(&metadata, &refresh_token).member("error"), "invalid_grant");
    assert_eq!(http::get(&endpoint(&metadata, "userinfo_endpoint")).status, 401);
}

#[test]
fn it_knows_its_confidential_clients_by_basic_and_post() {
    if missing_oidc_provider() {
        return;
    }
    use base64::Engine as _;
    let server = OidcProvider::start(&json!({}));
    let token_endpoint = endpoint(&server.metadata(), "token_endpoint");
    let ask = |headers: &[(&str, &str)], client: &[(&str, &str)]| {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", "guess")];
        fields.extend(client);
        post_form(&token_endpoint, headers, &fields).member("error")
    };
    // RFC 6749 section 2.3.1: both halves are form-encoded first.
    let basic = base64::engine::general_purpose::STANDARD.encode("basic:basic%3A+secret%2F%2B%25");
    let authorization = format!("Basic {basic}");
    // A client that is right is told that its token is wrong.
    assert_eq!(ask(&[("Authorization", &authorization)], &[]), "invalid_grant");
    assert_eq!(ask(&[], &[("client_id", "post"), ("client_secret", "post secret")]), "invalid_grant");
    assert_eq!(ask(&[], &[("client_id", "post"), ("client_secret", "wrong")]), "invalid_client");
    assert_eq!(ask(&[], &[("client_id", "post")]), "invalid_client");
}

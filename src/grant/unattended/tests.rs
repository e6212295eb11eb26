//! The three grants as they are sent, and what their refusals mean.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::grant::{Client, SigningKey, log_in};
use crate::oauth::canned::{Answer, Canned, Seen, answer};
use crate::oauth::http::HttpOptions;
use crate::provider::Provider;
use crate::secret::Secret;
use crate::token::ClientAuthentication;

const GRANTED: &str = r#"{"access_token":"new","refresh_token":"r","expires_in":60}"#;

fn client(id: &str, authentication: ClientAuthentication) -> Client {
    let secret = (authentication != ClientAuthentication::None).then(|| Secret::from("hush-hush".to_owned()));
    Client { id: id.to_owned(), secret, authentication, key: None }
}

async fn ask(
    toml: &str,
    client: &Client,
    respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (Result<Granted, Failure>, Option<Seen>) {
    let server = Canned::start(respond).await;
    let toml = format!("token_endpoint = '{}'\n{toml}", server.url("/token"));
    let provider: Provider = toml::from_str(&toml).expect("TOML");
    let request = GrantRequest {
        provider: &provider,
        token_endpoint: &server.url("/token"),
        client,
        source: Some(&Secret::from("the assertion".to_owned())),
        scope: &["b".into(), "a".into()],
        audience: Some("https://api.example"),
        issuer: None,
    };
    let http = Http::new(HttpOptions::default()).expect("HTTP");
    (obtain(&http, &SystemClock, request).await, server.seen().pop())
}

#[tokio::test]
async fn the_client_asks_for_itself_and_keeps_no_refresh_token() {
    let client = client("c", ClientAuthentication::Basic);
    let (granted, seen) = ask("grant = 'client_credentials'", &client, |_| answer(200, GRANTED)).await;
    let seen = seen.expect("asked");
    let tokens = granted.expect("granted").tokens;
    assert_eq!((&*tokens.access.expose(), tokens.refresh.is_none()), ("new", true));
    assert_eq!(seen.form("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(
        (seen.form("scope").as_deref(), seen.form("resource").as_deref()),
        (Some("b a"), Some("https://api.example"))
    );
    assert!(seen.header("authorization").starts_with("Basic ") && seen.form("assertion").is_none());
}

#[tokio::test]
async fn an_assertion_may_say_enough_without_a_client() {
    let toml =
        "grant = 'jwt_bearer'\n[token]\nbody = 'json'\nparameters = { federation_rule_id = 'fdrl_1', assertion = 'x' }";
    let (granted, seen) = ask(toml, &client("", ClientAuthentication::None), |_| answer(200, GRANTED)).await;
    let body: serde_json::Value = serde_json::from_str(&seen.expect("asked").body).expect("JSON");
    let expected = serde_json::json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "the assertion", "scope": "b a",
        "resource": "https://api.example", "federation_rule_id": "fdrl_1",
    });
    assert_eq!(body, expected);
    assert!(granted.is_ok());
}

#[tokio::test]
async fn a_token_is_exchanged_under_its_own_name() {
    let toml = "grant = 'token_exchange'\nsubject = { account = 'okta', token = 'id' }\n[token]\naudience = 'audience'";
    let (_, seen) = ask(toml, &client("c", ClientAuthentication::Post), |_| answer(200, GRANTED)).await;
    let seen = seen.expect("asked");
    assert_eq!(seen.form("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:token-exchange"));
    assert_eq!(seen.form("subject_token").as_deref(), Some("the assertion"));
    assert_eq!(seen.form("subject_token_type").as_deref(), Some("urn:ietf:params:oauth:token-type:id_token"));
    assert_eq!(
        (seen.form("audience").as_deref(), seen.form("client_id").as_deref()),
        (Some("https://api.example"), Some("c"))
    );
}

#[tokio::test]
async fn a_refusal_ends_no_login_unless_the_provider_says_so() {
    use ErrorClass::{Dead, Denied, Misconfigured, Transient};
    let dead = "\n[[errors]]\nerror = 'invalid_grant'\nclass = 'dead'";
    let cases = [
        ("", 400, r#"{"error":"invalid_grant"}"#, Denied),
        (dead, 400, r#"{"error":"invalid_grant"}"#, Dead),
        (dead, 401, r#"{"error":"invalid_client"}"#, Misconfigured),
        ("", 503, "", Transient),
        ("", 200, "<html>", Transient),
    ];
    for (more, status, body, class) in cases {
        let toml = format!("grant = 'jwt_bearer'{more}");
        let (result, _) = ask(&toml, &client("c", ClientAuthentication::None), move |_| answer(status, body)).await;
        let failure = result.expect_err("refused");
        assert_eq!(
            (failure.class, failure.answer_lost, failure.invalid_grant),
            (class, false, false),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn nothing_that_was_sent_is_repeated() {
    let toml = "grant = 'token_exchange'";
    let echo = r#"{"error":"invalid_grant","error_description":"the assertion is not for hush-hush"}"#;
    let (result, _) = ask(toml, &client("c", ClientAuthentication::Post), move |_| answer(400, echo)).await;
    let message = result.expect_err("refused").message;
    assert!(!message.contains("the assertion") && !message.contains("hush-hush"), "{message}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let key = Some(SigningKey { file: "/nonexistent/key.pem".into(), id: None, audience: None });
    let signing = Client { key, ..client("c", ClientAuthentication::PrivateKeyJwt) };
    let (result, seen) = ask("grant = 'client_credentials'", &signing, |_| answer(200, GRANTED)).await;
    let failure = result.expect_err("no key");
    assert_eq!(failure.class, ErrorClass::Misconfigured);
    assert_eq!(failure.message, "the client's key /nonexistent/key.pem: it cannot be read: entity not found");
    assert!(seen.is_none());
}

#[tokio::test]
async fn a_login_is_one_exchange_and_shows_nobody_anything() {
    let server = Canned::start(|_| answer(200, GRANTED)).await;
    let toml = format!("title = 'Example'\ngrant = 'client_credentials'\ntoken_endpoint = '{}'", server.url("/token"));
    let provider: Arc<Provider> = Arc::new(toml::from_str(&toml).expect("TOML"));
    let http = Http::new(HttpOptions::default()).expect("HTTP");
    let attempt = async |flow, id| {
        let (events, mut event) = mpsc::unbounded_channel();
        let (_pastes, pastes) = mpsc::unbounded_channel();
        let request = LoginRequest {
            provider: Arc::clone(&provider),
            account: "example".into(),
            client: client(id, ClientAuthentication::Basic),
            source: None,
            scope: vec!["a".into()],
            flow,
            browser: false,
            redirect_port: None,
            callbacks: None,
            time_limit: Duration::from_secs(60),
        };
        let result = log_in(&http, &SystemClock, request, LoginChannel { events, pastes }).await;
        (result, event.try_recv().ok())
    };
    let (result, event) = attempt(Flow::Auto, "c").await;
    let tokens = result.expect("signed in").tokens;
    assert_eq!((tokens.scope.as_slice(), event), (&["a".to_owned()][..], Some(LoginEvent::Stage(Stage::Exchanging))));
    let (result, event) = attempt(Flow::Device, "c").await;
    assert!(matches!(result, Err(LoginError::Impossible(why)) if why.contains("without a person")) && event.is_none());
    let (result, _) = attempt(Flow::Auto, "").await;
    assert!(matches!(result, Err(LoginError::Impossible(why)) if why.contains("client identifier")));
    assert_eq!(server.seen().len(), 1);
}

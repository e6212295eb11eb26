//! Device logins against a server on loopback, with time that passes by itself while everybody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::grant::exchange::no_failure;
use crate::grant::{Client, Failure, log_in};
use crate::ipc::message::login::Flow;
use crate::oauth::canned::{Canned, answer};
use crate::oauth::http::HttpOptions;
use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// A login at a server whose token endpoint gives these answers in turn, the last for ever.
async fn run(device: &str, answers: &'static [(u16, &'static str)]) -> Result<Authorized, LoginError> {
    let asked = AtomicUsize::new(0);
    let device = format!(r#"{{"device_code":"dc","user_code":"AB-CD","verification_uri":"https://a/d"{device}}}"#);
    let server = Canned::start(move |seen| match seen.path.as_str() {
        "/device" => answer(200, &device),
        _ => {
            assert_eq!(seen.form("device_code").as_deref(), Some("dc"));
            let (status, body) = answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
            answer(status, body)
        }
    })
    .await;
    run_at(&server, "").await
}

/// A login at a provider that is on this server, and says `more`.
fn login_at(server: &Canned, more: &str) -> LoginRequest {
    let toml = format!(
        "title = 'Example'\ntoken_endpoint = '{}'\ndevice_authorization_endpoint = '{}'\n{more}",
        server.url("/token"),
        server.url("/device")
    );
    LoginRequest {
        provider: Arc::new(toml::from_str(&toml).expect("TOML")),
        account: "example".into(),
        client: Client { id: "client".into(), secret: None, authentication: ClientAuthentication::None, key: None },
        source: None,
        scope: vec!["a".into()],
        flow: Flow::Device,
        browser: false,
        redirect_port: None,
        callbacks: None,
        time_limit: Duration::from_secs(120),
    }
}

async fn run_at(server: &Canned, more: &str) -> Result<Authorized, LoginError> {
    let (event, mut events) = mpsc::unbounded_channel();
    let (_pastes, paste) = mpsc::unbounded_channel();
    let http = Http::new(HttpOptions::default()).expect("HTTP");
    let request = login_at(server, more);
    let result = log_in(&http, &SystemClock, request, LoginChannel { events: event, pastes: paste }).await;
    let Some(LoginEvent::Authorize { user_code, redirect: false, paste: false, .. }) = events.recv().await else {
        panic!("no code to show")
    };
    assert_eq!(user_code.as_deref(), Some("AB-CD"));
    result
}

#[tokio::test]
async fn a_secret_that_the_server_repeats_is_not_shown() {
    let server = Canned::start(|_| answer(401, r#"{"error":"x","error_description":"hush-hush is wrong"}"#)).await;
    let mut request = login_at(&server, "");
    request.client.secret = Some(Secret::from("hush-hush".to_owned()));
    request.client.authentication = ClientAuthentication::Post;
    let (event, _events) = mpsc::unbounded_channel();
    let (_pastes, paste) = mpsc::unbounded_channel();
    let http = Http::new(HttpOptions::default()).expect("HTTP");
    let result = log_in(&http, &SystemClock, request, LoginChannel { events: event, pastes: paste }).await;
    assert!(matches!(&result, Err(LoginError::Failed(failure)) if !failure.message.contains("hush")), "{result:?}");
}

const PENDING: (u16, &str) = (400, r#"{"error":"authorization_pending"}"#);

#[tokio::test(start_paused = true)]
async fn it_asks_until_the_person_has_signed_in() {
    const ANSWERS: &[(u16, &str)] =
        &[PENDING, (400, r#"{"error":"slow_down"}"#), (503, "busy"), PENDING, (200, r#"{"access_token":"at"}"#)];
    let tokens = run("", ANSWERS).await.expect("signed in").tokens;
    assert_eq!((&*tokens.access.expose(), tokens.scope), ("at", vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn every_end_has_its_own_error() {
    let result = run("", &[(400, r#"{"error":"access_denied"}"#)]).await;
    assert!(matches!(result, Err(LoginError::Denied(_))), "{result:?}");
    let result = run("", &[(400, r#"{"error":"expired_token"}"#)]).await;
    assert!(matches!(result, Err(LoginError::TimedOut(_))), "{result:?}");
    let result = run("", &[(401, r#"{"error":"invalid_client"}"#)]).await;
    assert!(matches!(result, Err(LoginError::Failed(_))), "{result:?}");
    let result = run(r#","expires_in":22"#, &[PENDING]).await;
    assert!(matches!(result, Err(LoginError::TimedOut(_))), "{result:?}");
}

/// A login that ends in a code, at a server that answers the questions for it in turn, the last for ever.
async fn run_by_code(polls: Vec<(u16, &'static str)>) -> Result<Authorized, LoginError> {
    let asked = AtomicUsize::new(0);
    let server = Canned::start(move |seen| match seen.path.as_str() {
        "/device" => answer(200, r#"{"id":"identifier-of-it","user_code":"AB-CD","interval":"1"}"#),
        "/poll" => {
            assert_eq!(seen.body, r#"{"id":"identifier-of-it","user_code":"AB-CD"}"#);
            let (status, body) = polls[asked.fetch_add(1, Ordering::Relaxed).min(polls.len() - 1)];
            answer(status, body)
        }
        _ => {
            let sent = ["code", "code_verifier", "redirect_uri"].map(|name| seen.form(name).unwrap_or_default());
            assert_eq!(sent, ["c", "v", "https://a.example/r"]);
            answer(200, r#"{"access_token":"at"}"#)
        }
    })
    .await;
    let more = format!(
        "[device]\npage = 'https://a.example'\npoll_endpoint = '{}'\nidentifier = 'id'\n\
         redirect_uri = 'https://a.example/r'\npending = [403]\nlifetime = '1m'",
        server.url("/poll")
    );
    run_at(&server, &more).await
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ends_in_a_code_keeps_its_pace_while_the_person_signs_in() {
    const NOT_YET: (u16, &str) = (403, r#"{"error":{"code":"unknown"}}"#);
    const CODE: (u16, &str) = (200, r#"{"authorization_code":"c","code_challenge":"x","code_verifier":"v"}"#);
    let tokens = run_by_code([[NOT_YET; 40].as_slice(), &[CODE]].concat()).await;
    assert_eq!(&*tokens.expect("within a minute").tokens.access.expose(), "at");
    assert!(run_by_code(vec![(502, ""), (200, "<html>"), CODE]).await.is_ok(), "what is in trouble is asked again");
    let never = run_by_code(vec![NOT_YET]).await;
    assert!(matches!(never, Err(LoginError::TimedOut(_))), "{never:?}");
    let denied = run_by_code(vec![NOT_YET, (403, r#"{"error":"access_denied"}"#)]).await;
    assert!(matches!(denied, Err(LoginError::Denied(_))), "{denied:?}");
    let refused =
        run_by_code(vec![(400, r#"{"error":"invalid_request","error_description":"identifier-of-it"}"#)]).await;
    assert!(
        matches!(&refused, Err(LoginError::Failed(failure)) if !failure.message.contains("identifier-of-it")),
        "{refused:?}"
    );
}

#[test]
fn the_pace_is_the_servers_and_slower_while_it_is_in_trouble() {
    let seconds = Duration::from_secs;
    let mut pace = Pace { interval: seconds(5), wait: seconds(5) };
    let mut after = |error: Option<&str>, retry_after: Option<u64>| {
        let failure = Failure { retry_after: retry_after.map(seconds), ..no_failure() };
        pace.slow(Refusal { failure, error: error.map(str::to_owned), ruled: false }, "Example").expect("goes on");
        pace.wait.as_secs()
    };
    assert_eq!(after(Some("authorization_pending"), None), 5);
    assert_eq!(after(Some("slow_down"), None), 10);
    assert_eq!(after(Some("authorization_pending"), None), 10);
    // Section 3.5: exponential backoff where no answer comes, and the old pace when it does.
    assert_eq!([after(None, None), after(None, None), after(None, None), after(None, None)], [20, 40, 60, 60]);
    assert_eq!(after(Some("authorization_pending"), None), 10);
    assert_eq!(after(None, Some(90)), 90);
}

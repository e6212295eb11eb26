//! Whole logins by code against a server on loopback, with a browser that is a TCP client.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::*;
use crate::clock::SystemClock;
use crate::grant::{Client, PageAccount, log_in};
use crate::ipc::message::login::Flow;
use crate::oauth::canned::{Canned, Seen, answer};
use crate::oauth::http::HttpOptions;
use crate::token::ClientAuthentication;

struct Login {
    server: Canned,
    events: mpsc::UnboundedReceiver<LoginEvent>,
    pastes: mpsc::UnboundedSender<Paste>,
    result: tokio::task::JoinHandle<Result<Authorized, LoginError>>,
}

/// Starts a login at a server whose token endpoint answers with `body`.
async fn start(
    toml: &str,
    scope: &str,
    limit: Duration,
    body: impl Fn(&Seen) -> String + Send + Sync + 'static,
) -> Login {
    let server = Canned::start(move |seen| match seen.path.as_str() {
        "/userinfo" => answer(200, r#"{"sub":"subject-1","email":"ada@example.org"}"#),
        _ => answer(200, &body(seen)),
    })
    .await;
    let toml = format!(
        "title = 'Example'\nauthorization_endpoint = 'https://as.example/authorize'\ntoken_endpoint = '{}'\n\
         userinfo_endpoint = '{}'\n{toml}",
        server.url("/token"),
        server.url("/userinfo")
    );
    let (event, events) = mpsc::unbounded_channel();
    let (pastes, paste) = mpsc::unbounded_channel();
    let request = LoginRequest {
        provider: Arc::new(toml::from_str(&toml).expect("TOML")),
        account: "example".into(),
        client: Client { id: "client".into(), secret: None, authentication: ClientAuthentication::None, key: None },
        source: None,
        scope: scope.split(' ').map(str::to_owned).collect(),
        flow: Flow::Auto,
        browser: true,
        redirect_port: None,
        callbacks: None,
        time_limit: limit,
    };
    let channel = LoginChannel { events: event, pastes: paste };
    let result = tokio::spawn(async move {
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        log_in(&http, &SystemClock, request, channel).await
    });
    Login { server, events, pastes, result }
}

const LONG: Duration = Duration::from_secs(60);

impl Login {
    /// The authorization URL's parameters.
    async fn authorize(&mut self) -> impl Fn(&str) -> String + use<> {
        let Some(LoginEvent::Authorize { url, paste: true, .. }) = self.events.recv().await else { panic!("no URL") };
        let url = url::Url::parse(&url).expect("URL");
        move |name| url.query_pairs().find(|(key, _)| key == name).map(|(_, v)| v.into_owned()).unwrap_or_default()
    }

    async fn paste(&self, text: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.pastes.send(Paste { text: Secret::from(text.to_owned()), answer }).expect("login waits");
        answered.await.expect("answer")
    }
}

/// What a browser does with a redirect.
async fn browse(url: String) -> String {
    let url = url::Url::parse(&url).expect("URL");
    let (host, port) = (url.host_str().expect("host"), url.port().expect("port"));
    let mut stream = tokio::net::TcpStream::connect((host, port)).await.expect("connect");
    let target = format!("{}?{}", url.path(), url.query().unwrap_or(""));
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").as_bytes()).await.expect("write");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("page");
    page
}

fn id_token(nonce: &str) -> String {
    let claims = format!(r#"{{"sub":"subject-1","aud":"client","exp":99999999999,"nonce":"{nonce}"}}"#);
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn a_redirect_signs_in_and_the_page_waits_until_it_is_saved() {
    let nonce = Arc::new(std::sync::Mutex::new(String::new()));
    let echoed = nonce.clone();
    let body = move |_: &Seen| {
        let id = id_token(&echoed.lock().expect("lock"));
        format!(r#"{{"access_token":"at","refresh_token":"rt","expires_in":60,"id_token":"{id}"}}"#)
    };
    let mut login = start("", "openid b a", LONG, body).await;
    let asked = login.authorize().await;
    *nonce.lock().expect("lock") = asked("nonce");
    let redirect = format!("{}?code=the+code&state={}", asked("redirect_uri"), asked("state"));
    let page = tokio::spawn(browse(redirect));
    let authorized = login.result.await.expect("joined").expect("signed in");
    assert!(!page.is_finished(), "the page waits for the vault");

    let token_request = login.server.seen().remove(0);
    let form = |name| token_request.form(name).unwrap_or_default();
    assert_eq!((form("code").as_str(), form("redirect_uri")), ("the code", asked("redirect_uri")));
    assert_eq!(pkce::challenge(&form("code_verifier")), asked("code_challenge"));
    assert_ne!(asked("state"), form("code_verifier"));
    assert_eq!((form("grant_type").as_str(), form("state").as_str()), ("authorization_code", ""));
    assert_eq!(authorized.tokens.scope, ["a", "b", "openid"]);
    assert_eq!(authorized.identity.subject.as_deref(), Some("subject-1"));
    assert_eq!(authorized.identity.display(), Some("ada@example.org"));
    assert!(authorized.tokens.id_expires_at.is_some());

    let account = PageAccount { provider: "Example".into(), account: "example".into(), identity: Some("Ada".into()) };
    authorized.page.expect("a browser waits").finish(Ok(account));
    assert!(page.await.expect("page").contains("Ada"));
}

#[tokio::test]
async fn an_id_token_of_another_login_fails_it_and_the_page_says_so() {
    let body = |_: &Seen| format!(r#"{{"access_token":"at","id_token":"{}"}}"#, id_token("another"));
    let mut login = start("", "openid", LONG, body).await;
    let asked = login.authorize().await;
    let page = browse(format!("{}?code=c&state={}", asked("redirect_uri"), asked("state"))).await;
    let error = login.result.await.expect("joined").expect_err("refused");
    assert!(error.to_string().contains("belongs to another login"), "{error}");
    assert!(page.contains("Sign-in failed") && page.contains("another login"), "{page}");
}

#[tokio::test]
async fn a_pasted_code_signs_in_at_a_provider_that_shows_it() {
    let provider = "[redirect]\nloopback = false\npage = 'https://as.example/code'\n[token]\nsend_state = true\n\
                    [identity]\nname = '/who'";
    let mut login = start(provider, "a", LONG, |_| r#"{"access_token":"at","who":"Ada"}"#.to_owned()).await;
    let asked = login.authorize().await;
    assert_eq!(asked("redirect_uri"), "https://as.example/code");
    assert!(login.paste("code").await.expect_err("cut").contains("missing"));
    assert!(login.paste("code#other").await.expect_err("other").contains("another login"));
    assert_eq!(login.paste(&format!(" co\nde#{} ", asked("state"))).await, Ok(()));
    let authorized = login.result.await.expect("joined").expect("signed in");
    assert!(authorized.page.is_none());
    assert_eq!(authorized.identity.display(), Some("Ada"));
    let token_request = login.server.seen().remove(0);
    assert_eq!(token_request.form("state"), Some(asked("state")));
    assert_eq!(token_request.form("code").as_deref(), Some("code"));
}

#[tokio::test]
async fn a_whole_address_can_be_pasted_while_the_listener_waits() {
    let mut login = start("", "a", LONG, |_| r#"{"access_token":"at"}"#.to_owned()).await;
    let asked = login.authorize().await;
    let elsewhere = browse(format!("{}?code=c&state=wrong", asked("redirect_uri"))).await;
    assert!(elsewhere.contains("another login"), "{elsewhere}");
    let address = format!("{}?code=c&state={}", asked("redirect_uri"), asked("state"));
    assert_eq!(login.paste(&address).await, Ok(()));
    assert!(login.result.await.expect("joined").is_ok());
}

fn knows_one_code(seen: &Seen) -> String {
    let body =
        if seen.body.contains("code=whole&") { r#"{"access_token":"at"}"# } else { r#"{"error":"invalid_grant"}"# };
    body.to_owned()
}

#[tokio::test]
async fn a_code_that_the_server_does_not_know_leaves_the_login_waiting() {
    let mut login = start("", "a", LONG, knows_one_code).await;
    let asked = login.authorize().await;
    let address = |code: &str| format!("{}?code={code}&state={}", asked("redirect_uri"), asked("state"));
    let error = login.paste(&address("hole")).await.expect_err("cut at its front");
    assert!(error.contains("invalid_grant") && error.ends_with("copy the code again, all of it"), "{error}");
    assert_eq!(login.paste(&address("whole")).await, Ok(()));
    assert!(login.result.await.expect("joined").is_ok());

    // The redirect still counts, too.
    let mut login = start("", "a", LONG, knows_one_code).await;
    let asked = login.authorize().await;
    let address = |code: &str| format!("{}?code={code}&state={}", asked("redirect_uri"), asked("state"));
    assert!(login.paste(&address("hole")).await.is_err());
    let browser = tokio::spawn(browse(address("whole")));
    assert!(login.result.await.expect("joined").is_ok());
    browser.abort();
}

#[tokio::test]
async fn the_providers_no_and_a_closed_browser_end_it_in_their_own_ways() {
    let mut login = start("", "a", LONG, |_| String::new()).await;
    let asked = login.authorize().await;
    let query = "error=access_denied&error_description=not+today";
    browse(format!("{}?{query}&state={}", asked("redirect_uri"), asked("state"))).await;
    let error = login.result.await.expect("joined").expect_err("denied");
    assert_eq!(error, LoginError::Denied("Example declined the login: access_denied (not today)".into()));

    let login = start("", "a", Duration::from_millis(20), |_| String::new()).await;
    let error = login.result.await.expect("joined").expect_err("too late");
    assert!(matches!(&error, LoginError::TimedOut(text) if text.contains("nobody signed in at Example")), "{error:?}");
}

#[tokio::test]
async fn dropping_the_login_closes_its_port() {
    let mut login = start("", "a", LONG, |_| String::new()).await;
    let redirect_uri = login.authorize().await("redirect_uri");
    login.result.abort();
    assert!(login.result.await.expect_err("aborted").is_cancelled());
    let port = url::Url::parse(&redirect_uri).expect("URL").port().expect("port");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn a_login_without_a_client_says_what_to_do() {
    let provider = crate::provider::Provider::from_issuer("https://i.example");
    let (event, _events) = mpsc::unbounded_channel();
    let (_pastes, paste) = mpsc::unbounded_channel();
    let request = LoginRequest {
        provider: Arc::new(provider),
        account: "i.example".into(),
        client: Client { id: String::new(), secret: None, authentication: ClientAuthentication::None, key: None },
        source: None,
        scope: Vec::new(),
        flow: Flow::Auto,
        browser: true,
        redirect_port: None,
        callbacks: None,
        time_limit: LONG,
    };
    let http = Http::new(HttpOptions::default()).expect("HTTP");
    let channel = LoginChannel { events: event, pastes: paste };
    let error = log_in(&http, &SystemClock, request, channel).await.expect_err("impossible");
    assert!(matches!(&error, LoginError::Impossible(text) if text.contains("--client-id")), "{error:?}");
}

#[tokio::test]
async fn a_redirect_has_to_name_its_issuer_where_the_server_promises_it() {
    let address = "http://127.0.0.1:1/callback?code=c&state=STATE";
    let state = Secret::from("STATE".to_owned());
    let pasted = |text: &str| {
        let redirect_uri = if text.contains("://") { "http://127.0.0.1:1/callback" } else { "https://as.example/code" };
        paste::decode(text, ExpectedPaste { redirect_uri, state: &state, bare_code: false, state_in_path: false })
            .expect("this login's")
    };
    let cases = [
        (address.to_owned(), true, "doesn't name its issuer"),
        (format!("{address}&iss=https://evil.example"), false, "another issuer"),
        // These pass the check and come as far as the token endpoint, which is not there.
        (format!("{address}&iss=https://i.example"), true, "could not be reached"),
        (address.to_owned(), false, "could not be reached"),
        ("c#STATE".to_owned(), true, "could not be reached"),
    ];
    // A port that was free a moment ago.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("address");
    for (text, iss_parameter, expected) in cases {
        let request = LoginRequest {
            provider: Arc::new(crate::provider::Provider::from_issuer("https://i.example")),
            account: "example".into(),
            client: Client { id: "client".into(), secret: None, authentication: ClientAuthentication::None, key: None },
            source: None,
            scope: Vec::new(),
            flow: Flow::Auto,
            browser: true,
            redirect_port: None,
            callbacks: None,
            time_limit: LONG,
        };
        let endpoints = Endpoints {
            issuer: Some("https://i.example".into()),
            token: format!("http://{free}/token"),
            iss_parameter,
            ..Endpoints::default()
        };
        let login = CodeLogin { request, endpoints, redirect: Redirect::Loopback };
        let ties = Ties::new("http://127.0.0.1:1/callback".into(), &[]).expect("random");
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let error =
            redeem(&http, &SystemClock, &login, &ties, pasted(&text)).await.err().expect("no server").to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

//! The listener among clients that mean no good: whatever they send, the browser's redirect still wins.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::grant::PageAccount;

pub(super) const STATE: &str = "right-state";

pub(super) async fn listen(host: &str) -> (Serving, String, u16) {
    let redirect = Redirect { host: host.to_owned(), ..Redirect::default() };
    let loopback = Loopback::bind(&redirect, None).await.expect("a port");
    let url = url::Url::parse(loopback.redirect_uri()).expect("URL");
    let authority = loopback.authority.clone();
    let expected = Expected {
        state: Secret::from(STATE.to_owned()),
        state_in_path: false,
        issuer: Some("https://i.example".into()),
        iss_promised: false,
        provider: "Example".into(),
    };
    (loopback.serve(expected), authority, url.port().expect("port"))
}

/// Sends bytes and reads the answer to its end.
pub(super) async fn talk(port: u16, bytes: String) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
    let _ = stream.write_all(bytes.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) fn get(authority: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

/// Serves while a client talks; the redirect must not arrive meanwhile.
pub(super) async fn serving_while<T>(serving: &mut Serving, client: impl Future<Output = T>) -> T {
    tokio::select! {
        result = client => result,
        _ = serving.redirect() => panic!("this ended the login"),
    }
}

#[tokio::test]
async fn nothing_but_the_redirect_ends_the_login() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    let good = format!("/callback?code=abc&state={STATE}");
    let from = |method: &str, host: &str| format!("{method} {good} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let cases = [
        (get(&authority, "/callback?code=abc&state=wrong"), "400", "another login"),
        (get(&authority, "/callback?code=abc"), "400", "another login"),
        (get(&authority, "/callback?error=access_denied"), "400", "another login"),
        (get(&authority, "/callback"), "400", "no sign-in redirect"),
        (get(&authority, &format!("{good}&code=twice")), "400", "no sign-in redirect"),
        (get(&authority, "/favicon.ico"), "404", "nothing here"),
        (get(&authority, &format!("/callback/?code=abc&state={STATE}")), "404", "nothing here"),
        (from("GET", "evil.example"), "404", "nothing here"),
        (from("GET", &format!("localhost:{port}")), "404", "nothing here"),
        (from("GET", &format!("{authority}\r\nHost: {authority}")), "404", "nothing here"),
        (format!("GET http://{authority}{good} HTTP/1.1\r\nHost: {authority}\r\n\r\n"), "404", "nothing here"),
        (format!("GET {good} HTTP/1.0\r\n\r\n"), "404", "nothing here"),
        (from("POST", &authority), "405", "here"),
        (from("HEAD", &authority), "405", ""),
        (from("OPTIONS", &authority), "405", "here"),
        (format!("GET {good} HTTP/1.1\r\nHost: {authority}\r\nX: {}\r\n\r\n", "x".repeat(200_000)), "431", ""),
        (get(&authority, &format!("/callback?code={}", "a".repeat(100_000))), "4", ""),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n".to_owned(), "400", ""),
        ("quit\r\n\r\n".to_owned(), "400", ""),
    ];
    for (bytes, status, text) in cases {
        let shown = bytes.chars().take(80).collect::<String>();
        let answer = serving_while(&mut serving, talk(port, bytes)).await;
        // A client that is still sending when the answer is written may miss it, but never ends the login.
        let refused = answer.starts_with(&format!("HTTP/1.1 {status}")) || answer.starts_with("HTTP/1.0 404");
        assert!(refused || (answer.is_empty() && status.starts_with('4') && shown.len() >= 80), "{shown}\n{answer}");
        assert!(answer.is_empty() || answer.contains(text), "{shown}\n{answer}");
        assert!(!answer.contains("abc"), "{shown}\n{answer}");
    }
    let (answer, arrived) = tokio::join!(talk(port, get(&authority, &good)), async {
        let mut arrived = serving.redirect().await;
        arrived.page.take().expect("a code's page").finish(Err("the disk <is> full".into()));
        arrived
    });
    assert!(matches!(arrived.redirected.outcome, Outcome::Code(code) if &*code.expose() == "abc"));
    assert!(answer.contains("the disk &lt;is&gt; full"), "{answer}");
}

#[tokio::test]
async fn slow_and_silent_clients_take_no_place_from_the_browser() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    let mut slow = Vec::new();
    let knock = async {
        for _ in 0..MAX_CONNECTIONS * 2 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
            stream.write_all(b"GET /callback?code=").await.expect("write");
            slow.push(stream);
        }
    };
    serving_while(&mut serving, knock).await;
    let request = get(&authority, &format!("/callback?code=abc&state={STATE}"));
    let account = PageAccount { provider: "Example".into(), account: "example".into(), identity: None };
    let (answer, ()) = tokio::join!(talk(port, request), async {
        let arrived = serving.redirect().await;
        arrived.page.expect("page").finish(Ok(account));
    });
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("signed in"), "{answer}");
    assert!(serving.open.len() <= MAX_CONNECTIONS);
}

#[tokio::test]
async fn a_replay_finds_that_it_was_used_and_a_dropped_login_says_so() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    let request = get(&authority, &format!("/callback?code=abc&state={STATE}&iss=https%3A%2F%2Fi.example"));
    let first = tokio::spawn(talk(port, request.clone()));
    let arrived = serving.redirect().await;
    let replay = serving_while(&mut serving, talk(port, request)).await;
    assert!(replay.starts_with("HTTP/1.1 410") && replay.contains("already used"), "{replay}");
    drop(arrived);
    drop(serving);
    assert!(first.await.expect("answer").contains("not completed"));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn the_providers_error_and_a_wrong_issuer_have_their_pages() {
    let cases = [
        ("error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E", "&lt;b&gt;no&lt;/b&gt; (access_denied)"),
        ("code=abc&iss=https%3A%2F%2Fevil.example", "another issuer"),
        ("error=server_error&iss=https%3A%2F%2Fevil.example", "another issuer"),
    ];
    for (query, text) in cases {
        let (mut serving, authority, port) = listen("127.0.0.1").await;
        let request = get(&authority, &format!("/callback?{query}&state={STATE}"));
        let (answer, arrived) = tokio::join!(talk(port, request), serving.redirect());
        assert!(answer.contains(text) && !answer.contains("<b>"), "{query}\n{answer}");
        assert!(arrived.page.is_none());
    }
}

#[tokio::test]
async fn localhost_is_both_addresses_where_there_are_both() {
    let (mut serving, authority, port) = listen("localhost").await;
    assert_eq!(authority, format!("localhost:{port}"));
    let request = get(&authority.to_uppercase(), &format!("/callback?error=access_denied&state={STATE}"));
    let host = if serving.sockets.len() == 2 { "::1" } else { "127.0.0.1" };
    // Open until the end: a browser that hangs up early is another matter.
    let mut stream = TcpStream::connect((host, port)).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("write");
    assert!(matches!(serving.redirect().await.redirected.outcome, Outcome::Error { .. }));
}

#[tokio::test]
async fn a_port_that_others_have_is_passed_over_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = taken.local_addr().expect("address").port();
    let spare = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("address").port();
    let redirect = Redirect { ports: vec![port, spare], ..Redirect::default() };
    let bound = Loopback::bind(&redirect, None).await.expect("the second");
    assert_eq!(bound.redirect_uri(), format!("http://127.0.0.1:{spare}/callback"));
    let error = Loopback::bind(&redirect, Some(port)).await.err().expect("taken");
    assert!(error.contains(&format!("port {port} of this machine")), "{error}");
    assert!(is_taken(&std::io::ErrorKind::PermissionDenied.into()));
}

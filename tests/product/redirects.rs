//! The loopback redirect of a real login, with strangers at its port: none ends the login, gets the code, or keeps the browser
//! from bringing it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

use super::home::{Home, browse, ended, fetch, first_line, lasting_server};

/// Sends bytes and says no more; what is answered until the end or a reset.
fn knock(authority: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.write_all(bytes.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_login_comes_through_a_crowd_of_strangers() {
    let server = lasting_server();
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    let mut login = home.start(&["login", &issuer, "--client-id", &client, "--no-browser"]);
    let url = first_line(&mut login);
    let asked = Url::parse(&url).unwrap();
    let of = |wanted: &str| asked.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
    let (redirect, state) = (Url::parse(&of("redirect_uri")).unwrap(), of("state"));
    let authority = format!("{}:{}", redirect.host_str().unwrap(), redirect.port().unwrap());
    let path = redirect.path();

    let silent: Vec<_> = (0..1000).map(|_| TcpStream::connect(&authority).unwrap()).collect();
    // Even with the state, which nobody but the browser knows, a stranger needs method, Host and path to be right.
    let strangers = [
        format!("GET {path}?code=stolen&state=guessed HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
        format!("GET {path}?error=access_denied&state=guessed HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
        format!("GET {path}?code=stolen&state={state} HTTP/1.1\r\nHost: rebound.example\r\n\r\n"),
        format!("POST {path}?code=stolen&state={state} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\n\r\n"),
        format!("GET /?code=stolen&state={state} HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}".to_owned(),
        format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)),
    ];
    for bytes in strangers {
        let answer = knock(&authority, &bytes);
        assert!(!answer.contains("signed in") && !answer.contains(&state), "{answer}");
    }
    assert!(login.try_wait().unwrap().is_none(), "the login goes on");
    let page = browse(&url);
    assert!(page.contains("signed in"), "{page}");
    let ended = ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(server.is_live(&home.token()));
    // Nobody listens any more: what comes late, or again, finds nothing.
    assert!(TcpStream::connect(&authority).is_err());
    drop(silent);
}

#[test]
fn a_redirect_from_another_issuer_ends_in_no_token() {
    let server = lasting_server();
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    let mut login = home.start(&["login", &issuer, "--client-id", &client, "--no-browser"]);
    let asked = Url::parse(&first_line(&mut login)).unwrap();
    let of = |wanted: &str| asked.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
    // RFC 9207: the right state, the honest server's code, and another server's name.
    let mixed_up = Url::parse_with_params(
        &of("redirect_uri"),
        [("code", "of-another"), ("state", &of("state")), ("iss", "https://evil.example")],
    );
    let page = fetch(mixed_up.unwrap().as_str());
    assert!(page.contains("another issuer"), "{page}");
    let ended = ended(login.wait_with_output().unwrap());
    assert_ne!(ended.code, 0);
    assert_eq!(server.count_grant("authorization_code"), 0, "the code went nowhere");
    assert_eq!(home.run(&["get-token"]).code, 10);
}

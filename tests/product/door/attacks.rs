//! The HTTP door under attack: by web pages, by other programs and users of the machine, by whoever has half of what it takes.

use std::net::TcpStream;

use super::super::home::{Home, browse, fetch};
use super::{Door, Reply, configuration, server};

const TOKEN: &str = "/v1/token/free";

/// A home that is signed in, and its token.
fn signed_in(http: &str) -> (cred_helper::demo::server::Server, Home, Door, String) {
    let server = server();
    let home = Home::new();
    home.configure(&configuration(&server, http));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in_with(&["login", "free", "--no-browser"]);
    let (door, token) = (home.door(), home.token());
    assert!(door.get(TOKEN).body.contains(&token), "with everything right there is a token to steal");
    (server, home, door, token)
}

#[track_caller]
fn refused(reply: &Reply, status: u16, token: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert!(!reply.body.contains(token) && !reply.head.contains("access-control-allow-origin"), "{reply:?}");
}

#[test]
fn a_page_whose_name_was_made_to_resolve_here_gets_nothing() {
    let (_server, _home, door, token) = signed_in("");
    let (port, secret) = (door.port, door.with_secret());
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1", "localhost", ""] {
        refused(&door.raw(&format!("GET {TOKEN} HTTP/1.1\r\nHost: {host}\r\n{secret}\r\n")), 403, &token);
    }
    refused(&door.raw(&format!("GET {TOKEN} HTTP/1.0\r\n{secret}\r\n")), 403, &token);
    let twice = format!("GET {TOKEN} HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n{secret}\r\n");
    assert!([400, 403].contains(&door.raw(&twice).status));
    let absolute = format!("GET http://evil.example:{port}{TOKEN} HTTP/1.1\r\nHost: localhost:{port}\r\n{secret}\r\n");
    refused(&door.raw(&absolute), 403, &token);
    assert_eq!(door.raw(&format!("GET {TOKEN} HTTP/1.1\r\nHost: localhost:{port}\r\n{secret}\r\n")).status, 200);
}

#[test]
fn a_page_of_another_origin_gets_nothing_even_with_the_secret() {
    let (_server, _home, door, token) = signed_in("origins = ['http://localhost:3000']");
    let secret = door.with_secret();
    let foreign =
        ["https://evil.example", "null", "http://localhost:3001", "https://localhost:3000", "http://127.0.0.1:3000"];
    for origin in foreign.map(str::to_owned).into_iter().chain([format!("http://127.0.0.1:{}", door.port)]) {
        for method in ["GET", "POST", "OPTIONS"] {
            let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: GET\r\n{secret}");
            refused(&door.ask(method, TOKEN, &headers, ""), 403, &token);
        }
    }
    let two = format!("Origin: http://localhost:3000\r\nOrigin: https://evil.example\r\n{secret}");
    refused(&door.ask("GET", TOKEN, &two, ""), 403, &token);
    // A form of another port's page: the browser sends it without asking first.
    let form = "Origin: http://localhost:3001\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    refused(&door.ask("POST", "/auth/free/logout", form, "label="), 403, &token);
    assert!(door.get(TOKEN).body.contains(&token), "it is still signed in");
}

#[test]
fn a_page_of_a_named_origin_may_ask_with_the_secret_only() {
    let (_server, _home, door, token) = signed_in("origins = ['http://localhost:3000']");
    let origin = "Origin: http://localhost:3000\r\n";
    let preflight = door.ask(
        "OPTIONS",
        TOKEN,
        &format!("{origin}Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n"),
        "",
    );
    assert_eq!((preflight.status, preflight.body.as_str()), (204, ""));
    for header in [
        "access-control-allow-origin: http://localhost:3000",
        "access-control-allow-headers: authorization, content-type",
        "vary: origin",
    ] {
        assert!(preflight.head.contains(header), "{preflight:?}");
    }
    assert!(!preflight.head.contains("credentials"));
    let without = door.ask("GET", TOKEN, origin, "");
    assert!(without.status == 401 && !without.body.contains(&token));
    let asked = door.ask("GET", TOKEN, &format!("{origin}{}", door.with_secret()), "");
    assert!(asked.body.contains(&token) && asked.head.contains("access-control-allow-origin: http://localhost:3000"));
}

#[test]
fn without_the_secret_in_its_header_nobody_gets_or_changes_anything() {
    let (_server, home, door, token) = signed_in("");
    let secret = &door.secret;
    let cut = &secret[..secret.len() - 1];
    for headers in [
        String::new(),
        "Authorization: Bearer wrong\r\n".to_owned(),
        format!("Authorization: Bearer {cut}\r\n"),
        format!("Authorization: Bearer {secret}x\r\n"),
        format!("Authorization: Basic {secret}\r\n"),
        format!("Authorization: {secret}\r\n"),
        format!("Authorization: Bearer wrong\r\nAuthorization: Bearer {secret}\r\n"),
        format!("Cookie: secret={secret}\r\nX-Api-Key: {secret}\r\n"),
    ] {
        for (method, address) in
            [("GET", TOKEN), ("POST", "/auth/free/logout"), ("GET", "/auth/free/start"), ("GET", "/x")]
        {
            refused(&door.ask(method, address, &headers, ""), 401, &token);
        }
    }
    for name in ["secret", "access_token", "token", "authorization"] {
        refused(&door.ask("GET", &format!("{TOKEN}?{name}={secret}"), "", ""), 401, &token);
        // With the header it is a mistake that is told, and not repeated.
        let reply = door.get(&format!("{TOKEN}?{name}={secret}"));
        assert!(reply.status == 400 && !reply.body.contains(secret.as_str()), "{reply:?}");
    }
    assert!(door.get(TOKEN).body.contains(&token));
    // It is noticed.
    let log = home.ok(&["log", "--json"]);
    assert!(log.contains("\"connect\"") && log.contains("refused"), "{log}");
}

#[test]
fn a_state_is_good_for_one_login_and_once() {
    let (_server, _home, door, _token) = signed_in("");
    let start =
        |label: &str| door.get(&format!("/auth/free/start?label={label}")).json()["url"].as_str().unwrap().to_owned();
    let (one, other) = (start("one"), start("other"));
    let state = |url: &str| url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let callback = |query: &str| door.ask("GET", &format!("/auth/free/callback?{query}"), "", "");
    for query in [
        String::new(),
        "code=stolen".into(),
        "code=stolen&state=".into(),
        "code=stolen&state=guessed".into(),
        format!("state={}", state(&one)),
        format!("code=a&code=b&state={}", state(&one)),
    ] {
        let reply = callback(&query);
        assert!(reply.status == 400 && reply.head.contains("text/html"), "{query}: {reply:?}");
    }
    let posted = door.ask("POST", &format!("/auth/free/callback?code=stolen&state={}", state(&one)), "", "");
    assert_eq!(posted.status, 405);
    assert_eq!(door.ask("GET", &format!("/auth/fixed/callback?code=stolen&state={}", state(&one)), "", "").status, 404);
    let rebound =
        format!("GET /auth/free/callback?code=stolen&state={} HTTP/1.1\r\nHost: evil.example\r\n\r\n", state(&one));
    assert_eq!(door.raw(&rebound).status, 403);
    for label in ["one", "other"] {
        assert_eq!(door.get(&format!("/auth/free/status?label={label}")).json()["login"]["state"], "pending");
    }

    // A code with the state of another login is that login's, and the server refuses it there: the verifier is another.
    let answer = fetch(&one);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    let crossed = location.replace(&state(&one), &state(&other));
    assert!(browse(&crossed).contains("failed"));
    assert_eq!(door.get("/auth/free/status?label=other").json()["connected"], false);
    assert_eq!(door.get("/auth/free/status?label=one").json()["login"]["state"], "pending");

    assert!(browse(&start("third")).contains("signed in"));
    let fourth = start("fourth");
    let answer = fetch(&fourth);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    assert!(browse(&location).contains("signed in"));
    let replayed = browse(&location);
    assert!(replayed.starts_with("HTTP/1.1 410") && replayed.contains("already used"), "{replayed}");
}

#[test]
fn a_crowd_of_strangers_locks_nobody_out() {
    let (_server, _home, door, token) = signed_in("");
    let silent: Vec<_> = (0..500).map(|_| TcpStream::connect(("127.0.0.1", door.port)).unwrap()).collect();
    assert!(door.get(TOKEN).body.contains(&token));
    drop(silent);
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}".to_owned(),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"token.get\"}\n".to_owned(),
        format!("GET {TOKEN} HTTP/1.1\r\nHost: localhost:{}\r\nX: {}\r\n\r\n", door.port, "x".repeat(200_000)),
        format!("GET {TOKEN} HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n", door.port, "X: 1\r\n".repeat(200)),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", door.port)).unwrap();
        let _ = std::io::Write::write_all(&mut stream, bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains(&token));
    }
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(300_000));
    assert_eq!(door.post("/v1/token/free/reject", &long).status, 413);
    assert!(door.get(TOKEN).body.contains(&token));
}

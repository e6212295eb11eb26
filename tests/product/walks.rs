//! `doctor PROVIDER`: the way to a provider hop by hop, and the hop that fails named with what to do.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cred_helper::demo::server::Server;
use serde_json::{Value, json};

use super::certificates::{home_with, log_in};
use super::home::{Home, lasting_server};
use super::providers::site::{Reply, Site, reply};
use super::proxy::{Mood, Nobody, Proxy};
use super::tls::{Authority, Front, Manners};

/// The hops, and of the last one how it went and the words.
struct Walked {
    code: i32,
    hops: Vec<String>,
    results: Vec<String>,
    messages: Vec<String>,
}

#[track_caller]
fn walk(home: &Home, to: &str) -> Walked {
    let ended = home.run(&["doctor", to, "--json"]);
    assert!(!ended.stdout.is_empty(), "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let all = |key: &str| {
        let checks = answer["checks"].as_array().unwrap().iter();
        checks.map(|check| check[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    Walked { code: ended.code, hops: all("name"), results: all("result"), messages: all("message") }
}

/// It ends at this hop, with these words; what came before was well.
#[track_caller]
fn ends_at(home: &Home, to: &str, hop: &str, words: &[&str]) {
    let Walked { code, hops, results, messages } = walk(home, to);
    let (last, before) = results.split_last().unwrap();
    assert_eq!((code, last.as_str(), hops.last().unwrap().as_str()), (1, "failed", hop), "{hops:?} {messages:?}");
    assert!(before.iter().all(|result| result == "ok"), "{hops:?} {messages:?}");
    let message = messages.last().unwrap();
    assert!(words.iter().all(|words| message.contains(words)), "{words:?}: {message}");
    assert!(!message.contains(['\n', '\u{1b}']) && !message.contains("canary"), "{message}");
}

/// A home with these lines at the top of its configuration, and the server's certificates trusted.
fn far_home(authority: &Authority, network: &str) -> Home {
    let home = Home::new();
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    home.configure(&format!("ca_file = '{}'\n[network]\nconnect_timeout = '3s'\n{network}\n", ca.display()));
    home
}

#[test]
fn a_way_that_is_well_is_told_hop_by_hop_and_no_credential_is_sent() {
    let authority = Authority::new("the network's");
    let site = Site::start(|_, asked| match asked.path.as_str() {
        "/.well-known/openid-configuration" => metadata("https://id.example"),
        _ => reply(400, &json!({"error": "invalid_request"})),
    });
    let front = Front::of(&site.url(""), authority.issues("id.example", 2999));
    let proxy = Proxy::start().leads("id.example:443", front.address()).wants("ada", "canary");
    let home = far_home(&authority, &format!("proxy = 'http://ada:canary@{}'", proxy.address()));
    let Walked { code, hops, results, messages } = walk(&home, "https://id.example");
    assert_eq!(hops, ["name", "proxy", "TLS", "discovery", "token endpoint", "clock"], "{messages:?}");
    assert!(code == 0 && results.iter().all(|result| result == "ok"), "{messages:?}");
    let words = [
        &format!("the proxy 127.0.0.1:{} is an address already", proxy.address().port()),
        &format!("http://{} leads to id.example (`proxy` in the configuration)", proxy.address()),
        "id.example shows a certificate by CN=the network's until 2999-12-31, trusted by `ca_file`",
        "the endpoints of https://id.example are known",
        "id.example answers as a token endpoint does (HTTP 400)",
        "within 60 s",
    ];
    for (message, words) in messages.iter().zip(words) {
        assert!(message.contains(words), "{words}: {message}");
    }
    let asked = site.desk.log.lock().unwrap().clone();
    assert!(asked.iter().all(|asked| asked.header("authorization").is_empty() && asked.parameters.is_empty()));
    assert!(asked.iter().all(|asked| asked.header("proxy-authorization").is_empty()));
    let shown = home.run(&["doctor", "https://id.example"]);
    assert!(shown.stdout.starts_with("✓ name            the proxy") && !shown.stdout.contains("canary"), "{shown:?}");
}

/// With the server's own date: the tests' sites have none.
fn metadata(issuer: &str) -> Reply {
    dated(reply(200, &document(issuer)), 0)
}

fn document(issuer: &str) -> Value {
    json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token")})
}

fn dated(mut reply: Reply, minutes: u64) -> Reply {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60 * minutes));
    reply.1.push(("date", date));
    reply
}

#[test]
fn the_hop_that_fails_is_named() {
    let (authority, server) = (Authority::new("ours"), lasting_server());
    let proxy = Proxy::start();
    let home = far_home(&authority, &format!("no_proxy = ['.invalid']\nproxy = 'http://{}'", proxy.address()));
    ends_at(&home, "https://nobody.invalid", "name", &["no address was found for nobody.invalid:443", "[network]"]);
    let nobody = Nobody::new();
    ends_at(
        &home,
        &format!("https://{}", nobody.address),
        "connection",
        &["could not be reached", "Connection refused"],
    );

    proxy.now(Mood::Says(b"HTTP/1.1 407 No\r\n\r\n"));
    let address = format!("http://{}", proxy.address());
    ends_at(&home, "https://id.example", "proxy", &[&address, "wants a name and a password (HTTP 407)"]);
    proxy.now(Mood::Leads);
    ends_at(&home, "https://id.example", "proxy", &[&address, "does not let through to id.example"]);
    proxy.now(Mood::Silent);
    ends_at(&home, "https://id.example", "proxy", &[&address, "did not lead to id.example within 3 s"]);

    let front = Front::of(&server.issuer(), Manners::Says(b""));
    let theirs = Authority::new("theirs");
    for (manners, words) in [
        (authority.issues("localhost", 2001), &["has expired", "by CN=ours until 2001-12-31"][..]),
        (authority.issues("elsewhere.example", 2999), &["another host's", "by CN=ours"]),
        (theirs.issues("localhost", 2999), &["that this machine does not trust", "by CN=theirs until 2999-12-31"]),
        (Manners::Says(b"SSH-2.0-OpenSSH_9.9\r\n"), &["could not be reached"]),
    ] {
        front.now(manners);
        ends_at(&home, &front.url(""), "TLS", words);
    }
}

#[test]
fn a_proxy_that_nobody_listens_at_is_named_with_its_place() {
    let nobody = Nobody::new();
    let mut home = Home::new();
    home.set("HTTPS_PROXY", &format!("http://ada:canary@{}", nobody.address));
    ends_at(&home, "https://id.example", "proxy", &["Connection refused", "HTTPS_PROXY names it"]);
    home.ok(&["agent", "stop"]);
    home.set("HTTPS_PROXY", "http://ada:canary@proxy.invalid:3128");
    ends_at(
        &home,
        "https://id.example",
        "name",
        &["no address was found for the proxy proxy.invalid:3128", "HTTPS_PROXY"],
    );
    home.ok(&["agent", "stop"]);
    home.set("HTTPS_PROXY", "ftp://ada:canary@proxy.invalid");
    ends_at(&home, "https://id.example", "proxy", &["the variable HTTPS_PROXY names no proxy"]);
}

#[test]
fn what_the_server_says_is_judged() {
    let said = Arc::new(Mutex::new((reply(404, &json!({})), reply(404, &json!({})))));
    let playing = Arc::clone(&said);
    let site = Site::start(move |_, asked| {
        let (metadata, token) = playing.lock().unwrap().clone();
        if asked.path.contains("/.well-known/") { metadata } else { token }
    });
    let (home, issuer) = (Home::new(), site.url(""));
    let portal = Reply(200, vec![("content-type", "text/html".into())], "<html>Accept our terms</html>".into());
    let well = || dated(reply(200, &document(&issuer)), 0);
    let refusal = || reply(400, &json!({"error": "invalid_request"}));
    for (metadata, token, hop, words) in [
        (portal.clone(), refusal(), "discovery", "a captive portal"),
        (reply(200, &document("https://evil.example")), refusal(), "discovery", "another issuer: https://evil.example"),
        (reply(404, &json!({})), refusal(), "discovery", "publishes no metadata"),
        (reply(503, &json!({})), refusal(), "discovery", "HTTP 503"),
        (reply(200, &document(&issuer)), portal, "token endpoint", "a captive portal"),
        (reply(200, &document(&issuer)), reply(404, &json!({})), "token endpoint", "there is none at http://127.0.0.1"),
        (well(), dated(refusal(), 10), "clock", "behind the server's: tokens seem to have ended or not to have begun"),
    ] {
        *said.lock().unwrap() = (metadata, token);
        ends_at(&home, &issuer, hop, &[words]);
    }
    *said.lock().unwrap() = (dated(reply(200, &document(&issuer)), 2), refusal());
    let Walked { code, hops, results, .. } = walk(&home, &issuer);
    assert_eq!((code, hops.last().unwrap().as_str(), results.last().unwrap().as_str()), (0, "clock", "warning"));
}

#[test]
fn a_provider_an_account_and_an_issuer_can_be_named_and_mistakes_are_told() {
    let (server, authority): (Server, _) = (lasting_server(), Authority::new("ours"));
    let front = Front::of(&server.issuer(), authority.issues("localhost", 2999));
    let mut home = home_with(&server, &front, "");
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    home.set("SSL_CERT_FILE", &ca.display().to_string());
    log_in(&home);
    // The token endpoint is another server than the issuer: the way to each is told.
    let hops = ["name", "connection", "discovery", "name", "connection", "TLS", "token endpoint", "clock"];
    for named in ["tls", "tls/default"] {
        if named.contains('/') {
            home.ok(&["account", "rename", "tls", "default"]);
        }
        let walked = walk(&home, named);
        assert_eq!((walked.code, walked.hops), (0, hops.map(str::to_owned).to_vec()), "{:?}", walked.messages);
        assert!(walked.messages[5].contains("trusted by the system's store"), "{:?}", walked.messages);
    }
    let keys = walk(&home, "deepseek");
    assert_eq!((keys.code, keys.hops.as_slice()), (0, &["provider".to_owned()][..]));
    assert!(keys.messages[0].contains("API keys and no login"));
    for (named, code, words) in [
        ("antropic", 11, "did you mean `anthropic`?"),
        ("tls/work", 10, "cred-helper login tls --account work"),
        ("http://id.example", 2, "https"),
        ("a b", 2, "letters, digits"),
    ] {
        let ended = home.run(&["doctor", named]);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{named}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{named}: {}", ended.stderr);
    }
}

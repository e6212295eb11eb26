//! What pip 23.2 and 26.3, uv 0.13 and poetry 2.5 ask, and what they are told.

use serde_json::json;

use super::super::Failure;
use super::super::play::{Played, call};
use super::super::{PROTOCOLS, named_by};
use super::target;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::password::StoreOutcome;

const URL: &str = "https://pypi.example/simple/";

fn keyring(line: &str, agent: &mut Played) -> Result<String, Failure> {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    call(named_by("/opt/cred-helper/keyring").expect("the protocol"), &arguments, b"", agent)
}

#[test]
fn each_client_gets_the_password_in_the_form_that_it_asks_for() {
    let ruled = json!({ "for_target": { "username": "of-the-rule", "fingerprint": "f1" } });
    for (line, answer, asked, told) in [
        // pip 23.1 to 25.0, uv.
        (format!("get {URL} ada"), json!({}), "get https://ada@pypi.example/simple/", "the-token\n"),
        // uv where no user is known.
        (format!("get {URL} --mode creds"), json!({}), "get https://pypi.example/simple/", "__token__\nthe-token\n"),
        (
            format!("get {URL} --mode creds"),
            ruled.clone(),
            "get https://pypi.example/simple/",
            "of-the-rule\nthe-token\n",
        ),
        // pip 25.1 and newer.
        (
            format!("--mode=creds --output=json get {URL}"),
            ruled.clone(),
            "get https://pypi.example/simple/",
            "{\"username\": \"of-the-rule\", \"password\": \"the-token\"}\n",
        ),
        (
            format!("--mode=creds --output=json get {URL} ada"),
            ruled,
            "get https://ada@pypi.example/simple/",
            "{\"username\": \"ada\", \"password\": \"the-token\"}\n",
        ),
        (
            format!("get {URL} ada --output json --mode=password"),
            json!({ "token": "a\"b\\c" }),
            "get https://ada@pypi.example/simple/",
            "{\"password\": \"a\\\"b\\\\c\"}\n",
        ),
        // poetry, through Python's keyring.
        ("get poetry-repository-internal __token__".to_owned(), json!({}), "get poetry://internal", "the-token\n"),
    ] {
        let mut agent = Played { answer: Some(answer), ..Played::default() };
        assert_eq!(keyring(&line, &mut agent).expect(&line), told, "{line}");
        assert_eq!(agent.heard, [asked], "{line}");
    }
}

#[test]
fn a_miss_is_silent_and_what_has_no_scheme_is_one() {
    let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
    assert!(matches!(keyring(&format!("get {URL} ada"), &mut agent), Err(Failure::Told)));
    let mut agent = Played::default();
    for line in ["get pypi.example ada", "get pypi.example:8443 --mode creds", "get python-poetry-check python-poetry"]
    {
        assert!(matches!(keyring(line, &mut agent), Err(Failure::Told)), "{line}");
    }
    assert!(agent.heard.is_empty());
    let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..Played::default() };
    assert!(matches!(keyring(&format!("get {URL} ada"), &mut agent), Err(Failure::Agent(_))));
    let mut agent = Played { answer: Some(json!({ "token": "a\nb" })), ..Played::default() };
    assert!(matches!(keyring(&format!("get {URL} ada"), &mut agent), Err(Failure::Agent(_))));
}

#[test]
fn what_keyring_does_not_know_is_refused_and_not_repeated() {
    let mut agent = Played::default();
    for line in [
        "",
        "get",
        "get https://pypi.example",
        "--mode creds get",
        "set https://pypi.example",
        "del",
        "hunter2",
        "--hunter2 get a b",
        "-b hunter2 get a b",
        "get a b hunter2",
        "get a b --mode",
        "get a b --mode=hunter2",
        "get a b --output hunter2",
    ] {
        match keyring(line, &mut agent) {
            Err(Failure::Usage(message)) => assert!(!message.contains("hunter2"), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    assert!(PROTOCOLS.iter().any(|protocol| protocol.name == "keyring"));
}

#[test]
fn a_password_is_kept_and_forgotten_for_a_url_and_a_user() {
    let with = |line: &str, input: &[u8], agent: &mut Played| {
        call(named_by("keyring").expect("the protocol"), &line.split(' ').collect::<Vec<_>>(), input, agent)
    };
    for input in [&b"p w"[..], b"p w\n", b"p w\r\n"] {
        let mut agent = Played::default();
        assert_eq!(with(&format!("set {URL} ada"), input, &mut agent).expect("kept"), "");
        assert_eq!(agent.heard, [format!("store {URL} ada p w")]);
    }
    for input in [&b"p\nw"[..], b"p\tw\n", b"p\x1b[2Jw"] {
        let mut agent = Played::default();
        let failure = with(&format!("set {URL} ada"), input, &mut agent);
        assert!(matches!(failure, Err(Failure::Usage(said)) if said.contains("is not kept")), "none could be told it");
        assert!(agent.heard.is_empty());
    }
    let mut agent = Played { stored: Some(StoreOutcome::AccountAnswers), ..Played::default() };
    assert!(matches!(with(&format!("set {URL} ada"), b"pw", &mut agent), Err(Failure::Told)));
    assert_eq!(agent.heard[1], "tell the password is not kept: forge answers there");
    let mut agent = Played { stored: Some(StoreOutcome::OwnToken), ..Played::default() };
    assert!(
        matches!(with(&format!("set {URL} ada"), b"pw", &mut agent), Err(Failure::Told)),
        "it would not be told again"
    );
    assert!(agent.heard[1].starts_with("tell the password is not kept: it is an account's token"), "{:?}", agent.heard);
    let mut agent = Played::default();
    assert!(matches!(with(&format!("del {URL} ada"), b"", &mut agent), Err(Failure::Told)), "there is none");
    assert_eq!(agent.heard, [format!("remove {URL} ada"), "tell no password is kept for that URL and user".to_owned()]);
    for line in [
        "set pypi.example ada",
        "set https://bob@pypi.example/simple ada",
        "set poetry-repository-internal ada",
        "set poetry-repository-a@b __token__",
        "del pypi.example ada",
    ] {
        let mut agent = Played::default();
        assert!(matches!(with(line, b"pw", &mut agent), Err(Failure::Told)), "{line}");
        let [told] = &agent.heard[..] else { panic!("{line}: {:?}", agent.heard) };
        assert!(told.starts_with("tell passwords are kept for URLs"), "{line}: {told}");
    }
    let mut agent = Played::default();
    assert_eq!(with("set poetry-repository-internal __token__", b"pw", &mut agent).expect("kept"), "");
    assert_eq!(agent.heard, ["store poetry://internal __token__ pw"]);
}

#[test]
fn the_target_is_the_url_with_its_user() {
    for (service, user, url) in [
        ("http://127.0.0.1:8080/simple", Some("me"), Some("http://me@127.0.0.1:8080/simple")),
        ("https://ada@pypi.example", Some("me"), Some("https://ada@pypi.example")),
        ("poetry-repository-x/../@y", Some("__token__"), Some("poetry://x/../@y")),
        // What a project calls a source of its own.
        ("poetry-repository-x", Some("__poetry_source_empty_username__"), None),
        ("poetry-repository-x", Some("ada"), None),
        ("poetry-repository-x", None, None),
        ("poetry-repository", None, None),
    ] {
        assert_eq!(target(service, user).as_deref(), url, "{service}");
    }
}

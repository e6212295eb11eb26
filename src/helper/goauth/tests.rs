//! What go 1.24 sends, and what it is told.

use serde_json::{Value, json};

use super::super::play::{Played, call};
use super::super::{Failure, named};
use crate::ipc::message::ErrorKind;

const PROXY: &str = "--url https://proxy.example/go";
const URL: &str = "https://proxy.example/go/m/@v/list";
const PLAIN: &str = "HTTP/2.0 401 Unauthorized\nWww-Authenticate: Bearer\nContent-Type: text/plain\n\n";
const INVALID: &str = "HTTP/1.1 401 Unauthorized\nWww-Authenticate: Bearer realm=\"x\", error=\"invalid_token\"\n\n";

fn told(words: &str, input: &str, agent: &mut Played) -> Result<String, Failure> {
    let words: Vec<&str> = words.split_whitespace().collect();
    call(named("goauth").expect("it"), &words, input.as_bytes(), agent)
}

fn answering(cached: bool, origin: Option<&str>) -> Played {
    let for_target: Value = json!({ "fingerprint": "f1", "cached": cached, "origin": origin });
    Played { answer: Some(json!({ "for_target": for_target })), ..Played::default() }
}

#[test]
fn nothing_is_said_first_but_for_the_server_that_is_named() {
    let mut agent = answering(true, Some("https://proxy.example"));
    assert_eq!(told("", "", &mut agent).expect("nothing"), "");
    assert!(agent.heard.is_empty());
    let first = told(PROXY, "", &mut agent).expect("an answer");
    let host = "https://proxy.example\nhttps://proxy.example/go\n\nAuthorization: Bearer the-token\n\n";
    assert_eq!((first.as_str(), &*agent.heard), (host, &["get https://proxy.example/go".to_owned()][..]));
    let mut agent = answering(true, None);
    let part = told(URL, PLAIN, &mut agent).expect("an answer");
    assert_eq!(part, format!("{URL}\n\nAuthorization: Bearer the-token\n\n"));
    assert_eq!(agent.heard, [format!("get {URL}")]);
}

#[test]
fn only_what_was_sent_and_refused_is_renewed() {
    let forbidden = PLAIN.replace("401 Unauthorized", "403 Forbidden");
    let invalid = INVALID.replace("401 Unauthorized", "403 Forbidden");
    let missing = INVALID.replace("401 Unauthorized", "404 Not Found");
    for (words, input, renewed) in [
        (PROXY, PLAIN, true),
        (PROXY, &forbidden, true),
        ("", INVALID, true),
        ("", &invalid, true),
        ("", PLAIN, false),
        ("", &forbidden, false),
        (PROXY, &missing, false),
        ("--url https://proxy.example/goo", PLAIN, false),
        ("--url https://proxy.example/go/m/@v/list/", PLAIN, true),
        ("--url https://proxy.example", PLAIN, true),
        ("--url https://proxy.example.evil", PLAIN, false),
        (PROXY, "", false),
        (PROXY, "hunter2", false),
    ] {
        let mut agent = answering(true, None);
        told(&format!("{words} {URL}"), input, &mut agent).expect("an answer");
        let get = format!("get {URL}");
        let doubt = if input == forbidden { " forbidden" } else { "" };
        let reject = format!("reject by fingerprint f1{doubt}");
        let heard = if renewed { vec![get.clone(), reject, get] } else { vec![get] };
        assert_eq!(agent.heard, heard, "{words} {input}");
    }
    for answer in [json!({ "method": "api_key" }), json!({ "for_target": { "fingerprint": "f1", "cached": false } })] {
        let mut agent = Played { answer: Some(answer), ..Played::default() };
        told(&format!("{PROXY} {URL}"), PLAIN, &mut agent).expect("an answer");
        assert_eq!(agent.heard.len(), 1);
    }
}

#[test]
fn where_no_account_answers_nothing_is_said_and_other_errors_are() {
    let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
    for words in [PROXY, URL] {
        assert_eq!(told(words, PLAIN, &mut agent).expect("nothing"), "");
    }
    let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..Played::default() };
    assert!(matches!(told(URL, PLAIN, &mut agent), Err(Failure::Agent(_))));
    for words in ["--account forge", "https://a https://b", "--url http://127.0.0.1", "ssh://hunter2"] {
        match told(words, PLAIN, &mut Played::default()) {
            Err(Failure::Usage(message)) => assert!(!message.contains("hunter2")),
            other => panic!("{words}: {other:?}"),
        }
    }
}

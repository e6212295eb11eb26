//! What cargo 1.95 sends, and what it is told.

use serde_json::{Value, json};

use super::super::play::{Played, call};
use super::super::{Failure, flagged_by};
use super::FLAG;
use crate::ipc::message::ErrorKind;

const INDEX: &str = "sparse+https://cargo.example/index/";

/// A question with this over the usual.
fn question(over: Value) -> String {
    let mut question = json!({
        "v": 1, "kind": "get", "operation": "read", "args": [],
        "registry": { "index-url": INDEX, "name": "stub", "headers": ["WWW-Authenticate: Cargo login_url=\"x\""] }
    });
    for (name, value) in over.as_object().expect("an object") {
        question[name] = value.clone();
    }
    question.to_string()
}

/// What cargo reads after the first line.
fn told(input: &str, agent: &mut Played) -> Vec<Value> {
    let output = call(flagged_by(&[FLAG]).expect("cargo's"), &[FLAG], input.as_bytes(), agent).expect("answers");
    let mut lines = output.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    assert_eq!(lines.next(), Some(json!({ "v": [1] })));
    lines.collect()
}

/// The answer to one question, by an agent whose answer has this over the usual.
fn one(over: Value, answer: Value, agent: &mut Played) -> Value {
    agent.answer = Some(answer);
    let mut told = told(&question(over), agent);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[test]
fn a_token_is_the_whole_header_as_its_kind_is_sent_or_as_the_configuration_says() {
    let key = json!({ "method": "api_key", "expires_at": null });
    let user = json!({ "for_target": { "username": "oauth2", "fingerprint": "f" }, "method": "api_key" });
    for (args, answer, value) in [
        (json!([]), json!({}), "Bearer the-token"),
        (json!(["--bare"]), json!({}), "the-token"),
        (json!([]), key.clone(), "the-token"),
        (json!(["--bearer"]), key, "Bearer the-token"),
        (json!([]), user.clone(), "Basic b2F1dGgyOnRoZS10b2tlbg=="),
        (json!(["--bearer"]), user, "Bearer the-token"),
    ] {
        let told = one(json!({ "args": args }), answer, &mut Played::default());
        assert_eq!(told["Ok"]["token"], value, "{args}");
    }
    let told = one(json!({}), json!({}), &mut Played::default());
    let expected = json!({
        "kind": "get", "token": "Bearer the-token", "cache": "expires", "expiration": 1_790_000_000,
        "operation_independent": true
    });
    assert_eq!(told, json!({ "Ok": expected }));
    let endless = one(json!({}), json!({ "expires_at": null }), &mut Played::default());
    assert_eq!((&endless["Ok"]["cache"], endless["Ok"].get("expiration")), (&json!("session"), None));
}

#[test]
fn the_target_is_the_index_and_a_git_index_is_not_its_host() {
    for (index, args, asked) in [
        (INDEX, json!([]), "https://cargo.example/index/"),
        ("sparse+https://index.crates.io/", json!([]), "https://crates.io"),
        ("https://github.com/rust-lang/crates.io-index", json!([]), "https://crates.io"),
        ("https://github.com/ada/index", json!([]), "registry+https://github.com/ada/index"),
        (INDEX, json!(["--account", "forge/ada", "--bearer"]), "account forge/ada"),
        (INDEX, json!(["--url", "https://other.example"]), "https://other.example"),
    ] {
        let mut agent = Played::default();
        let told = one(json!({ "args": args, "registry": { "index-url": index } }), json!({}), &mut agent);
        assert_eq!(agent.heard, [format!("get {asked}")], "{index}: {told}");
    }
}

#[test]
fn cargo_asks_the_next_one_where_no_account_answers_and_is_told_what_to_do_elsewhere() {
    let failing = |kind| Played { error: Some(kind), ..Played::default() };
    let mut nobody = failing(ErrorKind::UnknownTarget);
    assert_eq!(one(json!({}), json!({}), &mut nobody), json!({ "Err": { "kind": "not-found" } }));
    for kind in ["login", "logout"] {
        let next = json!({ "Err": { "kind": "url-not-supported" } });
        assert_eq!(one(json!({ "kind": kind, "token": "t" }), json!({}), &mut nobody), next);
    }
    let fatal = |message: &str| json!({ "Err": { "kind": "other", "message": message, "caused-by": [] } });
    let mut gone = failing(ErrorKind::LoginRequired);
    assert_eq!(one(json!({}), json!({}), &mut gone), fatal("what happened and what to do"));
    for (kind, account, command) in [
        ("login", "forge", "cred-helper login forge"),
        ("login", "forge/ada", "cred-helper login forge --account ada"),
        ("logout", "forge/ada", "cred-helper logout forge/ada"),
    ] {
        let told = one(json!({ "kind": kind }), json!({ "account": account }), &mut Played::default());
        assert_eq!(told, fatal(&format!("{account} answers for this registry: run `{command}`")));
    }
    let told = one(json!({ "kind": "login" }), json!({}), &mut gone);
    assert_eq!(told, fatal("forge answers for this registry: run `cred-helper login forge`"));
    assert_eq!(one(json!({ "kind": "logout" }), json!({}), &mut gone), json!({ "Err": { "kind": "not-found" } }));
    let later = one(json!({ "kind": "frobnicate" }), json!({}), &mut Played::default());
    assert_eq!(later, json!({ "Err": { "kind": "operation-not-supported" } }));
}

#[test]
fn every_line_has_its_answer_and_what_is_no_question_is_not_repeated() {
    let input = [&question(json!({})), "hunter2", "", &question(json!({ "args": ["--hunter2"] })), "{}"].join("\n");
    let told = told(&input, &mut Played::default());
    assert_eq!(told.len(), 5);
    assert_eq!(told[0]["Ok"]["kind"], "get");
    for refused in &told[1..] {
        assert_eq!(refused["Err"]["kind"], "other", "{refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    let long = "x".repeat(1024 * 1024 + 1);
    let odd = [long.as_bytes(), b"\xff\n"];
    for input in odd {
        let answer = call(flagged_by(&[FLAG]).expect("cargo's"), &[], input, &mut Played::default());
        assert!(matches!(answer, Err(Failure::Usage(_))), "{answer:?}");
    }
}

#[test]
fn a_token_that_no_header_carries_is_told_as_a_mistake() {
    let told = one(json!({}), json!({ "token": "a\r\nb" }), &mut Played::default());
    assert_eq!(told["Err"]["kind"], "other", "{told}");
    assert!(flagged_by(&[FLAG, "x"]).is_none() && flagged_by(&[""; 0]).is_none() && flagged_by(&["get"]).is_none());
}

//! What docker, podman, skopeo, crane and oras send, and what they are told.

use serde_json::{Value, json};

use super::super::play::{Played, call};
use super::super::{Failure, named_by};
use super::NOT_FOUND;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::password::StoreOutcome;

/// What is on standard output, and whether it is no error.
fn docker(arguments: &[&str], input: &str, agent: &mut Played) -> (String, bool) {
    match call(named_by("docker-credential-cred-helper").expect("it"), arguments, input.as_bytes(), agent) {
        Ok(told) => (told, true),
        Err(Failure::Told) => (std::mem::take(&mut agent.wrote).trim_end().to_owned(), false),
        Err(other) => panic!("{other:?}"),
    }
}

fn get(server: &str, agent: &mut Played) -> Value {
    let (told, well) = docker(&["get"], server, agent);
    assert!(well, "{told}");
    serde_json::from_str(&told).expect("JSON")
}

#[test]
fn a_token_is_the_password_of_the_rules_user() {
    for (said, username) in [
        (json!({ "fingerprint": "f1" }), "oauth2"),
        (json!({ "username": "oauth2accesstoken", "fingerprint": "f1" }), "oauth2accesstoken"),
        (json!({ "username": "<token>", "fingerprint": "f1" }), "<token>"),
    ] {
        let mut agent = Played { answer: Some(json!({ "for_target": said })), ..Played::default() };
        let told = get("registry.example:5000", &mut agent);
        assert_eq!(told, json!({ "ServerURL": "registry.example:5000", "Username": username, "Secret": "the-token" }));
        assert_eq!(agent.heard, ["get https://registry.example:5000 or docker://registry.example:5000"]);
    }
}

#[test]
fn a_registry_is_found_by_every_name_that_clients_have_for_it() {
    for (server, asked) in [
        ("registry.example", "registry.example"),
        ("127.0.0.1:5000\n", "127.0.0.1:5000"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example/v1/", "registry.example"),
        ("https://registry.example:5000/v2/", "registry.example:5000"),
        ("registry.example/team/app", "registry.example/team/app"),
        ("[::1]:5000", "[::1]:5000"),
        ("https://index.docker.io/v1/", "index.docker.io"),
        ("docker.io", "index.docker.io"),
        ("docker.io/library/debian", "index.docker.io/library/debian"),
    ] {
        let mut agent = Played::default();
        assert_eq!(get(server, &mut agent)["ServerURL"], server.trim(), "the name that was asked for");
        assert_eq!(agent.heard, [format!("get https://{asked} or docker://{asked}")]);
    }
    // What was stored for it answers, and an account only where its rule says http, too.
    let mut agent = Played::default();
    get("http://registry.example:5000/v2/", &mut agent);
    assert_eq!(agent.heard, ["get http://registry.example:5000 or docker://registry.example:5000"]);
    for server in ["https://", "ada@registry.example", "evil.example\\@a", "a b", "h/x?y", "h/../x", "/", "h/x/../y"] {
        let mut agent = Played::default();
        let told = docker(&["get"], server, &mut agent);
        if !agent.heard.is_empty() {
            assert!(agent.heard[0].starts_with("get https://h/"), "{server}");
            continue;
        }
        assert_eq!((told, agent.heard.len()), ((NOT_FOUND.to_owned(), false), 0), "{server}");
    }
}

#[test]
fn nothing_here_and_errors_are_said_where_clients_read_them() {
    for (kind, said) in [
        (ErrorKind::UnknownTarget, NOT_FOUND),
        (ErrorKind::LoginRequired, "what happened and what to do"),
        (ErrorKind::VaultLocked, "what happened and what to do"),
    ] {
        let mut agent = Played { error: Some(kind), ..Played::default() };
        assert_eq!(docker(&["get"], "registry.example", &mut agent), (said.to_owned(), false));
    }
    let mut agent = Played::default();
    assert_eq!(docker(&["get"], "\n", &mut agent), ("no credentials server URL".to_owned(), false));
    for arguments in [&[][..], &["frob"], &["get", "x"]] {
        let (told, well) = docker(arguments, "", &mut agent);
        assert!(!well && told.starts_with("docker's credential helper takes one of"), "{told}");
    }
    let (told, well) = docker(&["version"], "", &mut agent);
    assert!(well && told.starts_with("docker-credential-cred-helper (cred-helper) "), "{told}");
    assert!(agent.heard.is_empty());
}

#[test]
fn what_a_login_stores_is_kept_listed_and_erased() {
    let stored = |text: &str, outcome: Option<StoreOutcome>| {
        let mut agent = Played { stored: outcome, ..Played::default() };
        let told = docker(&["store"], text, &mut agent);
        (told, agent.heard)
    };
    let login = r#"{"ServerURL":"https://index.docker.io/v1/","Username":"ada","Secret":"p1"}"#;
    let (told, heard) = stored(login, None);
    assert_eq!(
        (told, heard),
        (
            (String::new(), true),
            vec!["store docker://index.docker.io ada p1 unless https://index.docker.io".to_owned()]
        )
    );
    let (told, _) = stored(login, Some(StoreOutcome::AccountAnswers));
    let said = "forge answers for https://index.docker.io without a login, so nothing was stored";
    assert_eq!(told, (said.to_owned(), false));
    for outcome in [StoreOutcome::NothingAnswers, StoreOutcome::OwnToken, StoreOutcome::Ended, StoreOutcome::Unknown] {
        let ((told, well), _) = stored(login, Some(outcome));
        assert!(!well && !told.is_empty() && !told.contains("p1"), "{told}");
    }
    for (text, said) in [
        (r#"{"ServerURL":"","Username":"ada","Secret":"p1"}"#, "no credentials server URL"),
        (r#"{"ServerURL":"h","Username":"","Secret":"p1"}"#, "no credentials username"),
        (r#"{"ServerURL":"h h","Username":"a","Secret":"p1"}"#, "the server's URL names no host"),
        (r#"{"ServerURL":["p1"]}"#, "what docker wants stored cannot be read"),
        ("p1", "what docker wants stored cannot be read"),
    ] {
        assert_eq!(stored(text, None), ((said.to_owned(), false), Vec::new()), "{text}");
    }
    let kept = vec![("docker://h:5000", "ada"), ("docker://index.docker.io", "bob"), ("https://git.example", "eve")];
    let mut agent = Played { kept, ..Played::default() };
    let (told, well) = docker(&["list"], "unused", &mut agent);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((told, well), (json!({ "h:5000": "ada", "https://index.docker.io/v1/": "bob" }), true));
    for (server, heard) in [("h:5000", Some("remove docker://h:5000")), ("h h", None)] {
        let mut agent = Played::default();
        assert_eq!(docker(&["erase"], server, &mut agent), (String::new(), true));
        assert_eq!(agent.heard, heard.into_iter().collect::<Vec<_>>());
    }
}

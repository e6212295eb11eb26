//! What the command line sends and shows, against the agent's half of the wire.
#![cfg(unix)]

mod cli_support;

use cli_support::Home;
use cli_support::agent::{ScriptedAgent, answer, notification, refusal};
use serde_json::{Value, json};

fn home(agent: &ScriptedAgent) -> Home {
    Home::new().set("CRED_HELPER_SOCK", agent.socket.to_str().expect("a path"))
}

fn token() -> Value {
    json!({
        "account": "anthropic", "token": "tok-1", "kind": "access", "token_type": "Bearer", "method": "oauth",
        "source": "login", "expires_at": 4_000_000_000u32, "scope": ["a"], "headers": {"x-beta": "1"},
        "api_host": "api.example", "identity": "me@x.example", "min_validity_met": true, "persisted": true,
        "environment": ["FIRST_TOKEN", "SECOND_TOKEN"], "from_a_newer_agent": 1
    })
}

#[test]
fn get_token_prints_the_token_and_nothing_else() {
    let params = json!({"account": "anthropic/work", "token_type": "id", "audience": "aud", "scope": ["a", "b", "c"],
                        "min_validity": 600});
    let agent = ScriptedAgent::answering("token.get", params, token());
    let ran = home(&agent).run(&[
        "get-token",
        "anthropic/work",
        "--token-type",
        "id",
        "--audience",
        "aud",
        "--scope",
        "a b",
        "--scope",
        "c",
        "--min-validity",
        "10m",
    ]);
    ran.printed("tok-1\n");
    assert_eq!(ran.err, "");
    agent.finish();
}

#[test]
fn the_agent_is_told_how_long_we_wait() {
    let agent = ScriptedAgent::new(Box::new(|_, id, params| {
        let deadline = params["deadline"].as_u64().expect("a deadline");
        assert!((1..=7).contains(&deadline), "{deadline}");
        vec![answer(id, token())]
    }));
    home(&agent).run(&["get-token", "--timeout", "7s"]).printed("tok-1\n");
    agent.finish();
}

#[test]
fn the_token_of_an_agent_that_passes_over_the_target_goes_nowhere() {
    for arguments in [&["get-token", "--target", "https://a.example"][..], &["helper", "git", "get"]] {
        let agent = ScriptedAgent::answering("token.get", json!({"target": "https://a.example"}), token());
        let ran = home(&agent).run_with(arguments, "protocol=https\nhost=a.example\n");
        assert!(ran.failed_with(1).contains("cred-helper agent restart"), "{ran:?}");
        agent.finish();
    }
}

#[test]
fn every_format_is_printed_with_one_newline() {
    for (format, expected) in [
        ("raw", "tok-1\n"),
        ("header", "Authorization: Bearer tok-1\n"),
        ("headers-json", "{\n  \"Authorization\": \"Bearer tok-1\",\n  \"x-beta\": \"1\"\n}\n"),
        ("curl-config", "header = \"Authorization: Bearer tok-1\"\nheader = \"x-beta: 1\"\n"),
        ("netrc", "machine api.example login me@x.example password tok-1\n"),
        ("xoauth2", "dXNlcj1tZUB4LmV4YW1wbGUBYXV0aD1CZWFyZXIgdG9rLTEBAQ==\n"),
    ] {
        let agent = ScriptedAgent::answering("token.get", json!({}), token());
        home(&agent).run(&["get-token", "--format", format]).printed(expected);
        agent.finish();
    }
    let agent = ScriptedAgent::answering("token.get", json!({}), token());
    let ran = home(&agent).run(&["get-token", "--format", "json"]);
    let shown: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&shown["token"], &shown["source"]), (&json!("tok-1"), &json!("login")));
    agent.finish();
}

#[test]
fn a_variable_of_the_callers_outranks_the_answer_and_is_named() {
    let agent = ScriptedAgent::answering("token.get", json!({}), token());
    let ran = home(&agent).set("SECOND_TOKEN", "from-env").run(&["get-token"]);
    ran.printed("from-env\n");
    assert!(ran.err.contains("SECOND_TOKEN") && !ran.err.contains("from-env"), "{ran:?}");
    agent.finish();
}

#[test]
fn a_warning_goes_to_standard_error() {
    let mut with_warning = token();
    with_warning["warning"] = json!("the disk is full");
    let agent = ScriptedAgent::answering("token.get", json!({}), with_warning);
    let ran = home(&agent).run(&["get-token"]);
    ran.printed("tok-1\n");
    assert_eq!(ran.err, "cred-helper: warning: the disk is full\n");
    agent.finish();
}

#[test]
fn a_projects_account_is_sent_with_the_file_that_names_it() {
    let agent = ScriptedAgent::new(Box::new(|_, id, params| {
        assert_eq!(params["project"]["account"], "anthropic/work");
        assert!(params["project"]["file"].as_str().is_some_and(|file| file.ends_with("/p/.cred-helper.toml")));
        assert!(params.get("account").is_none());
        vec![answer(id, token())]
    }));
    let home = home(&agent);
    let deep = home.path().join("p/src");
    std::fs::create_dir_all(&deep).expect("directories");
    std::fs::write(home.path().join("p/.cred-helper.toml"), "account = 'anthropic/work'\n").expect("a file");
    home.working_in(deep).run(&["get-token"]).printed("tok-1\n");
    agent.finish();
}

#[test]
fn an_agents_refusal_is_one_line_and_its_own_exit_code() {
    for (kind, code) in
        [("login_required", 10), ("vault_locked", 14), ("temporarily_unavailable", 13), ("sun_burnt", 1)]
    {
        let agent = ScriptedAgent::new(Box::new(move |_, id, _| vec![refusal(id, kind, "no\nway", json!({}))]));
        let ran = home(&agent).run(&["get-token"]);
        assert_eq!(ran.failed_with(code), "cred-helper: no way\n");
        agent.finish();
    }
}

#[test]
fn a_refused_token_is_reported_and_its_value_shown_nowhere() {
    let agent = ScriptedAgent::answering(
        "token.reject",
        json!({"token": "canary"}),
        json!({"account": "a", "outcome": "refreshed"}),
    );
    let ran = home(&agent).run_with(&["reject"], "canary\n");
    ran.printed("");
    assert!(ran.err.contains("Refreshed a") && !ran.err.contains("canary"), "{ran:?}");
    agent.finish();
}

#[test]
fn status_is_a_table_or_the_agents_answer() {
    let accounts = json!({"accounts": [{
        "account": "anthropic", "provider_title": "Anthropic", "default": true, "state": "signed_in",
        "identity": {"email": "me@x.example"}, "refreshable": true, "signed_in_at": 0, "persisted": true
    }]});
    let agent = ScriptedAgent::answering("account.list", json!({}), accounts.clone());
    let ran = home(&agent).run(&["status"]);
    assert!(ran.code == 0 && ran.out.contains("anthropic *  me@x.example  signed in"), "{ran:?}");
    assert!(!ran.out.contains('\x1b'), "no colours in a pipe");
    agent.finish();
    let agent = ScriptedAgent::answering("account.list", json!({}), accounts);
    let ran = home(&agent).run(&["status", "--json"]);
    let shown: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(shown["accounts"][0]["account"], "anthropic");
    agent.finish();
    let agent = ScriptedAgent::answering("account.list", json!({}), json!({"accounts": []}));
    let ran = home(&agent).run(&["status"]);
    ran.printed("");
    assert!(ran.err.contains("cred-helper login"), "{ran:?}");
    agent.finish();
}

fn authorize(redirect: bool, paste: bool) -> Value {
    notification(
        "login.authorize",
        json!({"login": "L1", "account": "p", "provider_title": "Provider", "url": "https://p.example/authorize?x=1",
               "redirect": redirect, "paste": paste, "expires_at": 4_000_000_000u32}),
    )
}

fn signed_in() -> Value {
    json!({"account": "p", "identity": {"email": "me@x.example"}, "refreshable": true, "renewed": false,
           "persisted": true})
}

const SENTENCE: &str = "Signed in to Provider as me@x.example (account p). The token renews itself.\n";

#[test]
fn no_browser_prints_the_url_alone_on_standard_output() {
    let agent = ScriptedAgent::new(Box::new(|method, id, params| {
        assert_eq!((method, &params["provider"]), ("login.start", &json!("p")));
        vec![authorize(true, false), answer(id, signed_in())]
    }));
    let ran = home(&agent).run(&["login", "p", "--no-browser"]);
    ran.printed("https://p.example/authorize?x=1\n");
    assert!(ran.err.ends_with(SENTENCE), "{ran:?}");
    agent.finish();
}

#[test]
fn a_refused_paste_says_why_and_the_next_line_is_tried() {
    let mut started = Value::Null;
    let agent = ScriptedAgent::new(Box::new(move |method, id, params| match (method, params["text"].as_str()) {
        ("login.start", _) => {
            assert_eq!(params["flow"], "paste");
            started = id.clone();
            vec![authorize(false, true)]
        }
        ("login.paste", Some("canary")) => vec![refusal(id, "invalid_paste", "That is no code", json!({}))],
        ("login.paste", Some("code#state")) => {
            assert_eq!(params["login"], "L1");
            vec![answer(id, json!({})), answer(&started, signed_in())]
        }
        other => panic!("{other:?}"),
    }));
    let ran = home(&agent).run_with(&["login", "p", "--paste"], "canary\n\n code#state \n");
    ran.printed("");
    assert!(ran.err.contains("cred-helper: That is no code.\n") && ran.err.ends_with(SENTENCE), "{ran:?}");
    assert!(!ran.err.contains("canary"));
    agent.finish();
}

#[test]
fn a_paste_that_never_comes_ends_the_login_with_25() {
    let agent = ScriptedAgent::new(Box::new(|method, _, _| {
        assert_eq!(method, "login.start");
        vec![authorize(false, true)]
    }));
    let ran = home(&agent).run(&["login", "p"]);
    assert!(ran.code == 25 && ran.err.contains("cred-helper: nothing was pasted"), "{ran:?}");
    agent.finish();
}

#[test]
fn a_notice_is_shown_and_needs_to_be_accepted() {
    let notice = json!({"id": "n1", "title": "Careful", "text": "Not for everybody.", "alternatives": ["an API key"]});
    let script = move || -> cli_support::agent::Script {
        let notice = notice.clone();
        Box::new(move |_, id, params| match params["accept_notice"].as_str() {
            None => vec![refusal(id, "notice_required", "read first", json!({"notice": notice}))],
            Some(accepted) => {
                assert_eq!(accepted, "n1");
                vec![answer(id, signed_in())]
            }
        })
    };
    let agent = ScriptedAgent::new(script());
    let ran = home(&agent).run(&["login", "p"]);
    assert!(ran.code == 22 && ran.err.contains("Not for everybody.") && ran.err.contains("--accept-notice"), "{ran:?}");
    agent.finish();
    let agent = ScriptedAgent::new(script());
    let ran = home(&agent).run(&["login", "p", "--accept-notice", "--json"]);
    let shown: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(shown["account"] == "p" && ran.err.contains("an API key"), "{ran:?}");
    agent.finish();
}

#[test]
fn what_needs_a_person_is_an_exit_code_without_a_terminal() {
    for (kind, code) in [("no_key_slot", 15), ("vault_locked", 14)] {
        let agent = ScriptedAgent::new(Box::new(move |_, id, _| vec![refusal(id, kind, "ask somebody", json!({}))]));
        home(&agent).run(&["login", "p"]).failed_with(code);
        agent.finish();
    }
}

#[test]
fn a_client_secret_is_read_from_the_first_line() {
    let agent = ScriptedAgent::new(Box::new(|_, id, params| {
        assert_eq!((&params["client_secret"], &params["client_id"]), (&json!("s3"), &json!("c")));
        assert_eq!((&params["label"], &params["redirect_port"]), (&json!("work"), &json!(8765)));
        vec![answer(id, signed_in())]
    }));
    let arguments = [
        "login",
        "https://i.example",
        "--client-id",
        "c",
        "--client-secret-stdin",
        "--account",
        "work",
        "--redirect-port",
        "8765",
    ];
    assert_eq!(home(&agent).run_with(&arguments, "s3\nmore\n").code, 0);
    agent.finish();
}

#[test]
fn a_passphrase_comes_from_an_inherited_descriptor() {
    let agent = ScriptedAgent::answering("vault.unlock", json!({"passphrase": "correct horse"}), json!({}));
    let ran = home(&agent).run_with(&["unlock", "--passphrase-fd", "0"], "correct horse\n");
    assert_eq!((ran.code, ran.err.as_str()), (0, "Unlocked.\n"));
    agent.finish();
}

#[test]
fn resetting_the_vault_needs_a_yes() {
    let agent = ScriptedAgent::new(Box::new(|method, _, _| panic!("{method} was sent")));
    home(&agent).run(&["vault", "reset"]).failed_with(2);
    agent.finish();
    let agent = ScriptedAgent::answering("vault.reset", json!({}), json!({"moved_to": "/old"}));
    assert!(home(&agent).run(&["vault", "reset", "--yes"]).err.contains("/old"));
    agent.finish();
}

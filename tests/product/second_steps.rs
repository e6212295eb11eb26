//! Logins whose token is only the first step: what programs get is the short-lived one, and the first never leaves the
//! agent.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use cred_helper::demo::server::{Behaviour, Endpoint, Options, Server};
use serde_json::{Value, json};

use super::home::{Home, ended};

/// Whose first tokens and second ones last this long.
fn server(first: u64, second: u64) -> Server {
    let (access_token_lifetime, second_token_lifetime) = (Duration::from_secs(first), Duration::from_secs(second));
    Server::start(Options { access_token_lifetime, second_token_lifetime, ..Options::default() }).unwrap()
}

fn configuration(server: &Server, more: &str) -> String {
    format!(
        "[providers.copilot]\ntitle = 'Copilot'\ntoken_endpoint = '{}'\ndevice_authorization_endpoint = '{}'\n\
         scopes = ['read:user']\nclient.id = '{}'\n\
         [providers.copilot.api]\nheaders = {{ editor-version = 'cred-helper/1' }}\n\
         [providers.copilot.second_step]\nurl = '{}'\nscheme = 'token'\n\
         headers = {{ editor-version = 'cred-helper/1' }}\ntoken = '/token'\nexpires_at = '/expires_at'\n\
         refresh_in = '/refresh_in'\napi_base = '/endpoints/api'\n{more}",
        server.url("/token"),
        server.url("/device_authorization"),
        server.client_id(),
        server.url("/second"),
    )
}

/// Signed in by device code, as at GitHub.
fn signed_in(server: &Server, more: &str) -> Home {
    let home = Home::with_vault();
    home.configure(&configuration(server, more));
    home.ok(&["agent", "stop"]);
    log_in(&home, server);
    home
}

fn log_in(home: &Home, server: &Server) {
    let mut login = home.start(&["login", "copilot"]);
    let mut words = BufReader::new(login.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "no user code was shown");
        if line.split_whitespace().any(|word| server.approve_device(word)) {
            break;
        }
    }
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    assert_eq!(ended(login.wait_with_output().unwrap()).code, 0, "{rest}");
}

fn answer(home: &Home) -> Value {
    home.json(&["get-token", "--format", "json"])
}

#[test]
fn programs_get_the_second_token_its_end_and_the_address_of_the_api() {
    let server = server(3600, 1800);
    let home = signed_in(&server, "");
    assert_eq!(server.count(Endpoint::SecondStep), 0, "it is fetched when it is asked for");
    let answer = answer(&home);
    let token = answer["token"].as_str().unwrap();
    assert!(server.is_live_second(token) && !server.is_live(token), "not the login's own");
    assert_eq!(answer["api_base"], format!("{}/api", server.issuer()));
    assert_eq!(answer["headers"]["editor-version"], "cred-helper/1");
    let account = home.json(&["account", "show", "copilot", "--json"]);
    // Each is told by the clock as it is then, in whole seconds.
    let apart = account["expires_at"].as_i64().unwrap() - answer["expires_at"].as_i64().unwrap();
    assert!((-1..=1).contains(&apart) && account["refreshable"] == json!(true), "{account}");
    // Fetched anew when the server wants it: ten minutes before its end, twice the usual margin.
    let due = account["refresh_at"].as_i64().unwrap() - answer["expires_at"].as_i64().unwrap();
    assert!((-671..=-594).contains(&due), "{due}");
    assert_eq!(home.token(), token);
    assert_eq!(server.count(Endpoint::SecondStep), 1);
    assert_eq!(server.count_grant("refresh_token"), 0);
    let narrow = home.run(&["get-token", "--scope", "read:user"]);
    assert_eq!(narrow.code, 30, "{}", narrow.stderr);
    home.kill_agent();
    let after = home.token();
    assert!(after != token && server.is_live_second(&after), "it was in memory only, and the login is kept");
}

#[test]
fn many_programs_cost_one_second_step_and_a_refused_token_one_more() {
    let server = server(3600, 1800);
    let home = signed_in(&server, "");
    server.set_behaviour_at(Endpoint::SecondStep, Behaviour::DelayAnswer(Duration::from_millis(200)), 1);
    let tokens = home.tokens_at_once(16);
    assert_eq!((server.count(Endpoint::SecondStep), tokens.len()), (1, 1));
    let first = tokens[0].trim_end().to_owned();
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    let second = home.token();
    assert!(first != second && server.is_live_second(&second));
    assert_eq!(home.run_with(&["reject"], &first).code, 0, "it had been replaced already");
    home.ok(&["refresh", "copilot"]);
    assert_ne!(home.token(), second);
    assert_eq!((server.count(Endpoint::SecondStep), server.count_grant("refresh_token")), (3, 0));
}

#[test]
fn the_logins_own_token_is_renewed_first_where_it_has_to_be() {
    let server = server(2, 1);
    let home = signed_in(&server, "");
    assert!(server.is_live_second(&home.token()));
    std::thread::sleep(Duration::from_secs(3));
    let begun = Instant::now();
    let token = home.token();
    assert!(server.is_live_second(&token) || begun.elapsed() > Duration::from_secs(1));
    assert!(server.count_grant("refresh_token") > 0);
    // One that was revoked before its time: a newer one is tried, once.
    let server = self::server(3600, 1800);
    let home = signed_in(&server, "");
    server.expire_access_tokens();
    assert!(server.is_live_second(&home.token()));
    assert_eq!((server.count(Endpoint::SecondStep), server.count_grant("refresh_token")), (2, 1));
}

#[test]
fn a_refusal_is_told_and_ends_the_login_only_where_the_table_says_so() {
    let forbidden = Behaviour::Error(403, json!({"message": "no access to Copilot"}));
    let server = server(3600, 1800);
    let home = signed_in(&server, "");
    server.set_behaviour_at(Endpoint::SecondStep, forbidden.clone(), 1);
    let refused = home.run(&["get-token"]);
    assert_eq!(refused.code, 20, "{}", refused.stderr);
    assert!(refused.stderr.contains("no access to Copilot"), "{}", refused.stderr);
    let account = home.json(&["account", "show", "copilot", "--json"]);
    assert_eq!((&account["state"], &account["problem"]["kind"]), (&json!("signed_in"), &json!("denied")));
    home.ok(&["refresh", "copilot"]);
    assert!(server.is_live_second(&home.token()), "it was asked again, and the server is well");
    server.set_behaviour_at(Endpoint::SecondStep, Behaviour::Status(503, None), 1);
    server.set_behaviour_at(Endpoint::SecondStep, Behaviour::Html, 1);
    home.ok(&["refresh", "copilot"]);

    let dead = "[[providers.copilot.second_step.errors]]\nstatus = 403\nclass = 'dead'\n";
    let server = self::server(3600, 1800);
    let home = signed_in(&server, dead);
    server.set_behaviour_at(Endpoint::SecondStep, forbidden, 1);
    assert_eq!(home.run(&["get-token"]).code, 10);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 10, "that is kept");
    assert_eq!(server.count(Endpoint::SecondStep), 1, "and nothing more is asked");
    log_in(&home, &server);
    assert!(server.is_live_second(&home.token()));
}

#[test]
fn a_refused_second_step_leaves_the_answer_to_a_stored_key_and_a_failing_one_never() {
    const KEY: &str = "the-key";
    let answer = |home: &Home| {
        let ended = home.run(&["get-token", "--timeout", "2s"]);
        (ended.code, ended.stdout.trim_end().to_owned(), ended.stderr)
    };
    let server = server(3600, 1800);
    let home = signed_in(&server, "");
    assert_eq!(home.run_with(&["api-key", "set", "copilot"], KEY).code, 0);
    server.set_behaviour_at(Endpoint::SecondStep, Behaviour::Status(503, Some("0".into())), usize::MAX);
    let (code, said, _) = answer(&home);
    assert_eq!((code, said.as_str()), (13, ""), "a server in trouble is no refusal");
    server.behave();
    let token = home.ok(&["get-token"]);
    assert!(server.is_live_second(&token));
    // While there is a token, nobody needs the key.
    let forbidden = Behaviour::Error(403, json!({"message": "no access to Copilot"}));
    server.set_behaviour_at(Endpoint::SecondStep, forbidden.clone(), usize::MAX);
    assert_eq!(home.run(&["refresh", "copilot"]).code, 20);
    assert_eq!(home.token(), token);
    home.kill_agent();
    let (code, said, words) = answer(&home);
    assert_eq!((code, said.as_str()), (0, KEY), "{words}");
    assert!(words.contains("its API key answers, because") && words.contains("no access to Copilot"), "{words}");
    let asked = server.count(Endpoint::SecondStep);
    let answered = home.json(&["get-token", "--format", "json"]);
    assert!(answered["method"] == "api_key" && answered["fallback_since"].is_u64(), "{answered}");
    assert!(home.ok(&["status"]).contains("API key answers"));
    assert_eq!(server.count(Endpoint::SecondStep), asked, "the server is left alone meanwhile");
    server.behave();
    home.ok(&["refresh", "copilot"]);
    assert!(server.is_live_second(&home.token()), "the login answers as soon as it can");
    assert!(home.json(&["status", "--json"])["accounts"][0]["fallback_since"].is_null());
    // Without a key it stays what it is.
    home.ok(&["api-key", "remove", "copilot"]);
    home.kill_agent();
    server.set_behaviour_at(Endpoint::SecondStep, forbidden, usize::MAX);
    assert_eq!(answer(&home).0, 20);
}

#[cfg(target_os = "linux")]
#[test]
fn the_first_token_never_leaves_the_agent() {
    let rotation = cred_helper::demo::server::RotationMode::None;
    let server = Server::start(Options { rotation, ..Options::default() }).unwrap();
    let mut home = Home::with_vault();
    home.set("CRED_HELPER_LOG", "trace");
    home.configure(&configuration(&server, ""));
    home.ok(&["agent", "stop"]);
    log_in(&home, &server);
    let first = server.issued_tokens();
    let mut said = Vec::new();
    for format in ["token", "json", "header", "headers-json", "curl-config"] {
        let ended = home.run(&["get-token", "--format", format]);
        said.extend([ended.stdout, ended.stderr]);
    }
    let sent = first.iter().find(|token| token.starts_with("at_")).unwrap();
    let echo = json!({"message": format!("this is not a token: {}", &sent[..20])});
    for behaviour in [Behaviour::Error(400, echo), Behaviour::TruncatedJson, Behaviour::Html] {
        server.set_behaviour_at(Endpoint::SecondStep, behaviour, 1);
        let ended = home.run(&["refresh", "copilot"]);
        said.extend([ended.stdout, ended.stderr]);
    }
    said.push(home.ok(&["status", "--json"]));
    home.ok(&["agent", "stop"]);
    said.push(std::fs::read_to_string(home.state().join("agent.log")).unwrap());
    super::canary::assert_no_token(&said, &first);
}

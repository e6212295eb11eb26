//! API keys: kept beside the logins, answering where those can't, and never because a network fails.

use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Server};

use super::home::{Ended, Home, lasting_server, server};
use super::tokens::{wait_for_expiry, wait_for_expiry_of};

const KEY: &str = "key-canary-0123456789";
const KEYED: &str = "[providers.keyed]\ntitle = 'Keyed'\nvariables.api_key = ['KEYED_API_KEY']\n\
    api = { host = 'api.keyed.example', key_header = 'x-api-key', key_headers = { x-version = '1' } }\n";

/// A home with one login, at a provider that is called demo.
fn with_login(server: &Server, more: &str) -> Home {
    let home = Home::with_vault();
    home.configure(&demo(server, more));
    // The configuration counts from the next start.
    home.ok(&["agent", "stop"]);
    let login = home.log_in_with(&["login", "demo", "--no-browser"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    home
}

fn demo(server: &Server, more: &str) -> String {
    format!(
        "{KEYED}[providers.demo]\nissuer = '{}'\nclient.id = '{}'\nscopes = ['openid', 'offline_access']\n\
         api = {{ headers = {{ x-beta = '1' }}, key_header = 'x-api-key' }}\n[providers.demo.variables]\n\
         oauth_token = ['DEMO_TOKEN']\napi_key = ['DEMO_API_KEY']\nexpires_at = ['DEMO_EXPIRES_AT']\n\
         refresh_token = ['DEMO_REFRESH_TOKEN']\n{more}",
        server.issuer(),
        server.client_id()
    )
}

impl Home {
    #[track_caller]
    fn set_key(&self, account: &str) {
        let ended = self.run_with(&["api-key", "set", account], &format!("{KEY}\n"));
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
        assert!(!ended.stderr.contains(KEY), "{}", ended.stderr);
    }

    fn reject(&self, token: &str) -> Ended {
        self.run_with(&["reject"], token)
    }
}

#[test]
fn a_key_answers_where_there_is_no_login() {
    let home = Home::with_vault();
    home.configure(KEYED);
    home.ok(&["agent", "stop"]);
    assert_eq!(home.run(&["get-token", "keyed"]).code, 10);
    home.set_key("keyed");
    assert_eq!(home.run(&["get-token", "keyed"]).stdout, format!("{KEY}\n"));
    home.kill_agent();
    assert_eq!(home.token(), KEY, "the only account there is, after a crash, too");
    let answer = home.json(&["get-token", "--format", "json"]);
    assert_eq!((&answer["method"], &answer["source"]), (&"api_key".into(), &"api key".into()));
    assert_eq!((&answer["key_header"], &answer["headers"]["x-version"]), (&"x-api-key".into(), &"1".into()));
    assert!(answer["fallback_since"].is_null() && answer["expires_at"].is_null());
    assert_eq!(home.ok(&["get-token", "--format", "header"]), format!("x-api-key: {KEY}"));
    let headers = home.json(&["get-token", "--format", "headers-json"]);
    assert_eq!(headers, serde_json::json!({"x-api-key": KEY, "x-version": "1"}));
    let curl = home.ok(&["get-token", "--format", "curl-config"]);
    assert_eq!(curl, format!("header = \"x-api-key: {KEY}\"\nheader = \"x-version: 1\""));
    assert_eq!(home.run(&["get-token", "--format", "xoauth2", "--user", "me"]).code, 2);
    assert_eq!(home.run(&["get-token", "--token-type", "id"]).code, 30);
    assert_eq!(home.run(&["get-token", "--scope", "x"]).code, 30);
    let status = home.json(&["status", "--json"]);
    let account = &status["accounts"][0];
    assert_eq!((&account["state"], &account["method"]), (&"signed_out".into(), &"api_key".into()));
    assert_eq!(account["api_key"]["fingerprint"].as_str().unwrap().len(), 8);
    assert!(!status.to_string().contains(KEY) && home.ok(&["status"]).contains("API key"));
    let login = home.run(&["login", "keyed", "--no-browser"]);
    assert!(login.code == 19 && login.stderr.contains("api-key set keyed"), "{}", login.stderr);
    let logout = home.run(&["logout", "keyed"]);
    assert!(logout.code == 10 && logout.stderr.contains("api-key remove keyed"), "{}", logout.stderr);
    home.ok(&["api-key", "remove", "keyed"]);
    assert_eq!(home.run(&["get-token", "keyed"]).code, 10);
    assert_eq!(home.run(&["api-key", "remove", "keyed"]).code, 10);
    home.kill_agent();
    assert!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().is_empty());
}

#[test]
fn a_provider_with_two_keys_has_a_default_of_its_own() {
    let home = Home::with_vault();
    home.configure(KEYED);
    home.ok(&["agent", "stop"]);
    for account in ["keyed/home", "keyed/work"] {
        assert_eq!(home.run_with(&["api-key", "set", account], account).code, 0);
    }
    assert_eq!(home.run(&["get-token", "keyed"]).code, 12);
    home.ok(&["account", "default", "keyed/work"]);
    assert_eq!((home.ok(&["get-token", "keyed"]), home.token()), ("keyed/work".into(), "keyed/work".into()));
    home.kill_agent();
    assert_eq!(home.ok(&["get-token", "keyed"]), "keyed/work");
}

#[test]
fn a_key_is_read_from_standard_input_alone_and_repeated_nowhere() {
    let home = Home::with_vault();
    home.configure(KEYED);
    home.ok(&["agent", "stop"]);
    for arguments in [&["api-key", "set", "keyed", KEY][..], &["api-key", "set", KEY], &["api-key", "set", KEY, KEY]] {
        let ended = home.run_with(arguments, KEY);
        assert!(ended.code != 0 && !ended.stderr.contains(KEY), "{arguments:?}: {}", ended.stderr);
    }
    let long = "x".repeat(9000);
    for wrong in ["", " \n", "two words", "two\nlines", "caf\u{e9}", &long] {
        let ended = home.run_with(&["api-key", "set", "keyed"], wrong);
        assert_eq!(ended.code, 2, "{wrong:?}: {}", ended.stderr);
    }
    let ended = home.run_with(&["api-key", "set", "keyed", "--expires", "2020-01-01"], KEY);
    assert!(ended.code == 2 && ended.stderr.contains("ended already"), "{}", ended.stderr);
    assert_eq!(home.run_with(&["api-key", "set", "nobody"], KEY).code, 11);
    assert_eq!(home.run(&["get-token", "keyed"]).code, 10, "nothing of that was stored");
}

#[test]
fn a_key_ends_when_it_was_said_to() {
    let home = Home::with_vault();
    home.configure(KEYED);
    home.ok(&["agent", "stop"]);
    let set = |expires: &str| home.run_with(&["api-key", "set", "keyed", "--expires", expires, "--json"], KEY);
    // On a busy machine a second may have passed before the agent hears of it.
    assert!(["1s", "4s", "16s"].iter().any(|life| set(life).code == 0));
    let end = home.json(&["status", "--json"])["accounts"][0]["api_key"]["expires_at"].as_u64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::thread::sleep(Duration::from_secs(end).saturating_sub(now));
    let ended = home.run(&["get-token", "keyed"]);
    assert!(ended.code == 10 && ended.stderr.contains("has ended"), "{}", ended.stderr);
    assert!(home.ok(&["status"]).contains("API key ended"));
    let replaced: serde_json::Value = serde_json::from_str(&set("90d").stdout).unwrap();
    assert_eq!(replaced["replaced"], true);
    assert_eq!(home.ok(&["get-token", "keyed"]), KEY);
}

#[test]
fn a_dead_login_leaves_the_answer_to_its_key_until_somebody_signs_in_again() {
    let server = server(Duration::from_secs(1));
    let home = with_login(&server, "");
    home.set_key("demo");
    assert_ne!(home.token(), KEY, "the login comes first");
    wait_for_expiry(&home);
    assert!(server.is_live(&home.token()), "and renews itself");
    server.revoke_everything();
    wait_for_expiry(&home);
    let ended = home.run(&["get-token"]);
    assert_eq!((ended.code, ended.stdout.trim_end()), (0, KEY));
    assert!(ended.stderr.contains("its API key answers"), "{}", ended.stderr);
    let answer = home.json(&["get-token", "--format", "json"]);
    assert!(answer["fallback_since"].is_u64() && answer["fallback_reason"].is_string(), "{answer}");
    let status = home.json(&["status", "--json"])["accounts"][0].clone();
    assert_eq!((&status["state"], &status["method"]), (&"reauthorization_required".into(), &"api_key".into()));
    assert_eq!(status["fallback_reason"], answer["fallback_reason"]);
    let login = home.log_in_with(&["login", "demo", "--no-browser"]);
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert_ne!(home.token(), KEY);
    assert!(home.json(&["status", "--json"])["accounts"][0]["fallback_since"].is_null());
}

#[test]
fn a_network_that_fails_never_leads_to_a_key() {
    let server = server(Duration::from_secs(1));
    let home = with_login(&server, "");
    home.set_key("demo");
    for behaviour in [Behaviour::Status(503, None), Behaviour::ResetConnection, Behaviour::Html] {
        server.set_behaviour(behaviour.clone(), 100);
        wait_for_expiry(&home);
        let ended = home.run(&["get-token", "--timeout", "2s"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (13, ""), "{behaviour:?}: {}", ended.stderr);
    }
    server.behave();
    let token = home.token();
    assert_ne!(token, KEY);
    // A rejection changes nothing of that.
    server.set_behaviour(Behaviour::Status(503, Some("600".into())), 100);
    assert_eq!(home.reject(&token).code, 13);
    assert_eq!(home.run(&["get-token", "--timeout", "2s"]).code, 13);
}

#[test]
fn a_login_that_is_refused_twice_leaves_the_answer_to_its_key_until_it_works_again() {
    let server = lasting_server();
    let home = with_login(&server, "");
    home.set_key("demo");
    let first = home.token();
    assert!(home.reject(&first).stderr.contains("Refreshed"));
    let second = home.token();
    assert!(second != first && second != KEY);
    let ended = home.reject(&second);
    assert!(ended.code == 0 && ended.stderr.contains("its API key answers from now on"), "{}", ended.stderr);
    assert_eq!((home.token().as_str(), server.count_grant("refresh_token")), (KEY, 1));
    let answer = home.json(&["get-token", "--format", "json"]);
    assert!(answer["fallback_reason"].as_str().unwrap().contains("refused too"), "{answer}");
    assert_eq!(home.reject(&second).code, 0, "another one reports it, too");
    home.kill_agent();
    assert_eq!(home.token(), KEY, "a crash forgets nothing");
    assert!(home.ok(&["status"]).contains("API key answers"));
    // Servers take it again; the next refresh finds out.
    home.ok(&["refresh"]);
    let third = home.token();
    assert!(server.is_live(&third) && third != KEY);
    assert!(home.json(&["status", "--json"])["accounts"][0]["fallback_since"].is_null());
    // Or they don't.
    assert!(home.reject(&third).stderr.contains("API key answers"), "at once");
    assert_eq!((home.token().as_str(), server.count_grant("refresh_token")), (KEY, 2));
    home.ok(&["api-key", "remove", "demo"]);
    assert_eq!(home.token(), third, "without a key there is nothing better");
}

#[test]
fn a_refused_key_is_said_and_not_handed_out_again_and_again() {
    let server = lasting_server();
    let home = with_login(&server, "");
    for account in ["demo", "keyed"] {
        home.set_key(account);
    }
    let ended = home.run_with(&["reject", "keyed"], KEY);
    assert!(ended.code == 20 && ended.stderr.contains("keyed: a server refused its API key"), "{}", ended.stderr);
    let ended = home.run(&["get-token", "keyed"]);
    assert!(ended.code == 20 && ended.stderr.contains("api-key set keyed"), "{}", ended.stderr);
    assert!(home.ok(&["status"]).contains("a server refused its API key"));
    assert_eq!(home.run(&["get-token", "demo"]).code, 0, "the other one's is another matter");
    // Both refused: nobody is served, and nobody is asked.
    home.reject(&home.ok(&["get-token", "demo"]));
    home.reject(&home.ok(&["get-token", "demo"]));
    assert_eq!(home.ok(&["get-token", "demo"]), KEY);
    assert_eq!(home.run_with(&["reject", "demo"], KEY).code, 20);
    let ended = home.run(&["get-token", "demo"]);
    assert!(ended.code == 20 && ended.stderr.contains("refused its API key"), "{}", ended.stderr);
    assert_eq!(server.count_grant("refresh_token"), 1);
    home.set_key("keyed");
    assert_eq!(home.ok(&["get-token", "keyed"]), KEY, "another key is another matter");
}

#[test]
fn a_logout_leaves_the_key_unless_it_is_asked_for() {
    let server = lasting_server();
    let home = with_login(&server, "");
    home.set_key("demo");
    let ended = home.run(&["logout", "demo"]);
    assert!(ended.code == 0 && ended.stderr.contains("Its API key stays"), "{}", ended.stderr);
    assert_eq!(home.ok(&["get-token", "demo"]), KEY);
    assert!(home.json(&["get-token", "--format", "json"])["fallback_since"].is_null(), "there is no login");
    assert_eq!(home.log_in_with(&["login", "demo", "--no-browser"]).code, 0);
    assert_ne!(home.token(), KEY);
    let ended = home.run(&["logout", "--all", "--api-key"]);
    assert!(ended.code == 0 && ended.stderr.contains("The API key of demo is forgotten"), "{}", ended.stderr);
    assert_eq!(home.run(&["get-token", "demo"]).code, 10);
}

#[test]
fn a_renamed_account_takes_its_key_along() {
    let server = lasting_server();
    let home = with_login(&server, "");
    home.set_key("demo");
    home.ok(&["account", "rename", "demo", "work"]);
    let account = home.json(&["account", "show", "demo/work", "--json"]);
    assert!(account["api_key"].is_object() && account["refreshable"] == true, "{account}");
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), 1);
    // What an interrupted rename leaves is put together again.
    home.ok(&["api-key", "remove", "demo"]);
    home.set_key("keyed");
    home.ok(&["account", "rename", "keyed", "other"]);
    assert_eq!(home.ok(&["get-token", "keyed/other"]), KEY);
}

#[test]
fn the_configuration_says_what_comes_first() {
    let server = lasting_server();
    let home = with_login(&server, "[accounts.demo]\nsources = ['api_key', 'login']\n");
    assert_ne!(home.token(), KEY, "there is no key yet");
    home.set_key("demo");
    assert_eq!(home.token(), KEY);
    assert!(home.json(&["get-token", "--format", "json"])["fallback_since"].is_null());
    assert_eq!(home.reject(KEY).code, 20);
    assert_ne!(home.token(), KEY, "the next source");
    home.configure(&demo(&server, "[accounts.demo]\nsources = ['api_key']\n"));
    home.ok(&["agent", "stop"]);
    assert_eq!(home.token(), KEY);
    home.ok(&["api-key", "remove", "demo"]);
    let ended = home.run(&["get-token"]);
    assert!(ended.code == 10 && ended.stderr.contains("sources"), "{}", ended.stderr);
}

#[test]
fn the_callers_variables_come_before_the_login_and_after_the_key() {
    let server = server(Duration::from_secs(1));
    let mut home = with_login(&server, "");
    let source = |home: &Home| home.json(&["get-token", "demo", "--format", "json"])["source"].clone();
    home.set("DEMO_TOKEN", "from-the-caller");
    home.set("DEMO_API_KEY", "key-of-the-caller");
    home.set("DEMO_REFRESH_TOKEN", "refresh-of-the-caller");
    assert_eq!(source(&home), "environment variable DEMO_TOKEN");
    let headers = home.json(&["get-token", "demo", "--format", "headers-json"]);
    assert_eq!(headers, serde_json::json!({"Authorization": "Bearer from-the-caller", "x-beta": "1"}));
    home.set("DEMO_EXPIRES_AT", "1600000000000");
    let ended = home.run(&["get-token", "demo"]);
    assert!(server.is_live(ended.stdout.trim_end()), "one that has ended is passed over");
    assert!(ended.stderr.contains("DEMO_TOKEN ended 2020-09-13"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("DEMO_REFRESH_TOKEN"), "the login answers");
    server.revoke_everything();
    wait_for_expiry_of(&home, "demo");
    let ended = home.run(&["get-token", "demo", "--format", "header"]);
    assert_eq!(ended.stdout.trim_end(), "x-api-key: key-of-the-caller", "{}", ended.stderr);
    let adopts = "\"$DEMO_REFRESH_TOKEN\" | cred-helper import demo --from - --own";
    assert!(ended.stderr.contains(adopts) && !ended.stderr.contains("refresh-of"), "{}", ended.stderr);
    home.set_key("demo");
    assert_eq!(home.ok(&["get-token", "demo"]), KEY);
    home.ok(&["logout", "demo", "--api-key"]);
    assert_eq!(source(&home), "environment variable DEMO_API_KEY");
    home.set("DEMO_EXPIRES_AT", "");
    assert_eq!(source(&home), "environment variable DEMO_TOKEN");
    assert_eq!(home.run(&["get-token", "demo/work"]).code, 10, "a label means that account alone");
}

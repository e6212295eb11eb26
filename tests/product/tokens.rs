//! `get-token`: what it prints, what it costs the server, what it says when there is nothing to print.

use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Endpoint, Options, Server};

use super::home::{Home, ended, lasting_server, server};

#[test]
fn the_token_and_a_newline_are_all_that_is_printed() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let ended = home.run(&["get-token"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let token = ended.stdout.strip_suffix('\n').unwrap();
    assert!(server.is_live(token), "the server accepts what was printed");
    assert_eq!(home.token(), token, "a fresh token is served from memory");
    assert_eq!(server.count_grant("refresh_token"), 0);
}

#[test]
fn an_expired_token_is_refreshed_once_for_everybody() {
    let options = Options { token_delay: Duration::from_millis(100), ..Options::default() };
    let server = Server::start(options).unwrap();
    // The next one outlasts its clients, however long it takes to start them.
    server.set_behaviour(Behaviour::ExpiresIn(1.into()), 1);
    let home = Home::signed_in(&server);
    wait_for_expiry(&home);
    server.expire_access_tokens();
    let before = server.count_grant("refresh_token");
    let tokens = home.tokens_at_once(64);
    let refreshes = server.count_grant("refresh_token") - before;
    assert_eq!((refreshes, tokens.len()), (1, 1), "for 64 clients");
    assert!(server.families().iter().all(|family| family.ended.is_none()), "no refresh token was used twice");
}

#[test]
fn a_server_that_never_answers_delays_nobody_else() {
    let hanging = server(Duration::from_secs(1));
    let well = lasting_server();
    let home = Home::signed_in(&well);
    home.log_in(&hanging, &["--account", "slow"]);
    let slow = account_of(&home, &hanging);
    let other = account_of(&home, &well);
    wait_for_expiry_of(&home, &slow);
    hanging.set_behaviour(Behaviour::Hang, 100);
    let mut waiting = home.start(&["get-token", &slow, "--timeout", "8s"]);
    assert!(hanging.wait_for(Duration::from_secs(10), |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    for _ in 0..5 {
        home.ok(&["get-token", &other]);
    }
    assert!(waiting.try_wait().unwrap().is_none(), "they did not wait for the slow one");
    let ended = ended(waiting.wait_with_output().unwrap());
    assert_eq!(ended.code, 13, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_token_that_is_still_valid_is_served_while_refreshing_fails() {
    let server = server(Duration::from_secs(120));
    let home = Home::signed_in(&server);
    server.set_behaviour(Behaviour::Status(503, None), 100);
    let first = home.token();
    // More than it ever lasts is asked for: a refresh is tried, fails, and what there is is served.
    let answer = home.json(&["get-token", "--min-validity", "119s", "--format", "json", "--timeout", "3s"]);
    assert_eq!(answer["token"], first.as_str());
    assert!(server.is_live(&first));
}

#[test]
fn a_dead_login_says_so_and_is_not_tried_again() {
    let server = server(Duration::from_secs(1));
    let home = Home::signed_in(&server);
    server.revoke_everything();
    wait_for_expiry(&home);
    let ended = home.run(&["get-token", "--timeout", "20s"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (10, ""));
    assert!(ended.stderr.contains("run `cred-helper login"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let asked = server.count_grant("refresh_token");
    assert_eq!(home.run(&["get-token"]).code, 10);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 10, "it is remembered over a crash");
    assert_eq!(server.count_grant("refresh_token"), asked);
    assert_eq!(home.json(&["status", "--json"])["accounts"][0]["state"], "reauthorization_required");
    server.set_behaviour_at(Endpoint::Token, Behaviour::Decent, 0);
    home.log_in(&server, &[]);
    assert!(server.is_live(&home.token()), "a new login mends it");
}

#[test]
fn a_refused_token_is_refreshed_once_and_known_afterwards() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let first = home.token();
    server.expire_access_tokens();
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    let second = home.token();
    assert_ne!(first, second);
    assert!(server.is_live(&second));
    assert_eq!(home.run_with(&["reject"], &first).code, 0, "it had been replaced already");
    assert_eq!(server.count_grant("refresh_token"), 1);
    let again = home.run_with(&["reject"], &second);
    assert_eq!(again.code, 20, "a second fresh token that is refused is no matter of refreshing: {}", again.stderr);
    assert_eq!(server.count_grant("refresh_token"), 1);
}

#[test]
fn every_format_has_the_token() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    assert_eq!(home.ok(&["get-token", "--format", "header"]), format!("Authorization: Bearer {token}"));
    assert_eq!(home.json(&["get-token", "--format", "headers-json"])["Authorization"], format!("Bearer {token}"));
    assert!(home.ok(&["get-token", "--format", "curl-config"]).contains(&token));
    let netrc = home.ok(&["get-token", "--format", "netrc", "--host", "api.example", "--user", "me"]);
    assert_eq!(netrc, format!("machine api.example login me password {token}"));
    let json = home.json(&["get-token", "--format", "json"]);
    assert_eq!(json["token"], token.as_str());
    assert_eq!(json["method"], "oauth");
}

#[test]
fn id_tokens_audiences_and_scopes_are_answers_of_their_own() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let access = home.token();
    let id = home.ok(&["get-token", "--token-type", "id"]);
    assert!(id.starts_with("eyJ") && id != access, "an ID token is a JWT");
    let narrow = home.ok(&["get-token", "--scope", "openid"]);
    assert_ne!(narrow, access);
    assert_eq!(home.ok(&["get-token", "--scope", "openid"]), narrow, "it is cached");
    let api = home.ok(&["get-token", "--audience", "https://api.example/"]);
    assert!(api != access && api != narrow);
    assert_eq!(home.ok(&["get-token", "--audience", "https://api.example/"]), api);
    assert_eq!(home.token(), access, "the login's own token stayed");
    assert_eq!(server.count_grant("refresh_token"), 2);
    home.kill_agent();
    assert_eq!(home.token(), access, "and is still there after a crash, with the rotated refresh token");
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
}

/// The account at that server, by its name.
pub(crate) fn account_of(home: &Home, server: &Server) -> String {
    let status = home.json(&["status", "--json"]);
    let accounts = status["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["issuer"] == server.issuer().as_str()).unwrap();
    account["account"].as_str().unwrap().to_owned()
}

pub(crate) fn wait_for_expiry(home: &Home) {
    let accounts = home.json(&["status", "--json"]);
    wait_for_expiry_of(home, accounts["accounts"][0]["account"].as_str().unwrap());
}

/// Until the account's token has ended: the one wait for time itself, because the programs' clock is the machine's.
pub(crate) fn wait_for_expiry_of(home: &Home, account: &str) {
    let status = home.json(&["account", "show", account, "--json"]);
    let end = Duration::from_secs(status["expires_at"].as_u64().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::thread::sleep(end.saturating_sub(now));
}

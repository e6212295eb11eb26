//! Logging in and out, by every flow, with the accidents of each.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use cred_helper::demo::server::{
    Behaviour, Endpoint, Entry, Options, RedirectBehaviour, RegisteredClient, Server, User,
};
use cred_helper::token::ClientAuthentication;

use super::home::{Home, browse, ended, fetch, first_line, lasting_server};

#[test]
fn a_login_in_the_browser_ends_with_a_page_that_names_the_person() {
    let server = lasting_server();
    let home = Home::with_vault();
    let page = home.log_in(&server, &[]);
    assert!(page.contains("Signed in") && page.contains(&User::default().email), "{page}");
    assert!(page.contains("prefers-color-scheme") && !page.contains("<script"));
    let status = home.json(&["status", "--json"]);
    let account = &status["accounts"][0];
    assert_eq!(account["identity"]["email"], User::default().email.as_str());
    assert_eq!(account["state"], "signed_in");
    let log = server.log();
    assert!(log.iter().all(|entry| entry.user_agent.as_deref().is_none_or(|agent| !agent.contains("Mozilla"))));
}

#[test]
fn state_and_verifier_are_different_values() {
    let server = lasting_server();
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    let url = first_line(&mut login);
    let value = |name: &str| url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned();
    assert_ne!(value("state="), value("code_challenge="));
    assert_eq!(value("code_challenge_method="), "S256");
    browse(&url);
    assert!(login.wait().unwrap().success());
}

#[test]
fn strangers_at_the_redirect_do_not_end_a_login() {
    let server = lasting_server();
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    let url = first_line(&mut login);
    let redirect = url.split("redirect_uri=").nth(1).unwrap().split('&').next().unwrap();
    let redirect = redirect.replace("%3A", ":").replace("%2F", "/");
    let answer = fetch(&format!("{redirect}?code=stolen&state=guessed"));
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(fetch(&redirect.replace("/callback", "/favicon.ico")).starts_with("HTTP/1.1 404"));
    browse(&url);
    assert!(login.wait().unwrap().success(), "the real redirect still wins");
}

#[test]
fn a_refusal_at_the_provider_is_told_and_leaves_nothing() {
    let server = lasting_server();
    let home = Home::with_vault();
    server.set_redirect(RedirectBehaviour::Error(
        "access_denied".to_owned(),
        "<script>alert(1)</script> not you".to_owned(),
    ));
    let ended = home.log_in_with(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    assert_eq!(ended.code, 20, "{}", ended.stderr);
    assert!(!ended.stdout.contains("<script>"), "{}", ended.stdout);
    assert_eq!(home.run(&["get-token"]).code, 10);
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
}

#[test]
fn confidential_clients_authenticate_as_they_are_registered() {
    for authentication in [ClientAuthentication::Basic, ClientAuthentication::Post] {
        let client = RegisteredClient::confidential("app", "s3cret: with+odd%chars", authentication);
        let server = Server::start(Options { clients: vec![client], ..Options::default() }).unwrap();
        let home = Home::with_vault();
        let way = if authentication == ClientAuthentication::Basic { "basic" } else { "post" };
        home.configure(&format!(
            "[providers.work]\ntitle = 'Work'\nissuer = '{}'\nscopes = ['openid', 'offline_access']\n\
             client = {{ id = 'app', secret = 's3cret: with+odd%chars', authentication = '{way}' }}\n",
            server.issuer()
        ));
        home.ok(&["agent", "stop"]);
        let ended = home.log_in_with(&["login", "work", "--no-browser"]);
        assert_eq!(ended.code, 0, "{way}: {}", ended.stderr);
        home.ok(&["refresh", "work"]);
        assert!(server.is_live(&home.token()));
    }
}

#[test]
fn a_client_secret_comes_in_by_standard_input_and_is_kept() {
    let client = RegisteredClient::confidential("app", "hush-hush", ClientAuthentication::Basic);
    let server = Server::start(Options { clients: vec![client], ..Options::default() }).unwrap();
    let home = Home::with_vault();
    let issuer = server.issuer();
    let mut login = home.command(&["login", &issuer, "--client-id", "app", "--client-secret-stdin", "--no-browser"]);
    let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
    login.stdin.take().unwrap().write_all(b"hush-hush\n").unwrap();
    browse(&first_line(&mut login));
    let ended = ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    home.kill_agent();
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
}

#[test]
fn a_device_login_waits_for_the_person() {
    let server = lasting_server();
    let home = Home::with_vault();
    let issuer = server.issuer();
    let mut login = home.command(&["login", &issuer, "--client-id", &server.client_id(), "--device"]).spawn().unwrap();
    let mut words = BufReader::new(login.stderr.take().unwrap());
    let code = loop {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "no user code was shown");
        if let Some(code) = line.split_whitespace().find(|word| server.approve_device(word)) {
            break code.to_owned();
        }
    };
    assert!(code.len() >= 8);
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    assert!(login.wait().unwrap().success(), "{rest}");
    assert!(server.is_live(&home.token()));
}

#[test]
fn a_pasted_redirect_ends_a_login_and_a_strangers_does_not() {
    let server = lasting_server();
    let home = Home::with_vault();
    let mut login = home.command(&["login", &server.issuer(), "--client-id", &server.client_id(), "--paste"]);
    let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
    let mut words = BufReader::new(login.stderr.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "no URL was shown");
        if line.trim().starts_with("http") {
            break line.trim().to_owned();
        }
    };
    let answer = fetch(&url);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    let mut input = login.stdin.take().unwrap();
    let state = location.split("state=").nth(1).unwrap().split('&').next().unwrap();
    writeln!(input, "{}", location.replace(state, "somebody-elses")).unwrap();
    writeln!(input, "{location}").unwrap();
    drop(input);
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    assert!(login.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("another login"), "{rest}");
}

#[test]
fn another_person_does_not_replace_an_account_unasked() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let first = home.token();
    server.set_user(User { subject: "u-2".into(), email: "other@example.org".into(), ..User::default() });
    let arguments = ["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"];
    let ended = home.log_in_with(&arguments);
    assert_eq!(ended.code, 26, "{}", ended.stderr);
    assert_eq!(home.token(), first, "the account is as it was");
    home.log_in(&server, &["--replace"]);
    assert_ne!(home.token(), first);
}

#[test]
fn logging_in_again_renews_the_account_and_revokes_the_old_grant() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let first = home.token();
    home.log_in(&server, &[]);
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), 1);
    let second = home.token();
    assert_ne!(first, second);
    let revoked = server.wait_for(Duration::from_secs(10), |log| {
        log.iter().any(|entry| entry.endpoint == Endpoint::Revocation && entry.succeeded())
    });
    assert!(revoked && !server.is_live(&first) && server.is_live(&second));
}

#[test]
fn logging_out_revokes_at_the_server_and_forgets() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    home.ok(&["logout"]);
    assert!(!server.is_live(&token));
    assert_eq!(home.run(&["get-token"]).code, 10);
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
}

#[test]
fn a_refresh_that_answers_after_the_logout_is_given_back() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(2)), 1);
    let mut refresh = home.start(&["refresh"]);
    assert!(server.wait_for(Duration::from_secs(10), |log| log.iter().any(|e| e.is_grant("refresh_token"))));
    home.ok(&["logout"]);
    refresh.wait().unwrap();
    let revocations =
        |log: &[Entry]| log.iter().filter(|e| e.endpoint == Endpoint::Revocation && e.succeeded()).count();
    assert!(
        server.wait_for(Duration::from_secs(10), |log| revocations(log) == 2),
        "what came too late was revoked too"
    );
    assert!(server.families().iter().all(|family| family.ended.is_some()));
}

#[test]
fn a_notice_is_read_and_accepted_first() {
    let server = lasting_server();
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.strict]\nissuer = '{}'\nclient.id = '{}'\n[providers.strict.notice]\ntitle = 'Mind the terms'\n\
         text = 'Some may, some may not.'\nalternatives = ['an API key']\n",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    let ended = home.run(&["login", "strict", "--no-browser"]);
    assert_eq!(ended.code, 22, "{}", ended.stderr);
    assert!(ended.stderr.contains("Some may, some may not.") && ended.stderr.contains("an API key"));
    assert_eq!(server.log().len(), 0, "nothing was asked of the server");
    let accepted = home.log_in_with(&["login", "strict", "--no-browser", "--accept-notice"]);
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let again = home.log_in_with(&["login", "strict", "--no-browser"]);
    assert_eq!(again.code, 0, "it is shown once: {}", again.stderr);
}

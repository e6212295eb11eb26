//! Bad input and bad luck: a clear line, the right exit code, and nothing half-written.

use super::home::{Home, first_line, lasting_server};

#[test]
fn every_mistake_has_its_own_answer() {
    let home = Home::with_vault();
    let table: &[(&[&str], i32, &str)] = &[
        (&["login", "http://id.example.com"], 2, "https"),
        (&["login", "https://"], 2, "no URL"),
        (&["login", "https://id.example.com/?tenant=1"], 2, "without user, query and fragment"),
        (&["login", "--sso", "id.example.com"], 2, "--sso takes the URL"),
        (&["login", "antropic"], 11, "did you mean `anthropic`?"),
        (&["login", "anthropic", "--account", "a b", "--accept-notice"], 2, "letters, digits"),
        (&["login", "https://id.example.com"], 19, "--client-id"),
        (&["get-token", "no one"], 2, "account name"),
        (&["get-token", "antropic"], 10, "did you mean `anthropic`?"),
        (&["get-token", "nobody"], 10, "cred-helper login nobody"),
        (&["get-token"], 10, "cred-helper login"),
        (&["logout"], 10, "nobody is signed in"),
        (&["refresh", "nobody"], 10, "nobody"),
        (&["account", "show", "nobody"], 10, "nobody"),
        (&["provider", "show", "nobody"], 11, "no provider of that name"),
        (&["vault", "slot", "remove", "nothing"], 2, "no key slot of that id"),
    ];
    for (arguments, code, words) in table {
        let ended = home.run(arguments);
        assert_eq!(ended.code, *code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
}

#[test]
fn an_issuer_that_is_somebody_else_is_refused() {
    use cred_helper::demo::server::{Options, Server};
    let options = Options { claimed_issuer: Some("https://evil.example".into()), ..Options::default() };
    let server = Server::start(options).unwrap();
    let home = Home::with_vault();
    let ended = home.run(&["login", &server.issuer(), "--client-id", "x", "--no-browser"]);
    assert_eq!(ended.code, 19, "{}", ended.stderr);
    assert!(ended.stderr.contains("issuer"), "{}", ended.stderr);
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let home = Home::with_vault();
    let ended = home.run(&["login", "http://127.0.0.1:1", "--client-id", "x", "--no-browser"]);
    assert_eq!(ended.code, 13, "{}", ended.stderr);
    assert!(ended.stderr.contains("could not be reached"), "{}", ended.stderr);
}

#[test]
fn a_wrong_configuration_is_named_with_its_line_and_keeps_nobody_from_his_logins() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    home.ok(&["agent", "stop"]);
    home.configure("http_timout = '60s'\n");
    let checked = home.run(&["config", "check"]);
    assert_eq!(checked.code, 19);
    assert!(checked.stderr.contains("config.toml:1: unknown key `http_timout`; did you mean `http_timeout`?"));
    assert_eq!(home.token(), token);
    // What it says of other servers counts for nothing until then: nobody signs in, or stores a key, elsewhere than it says.
    for arguments in [&["login", "anthropic", "--accept-notice"][..], &["provider", "show", "work"]] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, 19, "{}", refused.stderr);
        let words = "config.toml:1: unknown key `http_timout`; did you mean `http_timeout`? (mend it";
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert_eq!(home.run_with(&["api-key", "set", "anthropic"], "key").code, 19);
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("http_timout") || doctor.stderr.contains("http_timout"), "{doctor:?}");
}

#[test]
fn a_caller_that_leaves_ends_its_login() {
    let server = lasting_server();
    let home = Home::with_vault();
    let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    let url = first_line(&mut login);
    let redirect = url.split("redirect_uri=http%3A%2F%2F127.0.0.1%3A").nth(1).unwrap();
    let port: u16 = redirect.split('%').next().unwrap().parse().unwrap();
    login.kill().unwrap();
    login.wait().unwrap();
    // The agent closes the redirect's port when the last caller has left: until then a connection is accepted.
    let closed = (0..2000).any(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(closed, "the redirect's port stayed open");
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_redirect_port_in_use_is_named() {
    let server = lasting_server();
    let home = Home::with_vault();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (issuer, client) = (server.issuer(), server.client_id());
    let ended = home.run(&["login", &issuer, "--client-id", &client, "--no-browser", "--redirect-port", &port]);
    assert_eq!(ended.code, 19, "{}", ended.stderr);
    assert!(ended.stderr.contains(&port), "{}", ended.stderr);
}

/// Windows always has a place: DPAPI.
#[cfg(not(windows))]
#[test]
fn without_a_place_for_the_key_a_login_does_not_start() {
    let server = lasting_server();
    let home = Home::new();
    let login = home.run(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    assert_eq!(login.code, 15, "{}", login.stderr);
    assert!(login.stderr.contains("cred-helper vault slot add"), "{}", login.stderr);
    assert_eq!(server.log().len(), 0, "nothing was asked of the server");
}

#[test]
fn no_agent_is_started_where_none_may_be() {
    let home = Home::new();
    let refused = home.run(&["get-token", "--no-start"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (18, ""));
    assert!(!home.path().join("run/cred-helper/agent.sock").exists());
}

#[cfg(unix)]
#[test]
fn the_shells_substitution_returns_although_it_started_an_agent() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["agent", "stop"]);
    let mut shell = std::process::Command::new("/bin/sh");
    let script = format!("TOKEN=$('{}' get-token) && printf %s \"$TOKEN\"", env!("CARGO_BIN_EXE_cred-helper"));
    // What cron gives: hardly anything.
    shell.arg("-c").arg(script).env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
    shell.env("CRED_HELPER_AGENT", env!("CARGO_BIN_EXE_cred-helper-agent")).current_dir("/");
    let ended = super::home::ended(shell.output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(server.is_live(&ended.stdout));
}

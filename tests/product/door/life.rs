//! The door's coming and going: off, on, restarted, handed over, killed, and what is said of it.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::super::home::Home;
use super::{configuration, server};

#[test]
fn the_door_is_shut_unless_the_configuration_opens_it() {
    let server = server();
    let home = Home::with_vault();
    assert!(!home.door_file().exists());
    assert!(home.json(&["agent", "status", "--json"])["http"].is_null());
    let off = home.run(&["agent", "http"]);
    assert_eq!(off.code, 19, "{off:?}");
    assert!(off.stderr.contains("enabled = true"), "{}", off.stderr);
    home.configure(&configuration(&server, ""));
    home.ok(&["agent", "restart"]);
    let door = home.door();
    assert_eq!(door.get("/v1/status").status, 200);
    let mode = std::fs::metadata(home.door_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for command in [&["agent", "status"][..], &["doctor"], &["agent", "http"], &["agent", "http", "--json"]] {
        let said = home.run(command).stdout;
        assert!(said.contains(&format!("http://127.0.0.1:{}", door.port)), "{command:?}: {said}");
        assert!(!said.contains(&door.secret), "{command:?}");
    }
    assert_eq!(home.ok(&["agent", "http", "--secret"]), door.secret);
    home.ok(&["agent", "stop"]);
    assert!(!home.door_file().exists() && TcpStream::connect(("127.0.0.1", door.port)).is_err());
}

#[test]
fn every_agent_has_a_secret_of_its_own_and_takes_the_one_befores_away() {
    let server = server();
    let (home, first) = Home::with_door(&server);
    // Killed, it leaves a file with a secret that opens nothing.
    home.kill_agent();
    assert!(home.door_file().exists());
    home.ok(&["status"]);
    let second = home.door();
    assert_ne!(first.secret, second.secret);
    assert_eq!(second.ask("GET", "/v1/status", &first.with_secret(), "").status, 401);
    // Handed over, the successor's is fresh, and the old one is not in its way.
    home.ok(&["agent", "restart"]);
    let third = home.door();
    assert_ne!(second.secret, third.secret);
    assert_eq!(third.get("/v1/status").status, 200);
    assert_eq!(third.ask("GET", "/v1/status", &second.with_secret(), "").status, 401);
    home.configure("");
    home.kill_agent();
    home.ok(&["status"]);
    assert!(!home.door_file().exists(), "what the killed one left is gone");
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_fixed_port_passes_to_the_successor_and_one_that_is_taken_is_told() {
    let server = server();
    let home = Home::new();
    let port = free_port();
    home.configure(&configuration(&server, &format!("port = {port}")));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    let before = home.door();
    assert_eq!(before.port, port);
    home.ok(&["agent", "restart"]);
    // The one before closes it only once its successor serves.
    let is_open = || !home.json(&["agent", "status", "--json"])["http"]["url"].is_null();
    let opened = (0..2000).any(|_| is_open());
    assert!(opened);
    let after = home.door();
    assert!(after.port == port && after.secret != before.secret && after.get("/v1/status").status == 200);
    home.ok(&["agent", "stop"]);

    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    home.ok(&["status"]);
    assert!(home.run(&["agent", "http"]).stderr.contains(&format!("another program has port {port}")));
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("another program has port"), "{doctor:?}");
}

#[test]
fn the_audit_log_and_the_rules_know_who_asks_at_the_door() {
    let server = server();
    let home = Home::new();
    let configured = configuration(&server, "");
    home.configure(&configured);
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in_with(&["login", "free", "--no-browser"]);
    assert_eq!(home.door().get("/v1/token/free").status, 200);
    let own = std::env::current_exe().unwrap().canonicalize().unwrap();
    let log = home.ok(&["log", "--json"]);
    let asked = log.lines().rfind(|line| line.contains("token.get")).unwrap_or_else(|| panic!("{log}"));
    let asked: Value = serde_json::from_str(asked).unwrap();
    assert_eq!(asked["program"]["path"], own.to_str().unwrap(), "{asked}");
    assert_eq!(asked["pid"], std::process::id());
    for (allowed, status) in [("/usr/bin/nobody".into(), 403), (own, 200)] {
        home.configure(&format!("{configured}[accounts.free]\nallow = ['{}']\n", allowed.display()));
        home.ok(&["agent", "restart"]);
        let reply = home.door().get("/v1/token/free");
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

#[test]
fn a_successor_that_dies_before_it_serves_leaves_the_door_as_it_was() {
    let server = server();
    let home = Home::new().with_faults();
    home.configure(&configuration(&server, ""));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    let before = home.door();
    home.arm("successor.serving 1 kill");
    assert_ne!(home.run(&["agent", "restart"]).code, 0);
    home.disarm();
    let after = home.door();
    assert_eq!((after.port, &after.secret), (before.port, &before.secret));
    assert_eq!(after.get("/v1/status").status, 200);
}

#[test]
fn a_status_is_that_of_the_account_whose_token_is_given() {
    let server = server();
    let (home, door) = Home::with_door(&server);
    for account in ["free/home", "free/work", "fixed"] {
        assert_eq!(home.run_with(&["api-key", "set", account], account).code, 0);
    }
    home.ok(&["account", "default", "free/work"]);
    home.ok(&["account", "default", "fixed"]);
    let answers = door.get("/v1/token/free").json();
    let status = door.get("/auth/free/status").json();
    assert_eq!((&answers["account"], &status["account"]), (&"free/work".into(), &"free/work".into()), "{status}");
    assert_eq!(door.get("/auth/free/start?label=work").status, 200);
    let pending = door.get("/auth/free/status?label=work").json();
    assert_eq!((&pending["state"], &pending["connected"]), (&"authorizing".into(), &false.into()), "{pending}");
    let mistyped = door.get("/auth/fxed/status");
    assert_eq!(mistyped.status, 404);
    assert!(mistyped.body.contains("did you mean `fixed`?"), "{mistyped:?}");
}

#[test]
fn the_door_says_whether_the_login_or_its_key_answers_and_why() {
    let server = server();
    let (home, door) = Home::with_door(&server);
    assert!(door.get("/auth/free/status").json()["method"].is_null(), "nothing answers yet");
    assert_eq!(home.log_in_with(&["login", "free", "--no-browser"]).code, 0);
    let status = door.get("/auth/free/status").json();
    assert_eq!((&status["method"], &status["fallback"]), (&"oauth".into(), &false.into()));
    assert_eq!(home.run_with(&["api-key", "set", "free"], "key-canary-door").code, 0);
    let status = door.get("/auth/free/status").json();
    assert_eq!((&status["method"], &status["fallback"]), (&"oauth".into(), &true.into()));
    for outcome in ["refreshed", "api_key"] {
        let token = door.get("/v1/token/free").json()["token"].clone();
        let rejected = door.post("/v1/token/free/reject", &serde_json::json!({ "token": token }).to_string());
        assert_eq!(rejected.json()["outcome"], outcome, "{rejected:?}");
    }
    let reply = door.get("/auth/free/status");
    let status = reply.json();
    assert_eq!((&status["method"], &status["fallback"]), (&"api_key".into(), &true.into()));
    assert!(status["fallback_since"].is_u64() && !reply.body.contains("key-canary-door"), "{status}");
    assert!(status["reason"].as_str().unwrap().contains("refused too"), "{status}");
}

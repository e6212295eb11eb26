//! Many upgrades in a row while programs ask without pause, and what becomes of everything that is not on the disk.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cred_helper::demo::server::{Options, Server};
use serde_json::json;

use super::home::{Home, ended, first_line, lasting_server};
use super::upgrades::{Raw, signed_in};
use super::vaults::with_passphrase;

/// How many upgrades in a row.
const UPGRADES: usize = 24;

/// Counts what programs got, and stops them.
#[derive(Default)]
struct Tally {
    done: AtomicBool,
    programs: AtomicUsize,
    requests: AtomicUsize,
    kept: AtomicUsize,
    http: AtomicUsize,
}

impl Tally {
    fn until_done(&self, count: &AtomicUsize, mut ask: impl FnMut()) {
        while !self.done.load(Ordering::Relaxed) {
            ask();
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn token_of(answer: &serde_json::Value) -> String {
    answer["result"]["token"].as_str().unwrap_or_else(|| panic!("no token: {}", answer["error"])).to_owned()
}

#[test]
fn no_request_fails_while_agents_succeed_each_other() {
    // Tokens that end soon and a server that takes its time: a refresh is under way most of the time.
    let options = Options {
        access_token_lifetime: Duration::from_secs(2),
        token_delay: Duration::from_millis(150),
        ..Options::default()
    };
    let server = Server::start(options).unwrap();
    let mut home = signed_in(&server, "0.2.0");
    let lock = fs::File::open(home.vault().join("owner.lock")).unwrap();
    let tally = Tally::default();
    // The clients' place for the agent is set once; `install` only changes what lies there.
    let asking = Home::command(&home, &["get-token"]);
    let environment: Vec<_> = asking.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
    let program = asking.get_program();
    let socket = home.socket();
    let account = home.json(&["status", "--json"])["accounts"][0]["account"].as_str().unwrap().to_owned();
    let path = format!("/v1/token/{account}");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                tally.until_done(&tally.programs, || {
                    let mut command = std::process::Command::new(program);
                    command.arg("get-token").env_clear().envs(environment.iter().copied());
                    let ended = ended(command.output().unwrap());
                    assert_eq!(ended.code, 0, "{}", ended.stderr);
                });
            });
            scope.spawn(|| {
                tally.until_done(&tally.requests, || {
                    token_of(&Raw::at(&socket).ask("token.get", &json!({})));
                });
            });
            scope.spawn(|| {
                let mut kept = Raw::at(&socket);
                tally.until_done(&tally.kept, || {
                    token_of(&kept.ask("token.get", &json!({})));
                });
            });
        }
        scope.spawn(|| {
            tally.until_done(&tally.http, || {
                let answer = http(&socket, &path);
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            });
        });
        // One owner at each moment: nobody else ever gets the lock.
        scope.spawn(|| {
            while !tally.done.load(Ordering::Relaxed) {
                assert!(lock.try_lock().is_err(), "the lock was free");
                std::thread::yield_now();
            }
        });
        let upgrades = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for minor in 3..3 + UPGRADES {
                home.install(&format!("0.{minor}.0"));
                home.ok(&["agent", "restart"]);
                let status = home.json(&["agent", "status", "--json", "--no-start"]);
                assert_eq!(status["version"], format!("0.{minor}.0"));
            }
        }));
        tally.done.store(true, Ordering::Relaxed);
        upgrades.unwrap();
    });
    eprintln!("{UPGRADES} upgrades: {tally:?}");
    assert!(server.is_live(&home.token()));
    // One that is under way is finished first.
    home.ok(&["agent", "stop"]);
    let refreshes: Vec<_> = server.log().into_iter().filter(|entry| entry.is_grant("refresh_token")).collect();
    assert!(refreshes.len() >= 2 && refreshes.iter().all(cred_helper::demo::server::Entry::succeeded), "{refreshes:?}");
    assert!(server.families().iter().all(|family| family.ended.is_none()), "a refresh token was used twice");
    assert_eq!(server.families().len(), 1, "one login");
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts =
            [&self.programs, &self.requests, &self.kept, &self.http].map(|count| count.load(Ordering::Relaxed));
        write!(f, "get-token, requests, requests on a kept connection, HTTP: {counts:?}, failed: 0")
    }
}

fn http(socket: &std::path::Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_refresh_under_way_is_finished_and_one_that_waits_is_asked_for_again() {
    let server = Server::start(Options { token_delay: Duration::from_millis(400), ..Options::default() }).unwrap();
    let mut home = signed_in(&server, "0.2.0");
    home.log_in(&server, &["--account", "other"]);
    home.install("0.3.0");
    let accounts = home.json(&["status", "--json"]);
    let name = |at: usize| accounts["accounts"][at]["account"].as_str().unwrap().to_owned();
    let before = server.count_grant("refresh_token");
    let first = home.start(&["refresh", &name(0)]);
    assert!(
        server.wait_for(Duration::from_secs(30), |log| log.iter().filter(|e| e.is_grant("refresh_token")).count()
            > before)
    );
    let restart = home.start(&["agent", "restart"]);
    let second = home.start(&["refresh", &name(1)]);
    for (what, child) in [("first", first), ("restart", restart), ("second", second)] {
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 0, "{what}: {}", ended.stderr);
    }
    let refreshes: Vec<_> = server.log().into_iter().filter(|entry| entry.is_grant("refresh_token")).collect();
    assert_eq!(refreshes.len() - before, 2, "each once: {refreshes:?}");
    assert!(refreshes.iter().all(cred_helper::demo::server::Entry::succeeded));
}

#[test]
fn a_vault_without_a_disk_goes_along() {
    let server = lasting_server();
    let mut home = Home::new();
    home.install("0.2.0");
    home.ok(&["vault", "slot", "add", "memory", "--accept-weaker"]);
    home.log_in(&server, &[]);
    let token = home.token();
    for version in ["0.3.0", "0.4.0"] {
        home.install(version);
        home.ok(&["agent", "restart"]);
        assert_eq!(home.token(), token);
    }
    home.ok(&["refresh"]);
    assert!(home.token() != token && server.is_live(&home.token()));
    assert_eq!(fs::read_dir(home.vault().join("records")).unwrap().count(), 0, "nothing of it is on the disk");
}

#[test]
fn an_open_vault_stays_open_and_a_locked_one_locked() {
    let server = lasting_server();
    let mut home = Home::new();
    home.install("0.2.0");
    assert_eq!(with_passphrase(&home, &["vault", "slot", "add", "passphrase"], "correct horse").code, 0);
    home.log_in(&server, &[]);
    let token = home.token();
    home.install("0.3.0");
    home.ok(&["agent", "restart"]);
    assert_eq!(home.token(), token, "nobody is asked for the passphrase again");
    home.ok(&["lock"]);
    assert_eq!(with_passphrase(&home, &["unlock"], "battery staple").code, 24);
    home.install("0.4.0");
    home.ok(&["agent", "restart"]);
    assert_eq!(home.run(&["get-token"]).code, 14, "locked it was, locked it is");
    // The wrong passphrase costs as much time as it would have cost before.
    assert_eq!(with_passphrase(&home, &["unlock"], "correct horse").code, 24);
    let unlocked = std::iter::repeat_with(|| with_passphrase(&home, &["unlock"], "correct horse"));
    assert_eq!(unlocked.map(|ended| ended.code).find(|code| *code != 24), Some(0));
    assert_eq!(home.token(), token);
}

#[test]
fn a_login_under_way_is_not_interrupted() {
    let server = lasting_server();
    let mut home = signed_in(&server, "0.2.0");
    let pid = home.agent_pid();
    home.install("0.3.0");
    let (issuer, client) = (server.issuer(), server.client_id());
    let arguments = ["login", &issuer, "--client-id", &client, "--no-browser", "--account", "other"];
    let mut login = home.start(&arguments);
    let url = first_line(&mut login);
    let refused = home.run(&["agent", "restart"]);
    assert_eq!(refused.code, 13, "{}", refused.stderr);
    assert!(refused.stderr.contains("login is under way"), "{}", refused.stderr);
    super::home::browse(&url);
    assert_eq!(ended(login.wait_with_output().unwrap()).code, 0);
    assert_eq!(home.agent_pid(), pid);
    home.ok(&["agent", "restart"]);
    assert_ne!(home.agent_pid(), pid);
}

/// What the agent has open, once nobody is connected but who asks.
fn descriptors(home: &Home) -> usize {
    let mut asking = Raw::connect(home);
    let status = loop {
        let status = asking.ask("agent.status", &json!({}));
        if status["result"]["connections"] == 1 {
            break status;
        }
    };
    fs::read_dir(format!("/proc/{}/fd", status["result"]["pid"])).unwrap().count()
}

#[test]
fn hundreds_of_idle_connections_go_along_and_nothing_is_left_open() {
    let mut home = Home::new();
    home.install("0.2.0");
    home.ok(&["agent", "start"]);
    let before = descriptors(&home);
    // More than go in one message, and both kinds: who has spoken and who hasn't.
    let mut idle: Vec<_> = (0..300).map(|_| Raw::connect(&home)).collect();
    idle.iter_mut().step_by(2).for_each(|one| drop(one.ask("agent.hello", &json!({}))));
    for version in ["0.3.0", "0.4.0", "0.5.0"] {
        home.install(version);
        home.ok(&["agent", "restart"]);
        for one in &mut idle {
            assert_eq!(one.ask("agent.hello", &json!({}))["result"]["version"], version);
        }
    }
    drop(idle);
    assert_eq!(descriptors(&home), before);
}

#[test]
fn a_stop_in_the_middle_of_a_handover_loses_nothing() {
    let server = lasting_server();
    let mut home = signed_in(&server, "0.2.0");
    for minor in 3..11 {
        home.install(&format!("0.{minor}.0"));
        let restart = home.start(&["agent", "restart"]);
        let stop = home.start(&["agent", "stop"]);
        for child in [restart, stop] {
            let ended = ended(child.wait_with_output().unwrap());
            // Who came too late is told so; nobody waits for ever.
            assert!([0, 1, 13, 18].contains(&ended.code), "{ended:?}");
        }
        home.ok(&["refresh"]);
    }
    assert!(server.is_live(&home.token()));
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

//! The vault's key in a real gnome-keyring on a private D-Bus session, as users meet it: nothing asked, nothing lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Entry, Server};
use cred_helper::ipc::message::vault::LOCK_PATIENCE;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::keyring::Session;
use crate::prompter::Prompter;
use crate::support::programs::missing;
use crate::terminal::Terminal;

/// How long a refresh may take to get to its server on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn home_in(session: &Session) -> Home {
    let mut home = Home::new();
    home.set("DBUS_SESSION_BUS_ADDRESS", &session.address);
    home
}

/// A login whose vault's key is in the keyring; the agent has ended since.
fn signed_in() -> Option<(Session, Server, Home)> {
    let session = Session::with_keyring()?;
    let server = lasting_server();
    let home = home_in(&session);
    home.log_in(&server, &[]);
    home.ok(&["agent", "stop"]);
    Some((session, server, home))
}

/// Every file of the vault.
fn files(directory: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.file_name() != "owner.json" && !entry.file_name().to_string_lossy().contains("lock") {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[track_caller]
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn a_first_login_puts_the_key_into_the_keyring_and_a_restart_asks_nothing() {
    let Some((session, server, home)) = signed_in() else { return };
    let prompter = Prompter::start(&session.address);
    assert!(server.is_live(&home.token()), "still signed in after a restart of the agent");
    let report = home.json(&["vault", "status", "--json"]);
    assert_eq!((&report["state"], &report["as_strong_as"]), (&"unlocked".into(), &"keyring".into()), "{report}");
    home.kill_agent();
    assert!(server.is_live(&home.token()), "and after a kill");
    assert_eq!(prompter.asked(), 0);
}

#[test]
fn a_locked_keyring_is_said_at_once_and_an_opened_one_is_found_without_a_restart() {
    let Some((mut session, server, home)) = signed_in() else { return };
    session.lock_keyring();
    let prompter = Prompter::start(&session.address);
    for _ in 0..2 {
        refused(&home.run(&["get-token"]), 14, &["keyring", "cred-helper unlock"]);
    }
    assert_eq!(prompter.asked(), 0, "a program that asks for a token opens no dialog");
    let pid = home.agent_pid();
    session.stop_keyring();
    refused(&home.run(&["get-token"]), 14, &["keyring"]);
    session.start_keyring(true);
    assert!(server.is_live(&home.token()));
    assert_eq!(home.agent_pid(), pid);
}

#[test]
fn a_dismissed_dialog_at_unlock_is_said_and_shown_once() {
    let Some((session, _server, home)) = signed_in() else { return };
    if missing(&["tmux"]) {
        return;
    }
    session.lock_keyring();
    let prompter = Prompter::start(&session.address);
    // Without a person nobody is asked.
    refused(&home.run(&["unlock"]), 14, &["keyring"]);
    assert_eq!(prompter.asked(), 0);
    let terminal = Terminal::start(&home, 100, 30);
    let (screen, code) = terminal.ended("cred-helper unlock");
    terminal.keep("unlock-dismissed");
    assert_eq!(code, 29, "{screen}");
    assert!(screen.contains("dismissed"), "{screen}");
    assert_eq!(prompter.asked(), 1);
    // A login at a terminal needs the vault, and asks as well, once.
    let (screen, code) = terminal.ended("cred-helper login https://issuer.invalid --client-id x --no-browser");
    terminal.keep("login-dismissed");
    assert_eq!(code, 29, "{screen}");
    assert_eq!(prompter.asked(), 2, "{screen}");
}

#[test]
fn a_reset_keyring_is_a_missing_key_and_deletes_nothing() {
    let Some((mut session, server, home)) = signed_in() else { return };
    let before = files(&home.vault());
    session.reset_keyring();
    refused(&home.run(&["get-token"]), 16, &["key is missing", "vault reset"]);
    let login = home.run(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    refused(&login, 16, &["key is missing"]);
    assert_eq!(home.json(&["vault", "status", "--json"])["state"], "key_missing");
    home.ok(&["agent", "stop"]);
    assert!(files(&home.vault()) == before, "everything is as it was");
}

#[test]
fn without_a_bus_a_login_names_the_commands_and_a_vault_with_its_key_in_the_keyring_waits() {
    let server = lasting_server();
    let mut home = Home::new();
    home.set("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={}", home.path().join("nowhere").display()));
    let arguments = ["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"];
    refused(&home.run(&arguments), 15, &["D-Bus", "cred-helper vault slot add"]);
    assert!(server.log().is_empty(), "nothing was asked of the server");

    let Some((session, server, mut home)) = signed_in() else { return };
    home.set("DBUS_SESSION_BUS_ADDRESS", "");
    refused(&home.run(&["get-token"]), 14, &["keyring"]);
    home.ok(&["agent", "stop"]);
    home.set("DBUS_SESSION_BUS_ADDRESS", &session.address);
    assert!(server.is_live(&home.token()));
}

#[test]
fn an_agent_that_cron_starts_serves_and_its_caller_returns_at_once() {
    let runtime = format!("/run/user/{}", rustix::process::getuid().as_raw());
    if Path::new(&runtime).exists() {
        // Its socket would be there, beside the user's own.
        eprintln!("skipped: {runtime} is the user's own");
        return;
    }
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["agent", "stop"]);
    let token = std::process::Command::new("/bin/sh")
        .args(["-c", "token=$(cred-helper get-token) && echo \"got $token\""])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", Path::new(env!("CARGO_BIN_EXE_cred-helper")).parent().unwrap())
        .current_dir("/")
        .output()
        .unwrap();
    assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
    let token = String::from_utf8(token.stdout).unwrap();
    let token = token.trim().strip_prefix("got ").unwrap();
    assert!(server.is_live(token));
    // The session's own environment names another socket, and finds the same agent by the vault.
    assert_eq!(home.token(), token);
    let socket = home.json(&["agent", "status", "--json"])["socket"].as_str().unwrap().to_owned();
    assert!(!socket.starts_with(home.path().join("run").to_str().unwrap()), "{socket}");
}

/// What becomes of the keyring while the server thinks about a refresh.
#[test]
fn whatever_becomes_of_the_keyring_in_the_middle_of_a_refresh_its_answer_is_kept() {
    type Fate = fn(&mut Session);
    let fates: [(&str, Fate, Fate); 4] = [
        ("locked", |session| session.lock_keyring(), |session| restart_keyring(session)),
        ("gone", |session| session.stop_keyring(), |session| session.start_keyring(true)),
        ("restarted", |session| restart_keyring(session), |_| {}),
        ("reset", |session| session.reset_keyring(), |_| {}),
    ];
    for (name, fate, end) in fates {
        let Some((mut session, server, home)) = signed_in() else { return };
        let before = home.token();
        let refreshed = refresh_meanwhile(&home, &server, || fate(&mut session));
        assert_eq!(refreshed.code, 0, "{name}: {}", refreshed.stderr);
        let after = home.token();
        assert!(server.is_live(&after) && after != before, "{name}");
        assert_eq!(home.json(&["status", "--json"])["accounts"][0]["persisted"], true, "{name}");
        home.kill_agent();
        end(&mut session);
        if name == "reset" {
            let kept = files(&home.vault());
            refused(&home.run(&["get-token"]), 16, &["key"]);
            assert_eq!(files(&home.vault()), kept, "nothing is deleted");
        } else {
            assert_eq!(home.token(), after, "{name}: it was on the disk");
            home.ok(&["refresh"]);
        }
        assert!(server.families().iter().all(|family| family.ended.is_none()), "{name}");
    }
}

/// A server that takes longer than a lock waits: the vault is locked, its dialog is shown and dismissed, and then the answer comes.
#[test]
fn a_dialog_dismissed_in_the_middle_of_a_refresh_costs_no_login() {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        eprintln!("skipped: it takes as long as a lock waits for a server");
        return;
    }
    let Some((mut session, server, home)) = signed_in() else { return };
    if missing(&["tmux"]) {
        return;
    }
    let before = home.token();
    server.set_behaviour(Behaviour::DelayAnswer(LOCK_PATIENCE + Duration::from_secs(20)), 1);
    let refresh = home.start(&["refresh", "--no-start"]);
    assert!(server.wait_for(LIMIT, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    home.ok(&["lock"]);
    session.lock_keyring();
    let prompter = Prompter::start(&session.address);
    let terminal = Terminal::start(&home, 100, 30);
    let (screen, code) = terminal.ended("cred-helper unlock");
    assert_eq!((code, prompter.asked()), (29, 1), "{screen}");
    let under_way = || home.json(&["agent", "status", "--json"])["exchanges"].as_u64().unwrap();
    assert_eq!(under_way(), 1, "in its middle");
    assert_eq!(ended(refresh.wait_with_output().unwrap()).code, 14, "whoever waited was told of the lock");
    while under_way() > 0 {}
    drop(prompter);
    restart_keyring(&mut session);
    home.ok(&["agent", "stop"]);
    home.ok(&["unlock"]);
    let after = home.token();
    assert!(server.is_live(&after) && after != before, "what came is there");
    assert_eq!(server.count_grant("refresh_token"), 1);
    home.ok(&["refresh"]);
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

fn restart_keyring(session: &mut Session) {
    session.stop_keyring();
    session.start_keyring(true);
}

/// Does something while the server has a refresh and has not answered it; how the refresh ended.
fn refresh_meanwhile(home: &Home, server: &Server, meanwhile: impl FnOnce()) -> Ended {
    let before = server.count_grant("refresh_token");
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(3)), 1);
    let refresh = home.start(&["refresh"]);
    let arrived = |log: &[Entry]| log.iter().filter(|entry| entry.is_grant("refresh_token")).count() > before;
    assert!(server.wait_for(LIMIT, arrived));
    meanwhile();
    ended(refresh.wait_with_output().unwrap())
}

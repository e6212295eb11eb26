//! The vault through the product: locking, passphrases, copies, slots.

use std::path::Path;

#[cfg(unix)]
use super::home::ended;
use super::home::{Ended, Home, lasting_server};

/// Runs a command that reads its passphrase from an inherited descriptor.
#[cfg(unix)]
pub(crate) fn with_passphrase(home: &Home, arguments: &[&str], passphrase: &str) -> Ended {
    use std::io::Write;
    use std::os::fd::{AsFd, AsRawFd};
    let (read, write) = rustix::pipe::pipe().unwrap();
    std::fs::File::from(write).write_all(format!("{passphrase}\n").as_bytes()).unwrap();
    rustix::io::fcntl_setfd(read.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let fd = read.as_raw_fd().to_string();
    let mut command = home.command(arguments);
    ended(command.args(["--passphrase-fd", &fd]).output().unwrap())
}

/// The only one that has a number there is standard input.
#[cfg(windows)]
pub(crate) fn with_passphrase(home: &Home, arguments: &[&str], passphrase: &str) -> Ended {
    home.run_with(&[arguments, &["--passphrase-fd", "0"]].concat(), &format!("{passphrase}\n"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn a_lock_holds_over_restarts_until_the_passphrase() {
    let server = lasting_server();
    let home = Home::new();
    let made = with_passphrase(&home, &["vault", "slot", "add", "passphrase"], "correct horse");
    assert_eq!(made.code, 0, "{}", made.stderr);
    home.log_in(&server, &[]);
    let token = home.token();
    home.ok(&["lock"]);
    let locked = home.run(&["get-token"]);
    assert_eq!((locked.code, locked.stdout.as_str()), (14, ""));
    assert!(locked.stderr.contains("cred-helper unlock"), "{}", locked.stderr);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 14, "it is sticky");
    let wrong = with_passphrase(&home, &["unlock"], "battery staple");
    assert_eq!(wrong.code, 24, "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("battery"), "{}", wrong.stderr);
    // The first wrong passphrase costs a moment; the error says how long.
    let unlocked = std::iter::repeat_with(|| with_passphrase(&home, &["unlock"], "correct horse"))
        .find(|ended| ended.code != 24)
        .unwrap();
    assert_eq!(unlocked.code, 0, "{}", unlocked.stderr);
    assert_eq!(home.token(), token);
}

#[test]
fn a_machine_slot_opens_by_itself_but_not_after_a_lock() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    home.kill_agent();
    assert_eq!(home.token(), token);
    home.ok(&["lock"]);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 14);
    home.ok(&["unlock"]);
    assert_eq!(home.token(), token);
}

#[test]
fn a_copied_vault_redeems_nothing_until_it_is_adopted() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["agent", "stop"]);
    let copied = Home::new();
    copy(&home.path().join(".local"), &copied.path().join(".local"));
    // What a backup or a synced directory doesn't carry along is what tells this installation from the other.
    std::fs::remove_file(copied.state().join("install-id")).unwrap();
    let refused = copied.run(&["get-token"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (23, ""), "{}", refused.stderr);
    assert_eq!(server.count_grant("refresh_token"), 0);
    assert_eq!(copied.json(&["vault", "status", "--json"])["state"], "copied");
    copied.ok(&["vault", "adopt"]);
    assert!(server.is_live(&copied.token()));
}

#[test]
fn a_removed_slot_opens_nothing_and_the_logins_stay() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    let added = with_passphrase(&home, &["vault", "slot", "add", "passphrase"], "correct horse");
    assert_eq!(added.code, 0, "{}", added.stderr);
    let slots = home.json(&["vault", "slot", "list", "--json"]);
    let slots = slots.as_array().or_else(|| slots["slots"].as_array()).unwrap();
    let machine = slots.iter().find(|slot| slot["kind"] == "machine").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(slots.len(), 2);
    home.ok(&["vault", "slot", "remove", &machine]);
    assert_eq!(home.token(), token, "nothing changes while it is open");
    home.ok(&["refresh"]);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 14, "only the passphrase opens it now");
    assert_eq!(with_passphrase(&home, &["unlock"], "correct horse").code, 0);
    assert!(server.is_live(&home.token()));
}

#[test]
fn a_vault_of_memory_only_writes_no_records() {
    let server = lasting_server();
    let home = Home::new();
    home.ok(&["vault", "slot", "add", "memory"]);
    home.log_in(&server, &[]);
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
    let records = std::fs::read_dir(home.vault().join("records")).map_or(0, Iterator::count);
    assert_eq!(records, 0);
    home.kill_agent();
    assert_eq!(home.run(&["get-token"]).code, 10, "it is gone with the agent");
}

#[test]
fn a_reset_deletes_nothing() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["vault", "reset", "--yes"]);
    assert_eq!(home.run(&["get-token"]).code, 10);
    let kept = std::fs::read_dir(home.vault()).unwrap().filter(|entry| {
        let records = entry.as_ref().unwrap().path().join("records");
        std::fs::read_dir(records).is_ok_and(|mut records| records.next().is_some())
    });
    assert_eq!(kept.count(), 1, "the old vault was set aside");
}

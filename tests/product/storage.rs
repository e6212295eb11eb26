//! Storage that fails, seen from outside: nothing that came back from a backup is redeemed, nothing is lost while a disk
//! refuses or hangs, and whoever asks is told which file it is and what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Entry, Server};

use super::home::{Home, ended, lasting_server};

impl Home {
    /// The files of its records.
    fn records(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.vault().join("records")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "rec")).collect()
    }

    fn only_record(&self) -> PathBuf {
        let [record] = &self.records()[..] else { panic!("one record") };
        record.clone()
    }

    /// A copy of its vault, as a backup makes it.
    fn back_up(&self) -> tempfile::TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(&self.vault(), &backup.path().join("vault"));
        backup
    }

    /// Puts the vault back whole.
    fn restore(&self, backup: &tempfile::TempDir) {
        std::fs::remove_dir_all(self.vault()).unwrap();
        copy(&backup.path().join("vault"), &self.vault());
    }

    /// Everything that a person would look at.
    fn told(&self) -> String {
        [&["status"][..], &["doctor"], &["vault", "status"]].map(|command| self.run(command).stdout).join("\n---\n")
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// No refresh token came twice.
fn none_reused(server: &Server) -> bool {
    server.families().iter().all(|family| family.ended.is_none())
}

#[test]
fn a_record_restored_while_no_agent_ran_asks_for_a_login_and_is_never_redeemed() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.log_in(&server, &["--account", "other"]);
    let provider = super::tokens::account_of(&home, &server);
    let provider = provider.split('/').next().unwrap();
    let before = home.back_up();
    home.ok(&["refresh", provider]);
    home.kill_agent();
    copy(&before.path().join("vault/records/."), &home.vault().join("records"));
    let refreshes = server.count_grant("refresh_token");
    let refused = home.run(&["get-token", provider]);
    assert_eq!((refused.code, refused.stdout.as_str()), (10, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("restored from a backup") && refused.stderr.contains("cred-helper login"));
    assert_eq!(home.run(&["refresh", provider]).code, 10);
    let told = home.told();
    assert_eq!(told.matches("restored from a backup").count(), 2, "status and doctor: {told}");
    assert!(server.is_live(&home.ok(&["get-token", &format!("{provider}/other")])), "the other goes on");
    assert_eq!(server.count_grant("refresh_token"), refreshes);
    home.log_in(&server, &[]);
    home.ok(&["refresh", provider]);
    assert!(server.is_live(&home.ok(&["get-token", provider])) && none_reused(&server));
    assert!(!home.told().contains("backup"));
}

#[test]
fn a_login_that_was_logged_out_stays_so_although_its_record_comes_back() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let before = home.back_up();
    home.ok(&["logout"]);
    home.ok(&["agent", "stop"]);
    copy(&before.path().join("vault/records/."), &home.vault().join("records"));
    assert_eq!(home.run(&["get-token"]).code, 10);
    let record = home.only_record();
    let name = record.file_name().unwrap().to_str().unwrap();
    assert_eq!(home.told().matches(name).count(), 4, "{}", home.told());
}

#[test]
fn a_vault_restored_whole_redeems_nothing_until_a_new_login_or_its_adoption() {
    let server = lasting_server();
    for adopted in [true, false] {
        let home = Home::signed_in(&server);
        home.log_in(&server, &["--account", "other"]);
        let provider = super::tokens::account_of(&home, &server);
        let provider = provider.split('/').next().unwrap();
        let other = format!("{provider}/other");
        home.ok(&["agent", "stop"]);
        let before = home.back_up();
        home.ok(&["refresh", provider]);
        home.ok(&["agent", "stop"]);
        home.restore(&before);
        let refreshes = server.count_grant("refresh_token");
        for account in [provider, &other] {
            assert_eq!(home.run(&["get-token", account]).code, 23);
            assert_eq!(home.run(&["refresh", account]).code, 23);
        }
        assert_eq!(home.json(&["vault", "status", "--json"])["state"], "restored");
        assert!(home.told().contains("restored from a backup"));
        assert_eq!(server.count_grant("refresh_token"), refreshes, "nothing was sent");
        if adopted {
            home.ok(&["vault", "adopt"]);
            home.ok(&["refresh", &other]);
        } else {
            home.log_in(&server, &[]);
            home.ok(&["refresh", provider]);
            assert_eq!(home.run(&["get-token", &other]).code, 23, "what came back stays barred");
            home.kill_agent();
            assert_eq!(home.run(&["get-token", &other]).code, 23, "over a restart, too");
            home.ok(&["vault", "adopt"]);
            home.ok(&["refresh", &other]);
        }
        assert!(server.is_live(&home.ok(&["get-token", &other])) && none_reused(&server));
    }
}

#[test]
fn a_login_on_a_copied_vault_works_and_leaves_the_first_machine_in_peace() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["agent", "stop"]);
    let second = Home::new();
    copy(&home.path().join(".local"), second.path());
    std::fs::remove_file(second.state().join("install-id")).unwrap();
    assert_eq!(second.run(&["get-token"]).code, 23);
    second.log_in(&server, &[]);
    assert!(server.is_live(&second.token()));
    second.ok(&["refresh"]);
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()) && none_reused(&server), "its login was neither used nor revoked");
}

#[test]
fn what_is_put_in_a_records_place_while_the_agent_runs_is_replaced() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let before = home.back_up();
    home.ok(&["refresh"]);
    let record = home.only_record();
    let newest = std::fs::read(&record).unwrap();
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("rolled back", |_| {}),
        ("damaged", |record| std::fs::write(record, "no record").unwrap()),
        ("removed", |record| std::fs::remove_file(record).unwrap()),
        ("a directory", |record| {
            std::fs::remove_file(record).unwrap();
            std::fs::create_dir(record).unwrap();
        }),
    ];
    for (name, change) in changes {
        copy(&before.path().join("vault/records/."), &home.vault().join("records"));
        change(&record);
        home.ok(&["refresh"]);
        home.kill_agent();
        assert!(server.is_live(&home.token()), "{name}");
        copy(&before.path().join("vault/records/."), &home.vault().join("records"));
        change(&record);
        home.ok(&["agent", "stop"]);
        home.ok(&["refresh"]);
        assert!(server.is_live(&home.token()) && none_reused(&server), "{name}");
    }
    assert_ne!(std::fs::read(&record).unwrap(), newest);
}

#[test]
fn a_damaged_record_is_named_with_what_to_do_and_hides_no_other() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let first = home.only_record();
    home.log_in(&server, &["--account", "other"]);
    home.ok(&["agent", "stop"]);
    let good = std::fs::read(&first).unwrap();
    let name = first.file_name().unwrap().to_str().unwrap();
    for bytes in [&good[..good.len() / 2], b""] {
        std::fs::write(&first, bytes).unwrap();
        assert!(server.is_live(&home.token()), "the only one that is left");
        let told = home.told();
        assert_eq!(told.matches(name).count(), 4, "status, doctor, and twice in vault status: {told}");
        assert!(told.contains("log in to that account again"), "{told}");
        home.ok(&["agent", "stop"]);
        assert_eq!(std::fs::read(&first).unwrap(), bytes, "nothing was deleted");
    }
    std::fs::remove_file(&first).unwrap();
    assert!(home.told().contains("is gone though nobody logged out"));
    home.ok(&["vault", "adopt"]);
    assert!(!home.told().contains("is gone"), "that was accepted");
    assert!(server.is_live(&home.token()));
}

#[test]
fn a_damaged_header_is_a_failure_of_storage() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["agent", "stop"]);
    let header = home.vault().join("vault.json");
    let good = std::fs::read(&header).unwrap();
    std::fs::write(&header, &good[..good.len() / 2]).unwrap();
    for command in [&["get-token"][..], &["status"], &["refresh"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, 27, "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("vault.json"), "{}", refused.stderr);
    }
    home.ok(&["agent", "stop"]);
    std::fs::write(&header, good).unwrap();
    assert!(server.is_live(&home.token()));
}

/// What becomes of the file that opens the machine's slot while the server thinks about a refresh.
#[test]
fn whatever_becomes_of_the_machines_key_in_the_middle_of_a_refresh_its_answer_is_kept() {
    type Fate = fn(&Path);
    let fates: [(&str, Fate); 3] = [
        ("gone", |key| std::fs::remove_file(key).unwrap()),
        ("another", |key| std::fs::write(key, [7; 32]).unwrap()),
        ("cut short", |key| std::fs::write(key, [7; 5]).unwrap()),
    ];
    for (name, fate) in fates {
        let server = lasting_server();
        let home = Home::signed_in(&server);
        let before = home.token();
        let entries = std::fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().path());
        let key = { entries }.find(|path| path.to_str().unwrap().contains("machine-key-")).unwrap();
        let kept = std::fs::read(&key).unwrap();
        server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(2)), 1);
        let refresh = home.start(&["refresh"]);
        let sent = |log: &[Entry]| log.iter().any(|entry| entry.is_grant("refresh_token"));
        assert!(server.wait_for(Duration::from_secs(60), sent));
        fate(&key);
        let refreshed = ended(refresh.wait_with_output().unwrap());
        assert_eq!(refreshed.code, 0, "{name}: {}", refreshed.stderr);
        let after = home.token();
        assert!(server.is_live(&after) && after != before, "{name}");
        assert_eq!(home.json(&["status", "--json"])["accounts"][0]["persisted"], true, "{name}");
        home.kill_agent();
        let refused = home.run(&["get-token"]);
        assert!(refused.code != 0 && refused.stdout.is_empty(), "{name}: {refused:?}");
        assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{name}: {}", refused.stderr);
        std::fs::write(&key, &kept).unwrap();
        assert_eq!(home.token(), after, "{name}: it was on the disk");
        home.ok(&["refresh"]);
        assert!(none_reused(&server), "{name}");
    }
}

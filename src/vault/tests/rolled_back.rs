//! Records and vaults that come back from a backup or from elsewhere: nothing of theirs is redeemed, nothing is deleted.

use std::fs;
use std::path::Path;

use super::*;
use crate::clock::Timestamp;
use crate::ipc::message::{Error, ErrorKind};

const MARK: Mark = Mark { rotation: 0, at: Timestamp(1) };

/// A login's record after so many refreshes that brought another refresh token.
pub(super) fn rotated(refresh: &str, rotation: u64) -> Record {
    Record { rotation, ..record(refresh) }
}

fn kind<T>(result: Result<T, VaultError>) -> ErrorKind {
    Error::from(result.err().expect("refused")).kind()
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// A vault as a backup keeps it.
pub(super) struct Backup(tempfile::TempDir);

impl Home {
    pub(super) fn back_up(&self) -> Backup {
        let backup = Backup(tempfile::tempdir().expect("a directory"));
        copy(&self.options().vault_dir, backup.0.path());
        backup
    }

    /// Puts a file of it back, or with "" all of it.
    pub(super) fn restore(&self, backup: &Backup, file: &str) {
        let (from, to) = (backup.0.path().join(file), self.options().vault_dir.join(file));
        if from.is_dir() {
            fs::remove_dir_all(&to).expect("removed");
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("put back");
        }
    }
}

/// A record that is rotated once after a backup was made, and what then is done to it while no agent runs.
pub(super) fn rotated_after_a_backup(home: &Home) -> (Backup, RecordId) {
    let vault = home.ready();
    vault.create(&rotated("safe", 0)).expect("created");
    let id = vault.create(&rotated("used", 0)).expect("created").id;
    vault.settle().expect("settled");
    let backup = home.back_up();
    vault.prepare(&id, 1, MARK).expect("prepared").commit(&rotated("newest", 1)).expect("kept");
    (backup, id)
}

#[test]
fn a_record_rolled_back_while_no_agent_ran_is_not_redeemed() {
    let home = Home::new();
    let (backup, id) = rotated_after_a_backup(&home);
    home.restore(&backup, &format!("records/{id}.rec"));
    for _ in 0..2 {
        let vault = home.ready();
        let loaded = vault.load().expect("loads");
        assert_eq!((loaded.records.len(), loaded.damaged.len()), (2, 0), "nothing is deleted, nothing is hidden");
        let stored = loaded.records.iter().find(|stored| stored.id == id).expect("there");
        assert_eq!((stored.barred, stored.version), (Some(Barred::RolledBack), 2));
        assert_eq!(kind(vault.prepare(&id, 2, MARK)), ErrorKind::LoginRequired);
        assert_eq!(kind(vault.replace(&id, 2, &rotated("used", 0))), ErrorKind::LoginRequired, "nor renamed");
        let other = loaded.records.iter().find(|stored| stored.id != id).expect("there");
        assert_eq!(other.barred, None);
        vault.prepare(&other.id, 1, MARK).expect("the other is well").abandon();
    }
    let vault = home.ready();
    vault.load().expect("loads");
    let anew = Record { incarnation: 2, ..rotated("anew", 0) };
    assert_eq!(vault.renew(&id, 2, &anew).expect("a new login ends it"), 3);
    vault.prepare(&id, 3, MARK).expect("prepared").abandon();
    drop(vault);
    assert_eq!(tokens(&home.ready()), ["anew", "safe"]);
}

#[test]
fn an_older_record_whose_token_is_still_the_newest_goes_on() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&rotated("same", 0)).expect("created").id;
    let backup = home.back_up();
    vault.replace(&id, 1, &rotated("same", 0)).expect("renamed, say");
    drop(vault);
    home.restore(&backup, &format!("records/{id}.rec"));
    let vault = home.ready();
    let loaded = vault.load().expect("loads");
    assert_eq!((loaded.records[0].barred, loaded.records[0].version), (None, 2));
    vault.prepare(&id, 2, MARK).expect("prepared").commit(&rotated("next", 1)).expect("kept");
    drop(vault);
    assert_eq!(tokens(&home.ready()), ["next"]);
}

#[test]
fn a_login_that_was_logged_out_does_not_come_back() {
    let home = Home::new();
    let (backup, id) = rotated_after_a_backup(&home);
    home.ready().remove(&id).expect("logged out");
    home.restore(&backup, &format!("records/{id}.rec"));
    let vault = home.ready();
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.records.iter().map(token).collect::<Vec<_>>(), ["safe"]);
    assert!(loaded.trouble[0].contains("logged out"), "{:?}", loaded.trouble);
    assert!(vault.record_file(&id).exists(), "it is kept");
    assert!(vault.prepare(&id, 1, MARK).is_err());
}

#[test]
fn a_record_that_was_taken_away_is_missed() {
    let home = Home::new();
    let (_, id) = rotated_after_a_backup(&home);
    fs::remove_file(home.ready().record_file(&id)).expect("taken away");
    let vault = home.ready();
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.records.len(), 1);
    assert!(loaded.trouble[0].contains(&format!("{id}.rec is gone")), "{:?}", loaded.trouble);
    assert_eq!(vault.report().trouble, loaded.trouble);
}

#[test]
fn a_kill_anywhere_in_a_logout_makes_nobody_miss_anything() {
    for steps in 0..20 {
        let home = Home::new();
        let vault = home.ready();
        let id = vault.create(&record("one")).expect("created").id;
        home.faults.stop_after(steps);
        let _ = vault.remove(&id);
        drop(vault);
        let found = Home { faults: Arc::default(), ..home };
        for _ in 0..2 {
            let loaded = found.ready().load().expect("loads");
            assert_eq!(loaded.trouble, Vec::<String>::new(), "after {steps} steps");
        }
    }
}

#[test]
fn a_vault_restored_whole_redeems_nothing_until_it_is_adopted() {
    let home = Home::new();
    let (backup, id) = rotated_after_a_backup(&home);
    let vault = home.ready();
    vault.settle().expect("counted");
    drop(vault);
    home.restore(&backup, "");
    let vault = home.ready();
    assert_eq!(vault.state(), VaultState::Restored);
    assert!(vault.report().message.expect("a message").contains("restored from a backup"));
    let loaded = vault.load().expect("what is there can be told");
    assert!(loaded.records.iter().all(|stored| stored.barred == Some(Barred::Foreign)));
    assert_eq!(kind(vault.prepare(&id, 1, MARK)), ErrorKind::VaultCopied);
    assert_eq!(kind(vault.create(&record("more"))), ErrorKind::VaultCopied);
    vault.adopt().expect("adopted");
    assert_eq!(vault.state(), VaultState::Unlocked);
    vault.settle().expect("counted");
    vault.prepare(&id, 1, MARK).expect("taken over").abandon();
    drop(vault);
    let vault = home.ready();
    assert_eq!(vault.state(), VaultState::Unlocked, "adopted for good");
    assert_eq!(tokens(&vault), ["safe", "used"]);
}

#[test]
fn a_new_login_makes_a_vault_from_elsewhere_ours_and_leaves_the_others_barred() {
    type Change = fn(&mut OpenOptions);
    let cases: [(&str, Change); 2] =
        [("restored", |_| {}), ("copied", |options| options.machine = MachineId::Given(Some("machine two".into())))];
    for (name, change) in cases {
        let home = Home::new();
        let (backup, used) = rotated_after_a_backup(&home);
        let vault = home.ready();
        vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), true).expect("a slot");
        vault.settle().expect("counted");
        fs::copy(vault.header_file(), backup.0.path().join("vault.json")).expect("the slot is in the backup, too");
        drop(vault);
        home.restore(&backup, "");
        let mut options = home.options();
        change(&mut options);
        let vault = Vault::open(options.clone()).expect("a vault");
        vault.unlock(Some(&passphrase("p")), false).expect("opens");
        assert!(vault.is_from_elsewhere(), "{name}");
        vault.load().expect("loads");
        vault.ensure_ready(false).expect("a login may begin");
        vault.begin_anew().expect("ours");
        let own = vault.create(&record("own")).expect("created").id;
        let look = |vault: &Vault| {
            vault.unlock(Some(&passphrase("p")), false).expect("opens");
            assert_eq!(vault.state(), VaultState::Unlocked, "{name}");
            let loaded = vault.load().expect("loads");
            let barred = |id: &RecordId| loaded.records.iter().find(|stored| stored.id == *id).expect("there").barred;
            assert_eq!((barred(&own), barred(&used)), (None, Some(Barred::Foreign)), "{name}");
            assert_eq!(kind(vault.prepare(&used, 1, MARK)), ErrorKind::VaultCopied, "{name}");
            vault.prepare(&own, 1, MARK).expect(name).abandon();
        };
        look(&vault);
        drop(vault);
        let vault = Vault::open(options).expect("a vault");
        look(&vault);
        vault.adopt().expect("the rest is taken over");
        vault.prepare(&used, 1, MARK).expect(name).abandon();
    }
}

#[test]
fn a_kill_while_a_vault_from_elsewhere_is_made_ours_unbars_nothing() {
    for steps in 0..30 {
        let home = Home::new();
        let (backup, used) = rotated_after_a_backup(&home);
        home.ready().settle().expect("counted");
        home.restore(&backup, "");
        let vault = home.ready();
        vault.load().expect("loads");
        home.faults.stop_after(steps);
        let done = vault.begin_anew().is_ok();
        drop(vault);
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.ready();
        let loaded = vault.load().expect("loads");
        let stored = loaded.records.iter().find(|stored| stored.id == used).expect("there");
        assert_eq!(stored.barred, Some(Barred::Foreign), "after {steps} steps");
        assert!(done || steps < 29, "it has an end");
    }
}

#[test]
fn a_kill_never_looks_like_a_restored_backup() {
    for steps in 0..60 {
        let home = Home::new();
        let vault = home.ready();
        let id = vault.create(&rotated("0", 0)).expect("created").id;
        home.faults.stop_after(steps);
        for version in 1..4 {
            let record = rotated(&version.to_string(), version);
            let Ok(mut prepared) = vault.prepare(&id, version, MARK) else { break };
            if prepared.commit(&record).is_err() || vault.settle().is_err() {
                break;
            }
        }
        drop(vault);
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.ready();
        assert_eq!(vault.state(), VaultState::Unlocked, "after {steps} steps");
        let loaded = vault.load().expect("loads");
        assert_eq!((loaded.records[0].barred, loaded.trouble.len()), (None, 0), "after {steps} steps");
    }
}

#[test]
fn what_was_put_in_a_records_place_while_running_is_noticed() {
    let home = Home::new();
    let (backup, id) = rotated_after_a_backup(&home);
    let vault = home.ready();
    vault.load().expect("loads");
    let path = vault.record_file(&id);
    let is_displaced = |version| !vault.displaced(vec![(id.clone(), version)]).is_empty();
    assert!(!is_displaced(2));
    let newest = fs::read(&path).expect("read");
    home.restore(&backup, &format!("records/{id}.rec"));
    assert!(is_displaced(2));
    fs::write(&path, &newest[1..]).expect("written");
    assert!(is_displaced(2));
    fs::remove_file(&path).expect("removed");
    assert!(is_displaced(2));
    assert_eq!(vault.replace(&id, 2, &rotated("newest", 1)).expect("rewritten"), 3);
    assert!(!is_displaced(3));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory in its place");
    assert!(is_displaced(3));
    assert_eq!(vault.replace(&id, 3, &rotated("newest", 1)).expect("moved out of the way"), 4);
    drop(vault);
    assert_eq!(tokens(&home.ready()), ["newest", "safe"]);
}

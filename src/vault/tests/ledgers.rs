//! The ledger's file: it lags behind, is damaged, put back or taken away. None of it looks like a restored backup, and the file has its bounds.

use std::fs;

use super::rolled_back::{rotated, rotated_after_a_backup};
use super::*;

/// What a power cut may leave: the ledger as it was when it was last synced.
#[test]
fn a_ledger_that_lags_behind_is_no_restored_backup() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&rotated("0", 0)).expect("created").id;
    vault.settle().expect("synced");
    let ledger = fs::read(vault.ledger_file()).expect("read");
    vault.replace(&id, 1, &rotated("1", 1)).expect("replaced");
    let path = vault.ledger_file();
    drop(vault);
    for end in [&[][..], &[0; 40], &[0; 400]] {
        fs::write(&path, [&ledger[..], end].concat()).expect("written");
        let vault = home.ready();
        assert_eq!((vault.state(), vault.report().trouble.len()), (VaultState::Unlocked, 0));
        assert_eq!(tokens(&vault), ["1"]);
        assert_eq!(vault.load().expect("loads").records[0].barred, None);
    }
}

#[test]
fn a_damaged_ledger_is_told_kept_and_begun_anew() {
    let home = Home::new();
    let (_, _) = rotated_after_a_backup(&home);
    home.ready().settle().expect("counted");
    let path = home.options().vault_dir.join("ledger");
    let good = fs::read(&path).expect("read");
    for at in (0..good.len()).step_by(13) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let vault = home.ready();
        assert_eq!(vault.state(), VaultState::Unlocked, "flipped at {at}");
        assert_eq!(vault.load().expect("loads").records.len(), 2, "flipped at {at}");
    }
    let mut bytes = good.clone();
    bytes[0] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let vault = home.ready();
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.damaged, ["ledger"]);
    vault.settle().expect("begun anew");
    assert_eq!(vault.load().expect("loads").damaged, [""; 0]);
    let kept = fs::read_dir(home.options().vault_dir).expect("read").filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with("ledger.damaged-")
    });
    assert_eq!(kept.count(), 1);
}

#[test]
fn a_kill_while_a_damaged_ledger_is_begun_anew_is_no_restored_backup() {
    for (steps, at) in (0..20).flat_map(|steps| [(steps, 0), (steps, 60)]) {
        let home = Home::new();
        let (_, id) = rotated_after_a_backup(&home);
        let vault = home.ready();
        for version in 2..9 {
            vault.replace(&id, version, &rotated("newest", 1)).expect("replaced");
        }
        vault.settle().expect("counted");
        drop(vault);
        let path = home.options().vault_dir.join("ledger");
        let mut bytes = fs::read(&path).expect("read");
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("written");
        let vault = home.ready();
        vault.load().expect("loads");
        home.faults.stop_after(steps);
        let done = vault.settle().is_ok() && !home.faults.stopped();
        drop(vault);
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.ready();
        assert_eq!(vault.state(), VaultState::Unlocked, "{at} flipped, after {steps} steps");
        assert_eq!(vault.load().expect("loads").records.iter().filter(|stored| stored.barred.is_some()).count(), 0);
        assert!(done || steps < 19, "it has an end");
    }
}

#[test]
fn the_ledger_does_not_grow_without_end_and_outlives_its_epochs() {
    let home = Home::new();
    let vault = home.ready();
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), true).expect("a slot");
    let id = vault.create(&rotated("0", 0)).expect("created").id;
    for version in 1..600 {
        vault.enter_test(&id, version);
    }
    let long = fs::metadata(vault.ledger_file()).expect("there").len();
    vault.settle().expect("written anew");
    assert!(fs::metadata(vault.ledger_file()).expect("there").len() < long / 100);
    let slots = vault.report().slots;
    vault.remove_slot(&slots[0].id).expect("removed");
    drop(vault);
    let vault = home.open();
    vault.unlock(Some(&passphrase("p")), false).expect("opens");
    assert_eq!(
        vault.load().expect("loads").records[0].barred,
        Some(Barred::RolledBack),
        "it was only entered, never written"
    );
}

#[test]
fn a_ledger_that_is_put_back_or_taken_away_while_running_is_written_anew() {
    let home = Home::new();
    let (backup, id) = rotated_after_a_backup(&home);
    let vault = home.ready();
    vault.load().expect("loads");
    home.restore(&backup, "ledger");
    vault.replace(&id, 2, &rotated("newer", 2)).expect("replaced");
    fs::remove_file(vault.ledger_file()).expect("removed");
    vault.replace(&id, 3, &rotated("newest", 3)).expect("replaced");
    vault.settle().expect("settled");
    drop(vault);
    home.restore(&backup, &format!("records/{id}.rec"));
    let vault = home.ready();
    assert_eq!((vault.state(), vault.report().trouble.len()), (VaultState::Unlocked, 0));
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.records.iter().filter(|stored| stored.barred.is_some()).count(), 1);
}

impl Vault {
    /// Enters a version that was never written.
    fn enter_test(&self, id: &RecordId, version: u64) {
        let (keys, vault) = {
            let inner = self.inner();
            (inner.opened().expect("open"), inner.vault_id().expect("a vault"))
        };
        let entry =
            super::super::ledger::Entry::of(super::super::ledger::Kind::Written, version, &rotated("", version));
        self.enter(&keys, &vault, id, entry);
    }
}

//! Removing a slot: what it opened stays closed to it, everything else stays open to the rest.

use std::fs;

use super::*;

/// Three slots: machine, passphrase "p", passphrase "q".
fn three_slots(home: &Home) -> Vault {
    let vault = home.ready();
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), false).expect("a slot");
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("q")), false).expect("a slot");
    vault
}

#[test]
fn a_removed_slot_opens_nothing_and_the_others_open_everything() {
    let home = Home::new();
    let vault = three_slots(&home);
    vault.create(&record("before")).expect("created");
    let slots = vault.report().slots;
    vault.remove_slot(&slots[1].id).expect("removed");
    vault.create(&record("after")).expect("created");
    assert_eq!((vault.report().epoch, vault.report().slots.len()), (2, 2));
    vault.lock().expect("locked");
    assert!(matches!(vault.unlock(Some(&passphrase("p")), false), Err(VaultError::WrongPassphrase { .. })));
    drop(vault);
    for secret in [Some(passphrase("q")), None] {
        let vault = home.open();
        vault.unlock(secret.as_ref(), false).expect("opens");
        assert_eq!(tokens(&vault), ["after", "before"]);
    }
}

#[test]
fn an_old_header_with_a_removed_slot_opens_no_later_record() {
    let home = Home::new();
    let vault = three_slots(&home);
    let stolen = fs::read(vault.header_file()).expect("read");
    let slots = vault.report().slots;
    vault.remove_slot(&slots[1].id).expect("removed");
    vault.create(&record("later")).expect("created");
    let path = vault.header_file();
    drop(vault);
    fs::write(&path, stolen).expect("written");
    let vault = home.open();
    vault.unlock(Some(&passphrase("p")), false).expect("the old key");
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.records.len(), 0);
    // The ledger is of the later epoch, too.
    assert_eq!(loaded.damaged.len(), 2);
}

#[test]
fn the_last_slot_and_an_unknown_one_stay() {
    let home = Home::new();
    let vault = home.ready();
    let only = vault.report().slots[0].id.clone();
    assert!(vault.remove_slot(&only).expect_err("the last").to_string().contains("last"));
    assert!(vault.remove_slot("nothing").is_err());
    vault.lock().expect("locked");
    assert!(matches!(vault.remove_slot(&only), Err(VaultError::Locked(_))));
}

#[test]
fn what_is_in_hand_is_kept_under_the_new_key() {
    let home = Home::new();
    let vault = three_slots(&home);
    let id = vault.create(&record("one")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(1) }).expect("prepared");
    let slots = vault.report().slots;
    vault.remove_slot(&slots[0].id).expect("removed");
    prepared.commit(&record("two")).expect("kept");
    drop((prepared, vault));
    let vault = home.open();
    vault.unlock(Some(&passphrase("p")), false).expect("opens");
    assert_eq!(tokens(&vault), ["two"]);
}

#[test]
fn a_record_that_no_version_here_reads_keeps_the_key_it_needs() {
    let home = Home::new();
    let vault = three_slots(&home);
    let path = vault.record_file(&vault.create(&record("future")).expect("created").id);
    let good = fs::read(&path).expect("read");
    let mut future = good.clone();
    future[8] = 9;
    fs::write(&path, future).expect("written");
    for _ in 0..2 {
        let slots = vault.report().slots;
        vault.remove_slot(&slots[0].id).expect("removed");
    }
    assert_eq!(vault.report().epoch, 3);
    fs::write(&path, good).expect("written");
    assert_eq!(tokens(&vault), ["future"], "through two epochs");
}

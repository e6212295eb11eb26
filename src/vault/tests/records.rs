//! Records: what was written comes back, what was not written does not.

use std::fs;

use super::*;

const MARK: Mark = Mark { rotation: 4, at: Timestamp(9) };

#[test]
fn a_record_comes_back_after_a_restart() {
    let home = Home::new();
    let vault = home.ready();
    let written = vault.create(&record("one")).expect("created");
    assert_eq!(vault.replace(&written.id, 1, &record("two")).expect("replaced"), 2);
    drop(vault);
    let vault = home.ready();
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.records.len(), 1);
    assert_eq!((loaded.records[0].version, token(&loaded.records[0]).as_str()), (2, "two"));
    vault.remove(&written.id).expect("removed");
    assert_eq!(tokens(&vault), [""; 0]);
}

#[test]
fn no_token_is_readable_on_the_disk() {
    let home = Home::new();
    let vault = home.ready();
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("canary-phrase")), false).expect("a slot");
    vault.create(&record("canary-token")).expect("created");
    for path in files(home.directory.path()) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned();
        assert!(!text.contains("canary") && !text.contains("issuer.example"), "{}", path.display());
    }
}

#[test]
fn only_the_newest_version_is_built_on() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    vault.replace(&id, 1, &record("two")).expect("replaced");
    assert!(matches!(vault.replace(&id, 1, &record("three")), Err(VaultError::Stale)));
    assert!(matches!(vault.prepare(&id, 1, MARK), Err(VaultError::Stale)));
    vault.remove(&id).expect("removed");
    assert!(matches!(vault.replace(&id, 2, &record("three")), Err(VaultError::Stale)));
}

#[test]
fn swapped_files_do_not_open() {
    let home = Home::new();
    let vault = home.ready();
    let one = vault.record_file(&vault.create(&record("one")).expect("created").id);
    let two = vault.record_file(&vault.create(&record("two")).expect("created").id);
    let (first, second) = (fs::read(&one).expect("read"), fs::read(&two).expect("read"));
    fs::write(&one, second).expect("written");
    fs::write(&two, first).expect("written");
    let loaded = vault.load().expect("loads");
    assert_eq!((loaded.records.len(), loaded.damaged.len()), (0, 2));
}

#[test]
fn a_format_of_the_future_is_kept_and_named() {
    let home = Home::new();
    let vault = home.ready();
    let path = vault.record_file(&vault.create(&record("one")).expect("created").id);
    let mut file = fs::read(&path).expect("read");
    file[8] = 9;
    fs::write(&path, &file).expect("written");
    assert_eq!(vault.load().expect("loads").damaged.len(), 1);
    assert_eq!(fs::read(&path).expect("kept"), file);
}

#[test]
fn a_mark_holds_until_its_request_is_answered() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    let unanswered = |vault: &Vault| vault.load().expect("loads").records[0].unanswered;

    vault.prepare(&id, 1, MARK).expect("prepared").abandon();
    assert_eq!(unanswered(&vault), None, "nothing was sent");
    vault.prepare(&id, 1, MARK).expect("prepared").keep_mark();
    drop(vault);
    let vault = home.ready();
    assert_eq!(unanswered(&vault), Some(MARK), "its answer was lost");
    let again = Mark { at: Timestamp(10), ..MARK };
    vault.prepare(&id, 1, again).expect("prepared").abandon();
    assert_eq!(unanswered(&vault), Some(MARK), "the earlier request is still unanswered");
    let mut prepared = vault.prepare(&id, 1, again).expect("prepared");
    assert_eq!(unanswered(&vault), Some(again));
    assert_eq!(prepared.commit(&record("two")).expect("kept"), 2);
    assert_eq!(unanswered(&vault), None);
    assert_eq!(fs::read_dir(vault.records_directory()).expect("read").count(), 1, "nothing stays beside the record");
}

#[test]
fn what_is_in_hand_survives_a_lock() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, MARK).expect("prepared");
    vault.lock().expect("locked");
    assert_eq!(prepared.commit(&record("two")).expect("kept"), 2);
    assert!(matches!(vault.load(), Err(VaultError::Locked(_))));
    vault.unlock(None, false).expect("opens");
    assert_eq!(tokens(&vault), ["two"]);
}

#[test]
fn a_disk_that_refuses_loses_nothing_that_the_caller_holds() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, MARK).expect("prepared");
    home.faults.refuse(true);
    let error = prepared.commit(&record("two")).expect_err("refused");
    assert_eq!(error.kind(), crate::ipc::message::ErrorKind::StorageFailed);
    assert!(vault.replace(&id, 1, &record("two")).is_err());
    assert!(vault.prepare(&id, 1, MARK).is_err(), "and no request goes out");
    home.faults.refuse(false);
    assert_eq!(vault.replace(&id, 1, &record("two")).expect("kept"), 2);
    assert_eq!(tokens(&vault), ["two"]);
}

#[test]
fn a_vault_in_memory_works_alike_and_writes_no_record() {
    let home = Home::new();
    let vault = home.open();
    vault.add_slot(SlotKind::Memory, None, false).expect("a slot");
    let id = vault.create(&record("one")).expect("created").id;
    vault.prepare(&id, 1, MARK).expect("prepared").abandon();
    assert_eq!(vault.prepare(&id, 1, MARK).expect("prepared").commit(&record("two")).expect("kept"), 2);
    assert_eq!(vault.replace(&id, 2, &record("three")).expect("replaced"), 3);
    assert!(matches!(vault.replace(&id, 2, &record("four")), Err(VaultError::Stale)));
    assert_eq!(tokens(&vault), ["three"]);
    assert_eq!(vault.report().records, 1);
    assert!(vault.lock().is_err(), "nothing could open it again");
    assert_eq!(fs::read_dir(vault.records_directory()).expect("read").count(), 0);
    vault.remove(&id).expect("removed");
    assert_eq!(tokens(&vault), [""; 0]);
    drop(vault);
    assert_eq!(home.open().state(), VaultState::Absent);
}

/// Every file below a directory.
pub(super) fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("read").map(|entry| entry.expect("entry").path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found
}

//! States a person can tell apart, and what leads from one to another.

use std::fs;

use super::*;
use crate::clock::Timestamp;
use crate::ipc::message::{Error, ErrorKind};

fn kind<T>(result: Result<T, VaultError>) -> ErrorKind {
    Error::from(result.err().expect("refused")).kind()
}

#[test]
fn a_lock_holds_over_restarts_until_somebody_unlocks() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    vault.lock().expect("locked");
    assert_eq!(kind(vault.load()), ErrorKind::VaultLocked);
    drop(vault);
    let vault = home.open();
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    assert_eq!(kind(vault.ensure_ready(true)), ErrorKind::VaultLocked, "a login does not undo a lock");
    vault.unlock(None, false).expect("opens");
    assert_eq!(tokens(&vault), ["one"]);
    drop(vault);
    home.open().unlock_at_start().expect("the lock is undone for good");
}

#[test]
fn a_locked_vault_can_be_locked_for_good_without_its_key() {
    let home = Home::new();
    drop(home.ready());
    let vault = home.open();
    vault.lock().expect("locked");
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    vault.unlock(None, false).expect("the header is still authentic");
}

#[test]
fn nothing_is_made_where_no_key_can_be_kept() {
    let home = Home::new();
    let vault = home.open();
    assert_eq!(vault.state(), VaultState::Absent);
    vault.unlock_at_start().expect("nothing to open");
    let error = Error::from(vault.ensure_ready(true).expect_err("no keyring"));
    assert_eq!(error.kind(), ErrorKind::NoKeySlot);
    assert_eq!(error.data.slots, [SlotKind::Passphrase, SlotKind::Machine, SlotKind::Memory]);
    assert_eq!(kind(vault.add_slot(SlotKind::Keyring, None, false)), ErrorKind::NoKeySlot);
    assert_eq!(kind(vault.add_slot(SlotKind::Passphrase, None, false)), ErrorKind::InvalidParams);
    assert_eq!(kind(vault.add_slot(SlotKind::Unknown, None, true)), ErrorKind::InvalidParams);
    assert_eq!(kind(vault.lock()), ErrorKind::InvalidParams);
    assert_eq!(vault.state(), VaultState::Absent);
    assert!(!home.options().vault_dir.join("vault.json").exists());
}

#[test]
fn a_key_is_never_minted_over_records_that_another_one_sealed() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    let header = vault.header_file();
    drop(vault);
    fs::rename(&header, header.with_extension("kept")).expect("moved");
    let vault = home.open();
    assert_eq!(vault.state(), VaultState::KeyMissing);
    for refused in [vault.ensure_ready(true).err(), vault.add_slot(SlotKind::Machine, None, true).err()] {
        assert_eq!(Error::from(refused.expect("refused")).kind(), ErrorKind::KeyMissing);
    }
    drop(vault);
    fs::rename(header.with_extension("kept"), &header).expect("moved");
    assert_eq!(tokens(&home.ready()), ["one"]);
}

#[test]
fn a_slot_whose_key_is_gone_is_a_missing_key() {
    let home = Home::new();
    let vault = home.ready();
    let key = home.options().state_dir.join(format!("machine-key-{}", vault.report().slots[0].id));
    drop(vault);
    fs::remove_file(key).expect("removed");
    let vault = home.open();
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::KeyMissing);
    assert_eq!(vault.state(), VaultState::KeyMissing);
    assert_eq!(kind(vault.load()), ErrorKind::KeyMissing);
    assert!(vault.report().message.expect("a message").contains("vault reset"));
}

#[test]
fn wrong_passphrases_cost_more_and_more_time() {
    struct Still(std::sync::atomic::AtomicU64);
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(1)
        }
        fn boot(&self) -> Duration {
            Duration::from_secs(self.0.load(std::sync::atomic::Ordering::SeqCst))
        }
        fn boot_clock(&self) -> u64 {
            1
        }
    }
    let clock = Arc::new(Still(1.into()));
    let home = Home::new();
    let vault = Vault::open(OpenOptions { clock: clock.clone(), ..home.options() }).expect("a vault");
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("right")), false).expect("a slot");
    vault.lock().expect("locked");
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        let wrong = vault.unlock(Some(&passphrase("wrong")), false);
        assert!(matches!(wrong, Err(VaultError::WrongPassphrase { wait }) if wait.as_secs() == expected), "{wrong:?}");
        let early = vault.unlock(Some(&passphrase("right")), false).expect_err("too soon");
        assert!(matches!(early, VaultError::TooSoon { .. }) && early.to_string().contains(&expected.to_string()));
        assert!(Error::from(early).data.retry_at.is_some());
        clock.0.fetch_add(expected, std::sync::atomic::Ordering::SeqCst);
    }
    vault.unlock(Some(&passphrase("right")), false).expect("opens");
}

#[test]
fn a_passphrase_vault_waits_for_its_passphrase() {
    let home = Home::new();
    let vault = home.open();
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), false).expect("a slot");
    vault.create(&record("one")).expect("created");
    drop(vault);
    let vault = home.open();
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    assert_eq!(vault.state(), VaultState::Locked);
    vault.unlock(Some(&passphrase("p")), false).expect("opens");
    assert_eq!(tokens(&vault), ["one"]);
}

#[test]
fn a_weaker_slot_has_to_be_accepted() {
    let home = Home::new();
    let vault = home.open();
    vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), false).expect("a slot");
    assert_eq!(kind(vault.add_slot(SlotKind::Machine, None, false)), ErrorKind::InvalidParams);
    assert_eq!(vault.report().as_strong_as, Some(SlotKind::Passphrase));
    vault.add_slot(SlotKind::Machine, None, true).expect("accepted");
    assert_eq!(vault.report().as_strong_as, Some(SlotKind::Machine));
    assert_eq!(kind(vault.add_slot(SlotKind::Memory, None, true)), ErrorKind::InvalidParams);
}

#[test]
fn a_reset_sets_everything_aside_and_deletes_nothing() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    let aside = vault.reset().expect("reset");
    assert_eq!(vault.state(), VaultState::Absent);
    assert!(aside.join("vault.json").exists() && aside.join(format!("records/{id}.rec")).exists());
    vault.add_slot(SlotKind::Machine, None, false).expect("a new vault");
    vault.create(&record("two")).expect("created");
    assert_eq!(tokens(&vault), ["two"]);
}

#[test]
fn a_header_that_was_changed_does_not_open() {
    let home = Home::new();
    let vault = home.ready();
    let path = vault.header_file();
    drop(vault);
    let good = fs::read_to_string(&path).expect("read");
    for (text, expected) in [
        (good.replace("\"created_at\": ", "\"created_at\": 1"), ErrorKind::StorageFailed),
        (good.replace("\"format\": 1", "\"format\": 2"), ErrorKind::StorageFailed),
        (good[..good.len() / 2].to_owned(), ErrorKind::StorageFailed),
    ] {
        fs::write(&path, &text).expect("written");
        let vault = home.open();
        assert_eq!(kind(vault.unlock_at_start()), expected);
        assert_eq!(vault.state(), VaultState::Locked);
        assert!(vault.report().message.is_some());
        assert!(vault.ensure_ready(true).is_err());
        drop(vault);
        assert_eq!(fs::read_to_string(&path).expect("kept"), text);
    }
    fs::write(&path, good).expect("written");
    home.open().unlock_at_start().expect("opens");
}

#[test]
fn a_lock_closes_at_once_though_the_disk_cannot_note_it_and_an_unlock_opens() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    home.faults.refuse(true);
    assert_eq!(kind(vault.lock()), ErrorKind::StorageFailed);
    assert_eq!((vault.state(), kind(vault.load())), (VaultState::Locked, ErrorKind::VaultLocked));
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked, "a person said so");
    vault.unlock(None, false).expect("opens");
    assert_eq!(tokens(&vault), ["one"]);
    assert_eq!(kind(vault.ensure_ready(false)), ErrorKind::StorageFailed, "no login begins");
    home.faults.refuse(false);
    vault.ensure_ready(false).expect("ready");
}

#[test]
fn a_header_that_is_changed_while_running_is_written_anew() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    let path = vault.header_file();
    let good = fs::read(&path).expect("read");
    assert!(!vault.mend_header().expect("looked"));
    fs::write(&path, &good[1..]).expect("written");
    assert!(vault.mend_header().expect("mended"));
    fs::remove_file(&path).expect("removed");
    assert!(vault.mend_header().expect("mended"));
    assert_eq!(fs::read(&path).expect("read"), good);
}

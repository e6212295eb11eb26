//! A kill after each step of a write: what is found afterwards is the old or the new, whole.

use super::*;
use crate::clock::Timestamp;

/// Runs `work` on a vault with one record ("old") that stops after 0, 1, 2, ... steps, until it gets to its end.
/// `check` sees the vault as it is found after each.
fn at_every_step(work: impl Fn(&Vault, &RecordId) -> Result<(), VaultError>, check: impl Fn(&Vault, bool)) {
    for steps in 0.. {
        assert!(steps < 200, "it has an end");
        let home = Home::new();
        let vault = home.ready();
        vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), true).expect("a slot");
        let id = vault.create(&record("old")).expect("created").id;
        home.faults.stop_after(steps);
        let done = work(&vault, &id).is_ok() && !home.faults.stopped();
        drop(vault);
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.open();
        vault.unlock(Some(&passphrase("p")), false).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        check(&vault, done);
        drop(vault);
        check(&found.ready_again(), done);
        if done {
            return;
        }
    }
}

impl Home {
    fn ready_again(&self) -> Vault {
        let vault = self.open();
        vault.unlock(Some(&passphrase("p")), false).expect("opens");
        vault
    }
}

#[test]
fn a_replacement_leaves_the_old_or_the_new_record() {
    at_every_step(
        |vault, id| vault.replace(id, 1, &record("new")).map(|_| ()),
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens == ["new"] || (tokens == ["old"] && !done), "{tokens:?}");
        },
    );
}

#[test]
fn a_refresh_leaves_a_mark_or_the_new_record() {
    let mark = Mark { rotation: 0, at: Timestamp(5) };
    let sent = std::cell::Cell::new(false);
    at_every_step(
        |vault, id| {
            sent.set(false);
            let mut prepared = vault.prepare(id, 1, mark)?;
            sent.set(true);
            prepared.arrive(&record("new"))?;
            prepared.commit(&record("new")).map(|_| ())
        },
        |vault, done| {
            let loaded = vault.load().expect("loads");
            let stored = &loaded.records[0];
            assert_eq!((loaded.records.len(), loaded.damaged.len()), (1, 0));
            match token(stored).as_str() {
                "new" => assert_eq!((stored.version, stored.unanswered), (2, None)),
                // Once the request could go out, its mark is on the disk.
                _ => assert!(!done && (!sent.get() || stored.unanswered == Some(mark)), "{:?}", stored.unanswered),
            }
        },
    );
}

#[test]
fn an_answer_that_was_written_is_found_although_it_was_not_put_in_place() {
    let rescued = std::cell::Cell::new(0);
    at_every_step(
        |vault, id| vault.prepare(id, 1, Mark { rotation: 0, at: Timestamp(5) })?.commit(&record("new")).map(|_| ()),
        |vault, done| rescued.set(rescued.get() + u32::from(!done && tokens(vault) == ["new"])),
    );
    // Before its fsync, before its rename and before the directory's fsync; each is looked at twice.
    assert!(rescued.get() >= 6, "{}", rescued.get());
}

/// An answer was written ahead, its record is renamed before it gets its turn, and the agent dies.
#[test]
fn an_answer_that_was_overtaken_by_a_rename_is_found_and_keeps_the_new_name() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("old")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(5) }).expect("prepared");
    prepared.arrive(&Record { rotation: 1, ..record("new") }).expect("written");
    let name = AccountName::new("demo", Some("renamed")).expect("a name");
    vault.replace(&id, 1, &Record { account: name.clone(), ..record("old") }).expect("renamed");
    home.faults.stop_after(0);
    assert!(prepared.commit(&record("new")).is_err() && vault.replace(&id, 2, &record("new")).is_err());
    drop((prepared, vault));
    let found = Home { faults: Arc::default(), ..home };
    for _ in 0..2 {
        let vault = found.open();
        vault.unlock_at_start().expect("opens");
        let loaded = vault.load().expect("loads");
        let stored = &loaded.records[0];
        assert_eq!((token(stored).as_str(), &stored.record.account, stored.version), ("new", &name, 3));
        assert_eq!(std::fs::read_dir(vault.records_directory()).expect("a directory").count(), 1);
    }
}

/// The same, and what a kill or a power cut leaves besides: a ledger that has not heard of the rename yet.
#[test]
fn an_answer_that_was_overtaken_by_a_rename_that_the_ledger_missed_is_found() {
    for refusing in [false, true] {
        let home = Home::new();
        let vault = home.ready();
        let id = vault.create(&record("old")).expect("created").id;
        vault.settle().expect("settled");
        let mut prepared = vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(5) }).expect("prepared");
        prepared.arrive(&Record { rotation: 1, ..record("new") }).expect("written");
        home.faults.plan("disk.append 1 end");
        let _ = vault.replace(&id, 1, &record("old"));
        assert!(home.faults.stopped() && prepared.commit(&record("new")).is_err());
        drop((prepared, vault));
        let found = Home { faults: Arc::default(), ..home };
        for refuses in [refusing, false] {
            let vault = found.open();
            found.faults.refuse(refuses);
            vault.unlock_at_start().expect("opens");
            let loaded = vault.load().expect("loads");
            let stored = &loaded.records[0];
            assert_eq!((token(stored).as_str(), stored.version, stored.barred), ("new", 3, None), "{refusing}");
            found.faults.refuse(false);
        }
    }
}

/// A successor would find the older record on the disk, and take it for one from a backup.
#[cfg(unix)]
#[test]
fn an_answer_that_counts_from_memory_alone_is_not_handed_over() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("old")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(5) }).expect("prepared");
    prepared.arrive(&Record { rotation: 1, ..record("new") }).expect("written");
    home.faults.stop_after(0);
    assert!(prepared.commit(&record("new")).is_err());
    drop((prepared, vault));
    let found = Home { faults: Arc::default(), ..home };
    let vault = found.open();
    found.faults.refuse(true);
    vault.unlock_at_start().expect("opens");
    assert_eq!(tokens(&vault), ["new"]);
    assert!(matches!(vault.pass_on(), Err(VaultError::Storage(_))));
    found.faults.refuse(false);
    vault.replace(&id, 2, &Record { rotation: 1, ..record("new") }).expect("written anew");
    vault.pass_on().expect("handed over");
}

/// What stands in the way of reading a record for now must not cost the answer that follows it.
#[test]
fn an_answer_is_kept_while_its_record_cannot_be_read() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("old")).expect("created").id;
    let mut prepared = vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(5) }).expect("prepared");
    prepared.arrive(&Record { rotation: 1, ..record("new") }).expect("written");
    let path = vault.record_file(&id);
    home.faults.stop_after(0);
    assert!(prepared.commit(&record("new")).is_err());
    drop((prepared, vault));
    let found = Home { faults: Arc::default(), ..home };
    let (whole, mut flipped) = (std::fs::read(&path).expect("read"), std::fs::read(&path).expect("read"));
    flipped[60] ^= 1;
    std::fs::write(&path, flipped).expect("written");
    drop(found.ready());
    std::fs::write(&path, whole).expect("the disk is well again");
    assert_eq!(tokens(&found.ready()), ["new"]);
}

/// An answer was written ahead, and a slot is removed before it gets its turn: its key has to stay.
#[test]
fn an_answer_that_was_overtaken_by_a_new_epoch_opens() {
    let mark = Mark { rotation: 0, at: Timestamp(5) };
    for is_killed in [true, false] {
        let home = Home::new();
        let vault = home.ready();
        vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), true).expect("a slot");
        let id = vault.create(&record("old")).expect("created").id;
        let mut prepared = vault.prepare(&id, 1, mark).expect("prepared");
        let slots = vault.report().slots;
        vault.remove_slot(&slots[1].id).expect("removed");
        prepared.arrive(&record("new")).expect("written");
        home.faults.stop_after(if is_killed { 0 } else { 99 });
        assert_eq!(prepared.commit(&record("new")).is_err(), is_killed);
        drop((prepared, vault));
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.open();
        vault.unlock_at_start().expect("opens");
        assert_eq!(tokens(&vault), ["new"]);
        assert!(vault.inner().header.as_ref().expect("a header").body.earlier.is_empty(), "its key has gone since");
    }
}

#[test]
fn what_arrived_for_another_version_or_was_cut_short_is_nobodys() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("old")).expect("created").id;
    let records = vault.records_directory();
    let whole = std::fs::read(vault.record_file(&id)).expect("a file");
    drop(vault);
    for (n, bytes) in [&whole[..], &whole[..whole.len() - 1], &[]].into_iter().enumerate() {
        std::fs::write(records.join(format!(".arriving-{id}-{n}")), bytes).expect("written");
    }
    let vault = home.open();
    vault.unlock_at_start().expect("opens");
    assert_eq!(tokens(&vault), ["old"]);
    let left = std::fs::read_dir(&records).expect("a directory").count();
    assert_eq!(left, 1, "they are swept up");
}

#[test]
fn a_removal_leaves_the_record_or_nothing() {
    at_every_step(
        |vault, id| vault.remove(id),
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens.is_empty() || (tokens == ["old"] && !done));
        },
    );
}

#[test]
fn a_new_epoch_loses_no_record_wherever_it_stops() {
    at_every_step(
        |vault, _| {
            let slots = vault.report().slots;
            let machine = slots.iter().find(|slot| slot.kind == SlotKind::Machine).expect("a slot");
            vault.create(&record("second"))?;
            vault.remove_slot(&machine.id)
        },
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens == ["old", "second"] || (tokens == ["old"] && !done), "{tokens:?}");
            // An interrupted change was finished by the unlocking.
            assert!(vault.inner().header.as_ref().expect("a header").body.earlier.is_empty());
            assert!(!done || (vault.report().epoch == 2 && vault.report().slots.len() == 1));
        },
    );
}

#[test]
fn a_reset_loses_nothing_and_is_done_or_not_wherever_it_stops() {
    let mut done = 0;
    for steps in 0..30 {
        let home = Home::new();
        let vault = home.ready();
        vault.create(&record("old")).expect("created");
        vault.settle().expect("settled");
        home.faults.stop_after(steps);
        let reset = vault.reset().is_ok();
        drop(vault);
        let files = super::records::files(home.directory.path());
        for name in [".rec", "vault.json"] {
            assert!(files.iter().any(|path| path.to_string_lossy().ends_with(name)), "{name} after {steps} steps");
        }
        let found = Home { faults: Arc::default(), ..home };
        let vault = found.open();
        let is_reset = vault.state() == VaultState::Absent;
        if !is_reset {
            assert!(!reset && vault.unlock_at_start().is_ok(), "after {steps} steps: {:?}", vault.state());
            assert_eq!((tokens(&vault), vault.state()), (vec!["old".to_owned()], VaultState::Unlocked), "{steps}");
        }
        done += u32::from(is_reset);
        // Another vault can be made in its place, and comes from nowhere.
        if is_reset {
            vault.add_slot(SlotKind::Machine, None, true).expect("a slot");
            vault.create(&record("new")).expect("created");
            vault.settle().expect("settled");
            drop(vault);
            let vault = found.ready();
            assert_eq!((tokens(&vault), vault.state()), (vec!["new".to_owned()], VaultState::Unlocked), "{steps}");
        }
    }
    assert!(done > 5, "{done}");
}

#[test]
fn a_reset_that_the_disk_refuses_leaves_the_vault_as_it_was() {
    for nth in 1..6 {
        let home = Home::new();
        let vault = home.ready();
        let id = vault.create(&record("old")).expect("created").id;
        home.faults.plan(&format!("disk.rename {nth} error:io"));
        if vault.reset().is_ok() {
            assert!(nth > 3);
            return;
        }
        vault.replace(&id, 1, &record("newer")).expect("written");
        drop(vault);
        let vault = home.ready();
        assert_eq!((tokens(&vault), vault.state()), (vec!["newer".to_owned()], VaultState::Unlocked), "{nth}");
    }
}

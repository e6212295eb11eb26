//! One owner, one machine: who may have a vault.

use std::fs;

use super::*;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::owner::{Owner, is_locked, read_owner};

#[test]
fn a_second_agent_is_told_who_has_the_vault() {
    let home = Home::new();
    let vault = home.open();
    let error = Error::from(Vault::open(home.options()).expect_err("in use"));
    assert_eq!(error.kind(), ErrorKind::VaultInUse);
    assert!(error.message.contains("/run/agent.sock") && error.message.contains(&std::process::id().to_string()));
    let owner_file = home.options().vault_dir.join("owner.json");
    assert!(is_locked(&owner_file) && read_owner(&owner_file).expect("an owner").is_here());
    drop(vault);
    assert!(!is_locked(&owner_file) && read_owner(&owner_file).is_none());
    home.open();
}

/// Between fork and exec a child has a copy of every open file, the lock's among them.
#[cfg(unix)]
#[test]
fn a_program_that_is_being_started_keeps_no_vault() {
    let home = Home::new();
    let vault = home.open();
    let (_, copy) = vault.pass_on().expect("a copy");
    drop(vault);
    drop(Vault::open(home.options()).expect("nobody has it"));
    drop(copy);
}

#[test]
fn clients_that_look_keep_nobody_from_becoming_the_owner() {
    let home = Home::new();
    drop(home.open());
    let owner_file = home.options().vault_dir.join("owner.json");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_locked(&owner_file);
                }
            });
        }
        let opened: Vec<_> = (0..200).map(|_| Vault::open(home.options()).map(drop)).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        opened.into_iter().for_each(|opened| opened.expect("nobody has it"));
    });
}

#[test]
fn of_many_that_start_at_once_one_becomes_the_owner() {
    let home = Home::new();
    drop(home.open());
    let (options, barrier) = (home.options(), std::sync::Barrier::new(16));
    for _ in 0..20 {
        let owners = std::thread::scope(|scope| {
            let opened = (0..16).map(|_| {
                scope.spawn(|| {
                    let vault = Vault::open(options.clone()).ok();
                    // Kept until all have tried.
                    barrier.wait();
                    vault.is_some()
                })
            });
            let opened: Vec<_> = opened.collect();
            opened.into_iter().map(|one| one.join().expect("ended")).filter(|one| *one).count()
        });
        assert_eq!(owners, 1);
    }
}

#[test]
fn an_owner_that_cannot_write_its_file_has_the_vault_all_the_same() {
    let home = Home::new();
    let vault = home.ready();
    let owner_file = home.options().vault_dir.join("owner.json");
    home.faults.refuse(true);
    vault.announce().expect_err("the disk is full");
    assert!(
        is_locked(&owner_file) && read_owner(&owner_file).is_none(),
        "and what it said before is not true for ever"
    );
    home.faults.refuse(false);
    vault.announce().expect("written");
    assert!(read_owner(&owner_file).expect("an owner").is_here());
}

#[test]
fn an_owner_on_another_host_is_named() {
    let home = Home::new();
    let _vault = home.open();
    let owner_file = home.options().vault_dir.join("owner.json");
    let owner = Owner { host: "far-away".into(), pid: 7, socket: "/s".into(), ..Owner::default() };
    fs::write(&owner_file, serde_json::to_vec(&owner).expect("json")).expect("written");
    let error = Vault::open(home.options()).expect_err("in use").to_string();
    assert!(error.contains("far-away"), "{error}");
}

#[test]
fn what_a_killed_owner_left_is_in_nobodys_way() {
    let home = Home::new();
    let vault = home.ready();
    let (directory, records) = (home.options().vault_dir, vault.records_directory());
    drop(vault);
    fs::write(directory.join("owner.json"), b"{\"host\":\"far-away\",\"pid\":7,\"so").expect("written");
    fs::write(directory.join(".new-0"), b"half").expect("written");
    fs::write(records.join(".new-1"), b"half").expect("written");
    fs::write(records.join("somebody's.txt"), b"own").expect("written");
    let vault = home.ready();
    assert!(!directory.join(".new-0").exists() && !records.join(".new-1").exists());
    assert!(records.join("somebody's.txt").exists());
    assert_eq!(vault.report().records, 0);
}

#[test]
fn a_copied_vault_serves_nothing_until_it_is_adopted() {
    type Change = fn(&mut OpenOptions);
    let changes: [(&str, Change); 3] = [
        ("another machine", |options| options.machine = MachineId::Given(Some("machine two".into()))),
        ("a machine without an id", |options| options.machine = MachineId::Given(None)),
        ("another installation", |options| options.state_dir = options.state_dir.with_file_name("other")),
    ];
    for (name, change) in changes {
        let home = Home::new();
        let vault = home.ready();
        vault.add_slot(SlotKind::Passphrase, Some(&passphrase("p")), true).expect("a slot");
        let id = vault.create(&record("one")).expect("created").id;
        drop(vault);
        let mut options = home.options();
        change(&mut options);
        let vault = Vault::open(options.clone()).expect("a vault");
        assert_eq!(vault.state(), VaultState::Copied, "{name}");
        let mark = Mark { rotation: 0, at: Timestamp(1) };
        // What is in it may be looked at with its key; nothing of it may be used.
        vault.unlock(Some(&passphrase("p")), true).expect("opens");
        assert_eq!(vault.state(), VaultState::Copied, "{name}");
        assert_eq!(vault.load().expect("loads").records[0].barred, Some(Barred::Foreign), "{name}");
        let refusals = [
            vault.prepare(&id, 1, mark).err(),
            vault.replace(&id, 1, &record("two")).err(),
            vault.remove(&id).err(),
            vault.add_slot(SlotKind::Machine, None, true).err(),
        ];
        for refusal in refusals {
            assert_eq!(Error::from(refusal.expect("refused")).kind(), ErrorKind::VaultCopied, "{name}");
        }
        vault.adopt().expect("adopted");
        vault.unlock(Some(&passphrase("p")), false).expect("opens");
        assert_eq!(tokens(&vault), ["one"], "{name}");
        drop(vault);
        let vault = Vault::open(options).expect("a vault");
        assert_ne!(vault.state(), VaultState::Copied, "{name}: adopted for good");
    }
}

#[cfg(unix)]
#[test]
fn directories_and_files_are_the_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let loose = home.options().vault_dir;
    fs::create_dir(&loose).expect("made");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o755)).expect("set");
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    vault.prepare(&id, 1, Mark { rotation: 0, at: Timestamp(1) }).expect("prepared").keep_mark();
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    for directory in [loose.clone(), loose.join("records"), home.options().state_dir] {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
    }
    let files = super::records::files(home.directory.path());
    assert!(files.len() >= 6, "owner, lock, header, install id, machine key, record, mark: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// Whatever an agent had begun: what it wrote once its successor serves would undo what that has written since.
#[cfg(unix)]
#[test]
fn only_the_owner_writes_whoever_hands_over() {
    let home = Home::new();
    let old = home.ready();
    let id = old.create(&record("one")).expect("created").id;
    let write = |vault: &Vault, version| vault.replace(&id, version, &record("two"));
    for _ in 0..2 {
        let handing = old.begin_handing(Duration::ZERO).expect("nobody writes");
        assert!(write(&old, 1).is_err() && old.settle().is_err() && old.lock().is_err());
        drop(handing);
        old.unlock(None, false).expect("it goes on");
    }
    let handing = old.begin_handing(Duration::ZERO).expect("nobody writes");
    let (passed, lock) = old.pass_on().expect("handed over");
    let new = Vault::take_over(home.options(), passed, lock).expect("taken over");
    assert_eq!(tokens(&new), ["one"]);
    assert!(write(&new, 1).is_err() && new.settle().is_err(), "it is not the owner yet");
    new.own();
    handing.for_good();
    assert_eq!(write(&new, 1).expect("it is"), 2);
    // The old one finds a record and a header that are not what it wrote.
    assert_eq!(old.displaced(vec![(id.clone(), 1)]), std::slice::from_ref(&id));
    new.lock().expect("locked");
    assert!(write(&old, 1).is_err() && old.mend_header().is_err() && old.remove(&id).is_err());
    drop(old);
    new.unlock(None, false).expect("opens");
    assert_eq!((tokens(&new), write(&new, 2).expect("still the newest")), (vec!["two".to_owned()], 3));
}

#[cfg(unix)]
#[test]
fn a_write_that_hangs_stops_the_handover_and_nothing_else() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("one")).expect("created").id;
    home.faults.plan("disk.sync 1 delay:300");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| vault.replace(&id, 1, &record("two")));
        while vault.begin_handing(Duration::ZERO).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(writing.join().expect("joined").expect("written"), 2);
    });
    vault.begin_handing(Duration::from_secs(60)).expect("now nobody writes");
}

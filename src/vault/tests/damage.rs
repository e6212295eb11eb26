//! Files that are not what was written: nothing opens that should not, nothing hangs, nothing is deleted, and whoever asks
//! is told which file it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::ipc::message::{Error, ErrorKind};

type Make = fn(&Path);

/// What may lie in a file's place instead.
const IN_ITS_PLACE: [(&str, Make); 4] = [
    ("a directory", |path| fs::create_dir(path).expect("made")),
    ("a link", |path| symlink(path.with_extension("away"), path).expect("made")),
    ("a pipe", |path| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("made");
    }),
    ("far too much", |path| fs::File::create(path).expect("made").set_len(1 << 40).expect("a sparse file")),
];

fn flips(good: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..good.len()).map(|at| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 0x10;
        bytes
    })
}

fn cuts(good: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..good.len()).map(|at| good[..at].to_vec())
}

/// A file's place, with the file put aside until this is dropped.
struct Aside(PathBuf);

impl Aside {
    fn put(path: &Path) -> Self {
        fs::rename(path, path.with_extension("away")).expect("put aside");
        Self(path.to_owned())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
        let _ = fs::remove_file(&self.0);
        fs::rename(self.0.with_extension("away"), &self.0).expect("put back");
    }
}

#[test]
fn a_record_that_was_flipped_or_cut_anywhere_is_kept_and_hides_no_other() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("lost")).expect("created").id;
    vault.create(&record("safe")).expect("created");
    let path = vault.record_file(&id);
    let good = fs::read(&path).expect("read");
    for bytes in flips(&good).chain(cuts(&good)) {
        fs::write(&path, &bytes).expect("written");
        let loaded = vault.load().expect("loads");
        assert_eq!(loaded.records.iter().map(token).collect::<Vec<_>>(), ["safe"]);
        assert_eq!(loaded.damaged, [format!("{id}.rec")]);
        assert_eq!(vault.report().damaged, loaded.damaged);
        assert_eq!(fs::read(&path).expect("kept"), bytes);
    }
    fs::write(&path, good).expect("written");
    assert_eq!(tokens(&vault), ["lost", "safe"]);
}

#[test]
fn what_is_no_file_hangs_nobody_and_hides_no_other() {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("lost")).expect("created").id;
    vault.create(&record("safe")).expect("created");
    let path = vault.record_file(&id);
    for (name, make) in IN_ITS_PLACE {
        let aside = Aside::put(&path);
        make(&path);
        let loaded = vault.load().expect("loads");
        assert_eq!(loaded.records.iter().map(token).collect::<Vec<_>>(), ["safe"], "{name}");
        assert_eq!(loaded.damaged, [format!("{id}.rec")], "{name}");
        drop(aside);
    }
    assert_eq!(tokens(&vault), ["lost", "safe"]);
}

#[test]
fn a_header_that_was_flipped_anywhere_opens_nothing_else() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    let path = vault.header_file();
    let good = fs::read(&path).expect("read");
    drop(vault);
    let sound = Header::parse(&path, &good).expect("sound");
    let slot = home.slot_key(&sound);
    let mut refused = 0;
    for bytes in flips(&good) {
        let Ok(header) = Header::parse(&path, &bytes) else {
            refused += 1;
            continue;
        };
        let entry = header.body.slots.first();
        let key = entry.and_then(|entry| entry.unwrap(&header.body.id, header.body.epoch, &slot).ok());
        match key.map(|key| header.open(key)) {
            // What stands beside the seal, or is no content: it says who may use the vault, and opens nothing else.
            Some(Ok(_)) => assert_eq!(header.body.id, sound.body.id),
            _ => refused += 1,
        }
    }
    assert!(refused > good.len() / 2, "most are refused: {refused} of {}", good.len());
}

#[test]
fn a_header_that_is_damaged_stops_no_agent_and_is_told_as_what_it_is() {
    let home = Home::new();
    let vault = home.ready();
    vault.create(&record("one")).expect("created");
    let path = vault.header_file();
    let good = fs::read(&path).expect("read");
    drop(vault);
    let look = |name: &str| {
        let vault = home.open();
        for refused in [vault.unlock_at_start().err(), vault.load().err(), vault.ensure_ready(true).err()] {
            let error = Error::from(refused.expect(name));
            assert_eq!(error.kind(), ErrorKind::StorageFailed, "{name}: {error}");
            assert!(error.message.contains("vault.json"), "{name}: {error}");
        }
        assert_eq!(vault.state(), VaultState::Locked, "{name}");
        assert!(vault.report().message.expect("a message").contains("vault.json"), "{name}");
    };
    for at in [0, 1, good.len() / 3, good.len() - 3] {
        fs::write(&path, &good[..at]).expect("written");
        look(&format!("cut at {at}"));
        assert_eq!(fs::read(&path).expect("kept"), good[..at]);
    }
    fs::write(&path, &good).expect("written");
    for (name, make) in IN_ITS_PLACE {
        let aside = Aside::put(&path);
        make(&path);
        look(name);
        drop(aside);
    }
    assert_eq!(tokens(&home.ready()), ["one"]);
}

#[test]
fn a_damaged_header_can_be_set_aside_whatever_it_is() {
    for (name, make) in IN_ITS_PLACE {
        let home = Home::new();
        let vault = home.ready();
        let path = vault.header_file();
        drop(vault);
        fs::rename(&path, path.with_extension("away")).expect("moved");
        make(&path);
        let vault = home.open();
        let aside = vault.reset().expect(name);
        assert!(aside.join("vault.json").symlink_metadata().is_ok(), "{name}");
        assert_eq!(vault.state(), VaultState::Absent, "{name}");
        vault.add_slot(SlotKind::Machine, None, false).expect(name);
    }
}

impl Home {
    /// The key of a header's machine slot.
    fn slot_key(&self, header: &Header) -> super::super::seal::Key {
        let vault = self.open();
        let entry = &header.body.slots[0];
        let slot = super::super::slot::of_kind(entry.kind).expect("a kind");
        let person = super::super::slot::Person::default();
        slot.open(&vault.place(&header.body.id, &entry.id), &entry.params, person).expect("the slot opens")
    }
}

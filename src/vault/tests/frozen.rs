//! Vaults as earlier versions wrote them, kept byte for byte under `tests/vaults`: every later version reads them, and goes
//! on with them.
//!
//! A directory there is never changed; whoever changes the format of a record, the header, the ledger or a slot adds one:
//! its `records.json` says what shall be in it, and
//! `cargo test --lib frozen -- --ignored` seals that.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, to_value};

use super::*;

const PASSPHRASE: &str = "a passphrase of long ago";

/// What is in a sample.
#[derive(Deserialize)]
struct Expected {
    version: u64,
    unanswered: Option<Mark>,
    record: Value,
}

impl Expected {
    fn all(sample: &Path) -> Vec<Self> {
        serde_json::from_slice(&fs::read(sample.join("records.json")).expect("read")).expect("records")
    }

    fn record(&self) -> Record {
        serde_json::from_value(self.record.clone()).expect("a record")
    }
}

fn samples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vaults");
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// The machine that samples were made on.
fn open(at: &Path) -> Vault {
    let home = Home::new();
    let machine = MachineId::Given(Some("the machine of long ago".into()));
    let options = OpenOptions { vault_dir: at.join("vault"), state_dir: at.join("state"), machine, ..home.options() };
    Vault::open(options).expect("a vault")
}

#[test]
fn every_vault_that_was_ever_written_is_read_and_gone_on_with() {
    let samples = samples();
    assert!(!samples.is_empty());
    for sample in samples {
        let (copy, expected) = (tempfile::tempdir().expect("a directory"), Expected::all(&sample));
        super::rolled_back::copy(&sample, copy.path());
        let vault = open(copy.path());
        vault.unlock_at_start().expect("opens by the machine's slot");
        let stored = found(&vault, &expected);
        for (stored, expected) in stored.iter().zip(&expected) {
            let (id, version) = (&stored.id, stored.version);
            assert_eq!(vault.replace(id, version, &expected.record()).expect("written"), version + 1);
        }
        drop(vault);
        let vault = open(copy.path());
        vault.unlock(Some(&passphrase(PASSPHRASE)), false).expect("opens by its passphrase");
        let newer: Vec<Expected> =
            expected.into_iter().map(|old| Expected { version: old.version + 1, unanswered: None, ..old }).collect();
        found(&vault, &newer);
    }
}

/// What is in it, in the order expected: nothing is missing, and nothing that an earlier version kept has another value.
fn found(vault: &Vault, expected: &[Expected]) -> Vec<Stored> {
    assert_eq!(vault.state(), VaultState::Unlocked);
    let mut loaded = vault.load().expect("loads");
    assert_eq!((loaded.trouble.as_slice(), loaded.records.len()), (&[] as &[String], expected.len()));
    let in_order = expected.iter().map(|expected| {
        let is_it = |stored: &Stored| expected.record["incarnation"] == stored.record.incarnation;
        let at = loaded.records.iter().position(is_it).expect("every record");
        let stored = loaded.records.swap_remove(at);
        assert_eq!((stored.version, stored.unanswered, stored.barred), (expected.version, expected.unanswered, None));
        assert_kept(&expected.record, &to_value(&stored.record).expect("JSON"), "");
        stored
    });
    in_order.collect()
}

/// Fields may have been added since.
fn assert_kept(old: &Value, new: &Value, at: &str) {
    match old {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, old)| assert_kept(old, &new[name], &format!("{at}/{name}")));
        }
        old => assert_eq!(old, new, "{at}"),
    }
}

/// Seals what a new sample's `records.json` asks for.
#[test]
#[ignore = "writes what it finds missing under tests/vaults, once for each format"]
fn a_new_sample_is_sealed() {
    for sample in samples().into_iter().filter(|sample| !sample.join("vault").exists()) {
        let vault = open(&sample);
        vault.add_slot(SlotKind::Passphrase, Some(&passphrase(PASSPHRASE)), false).expect("a slot");
        vault.add_slot(SlotKind::Machine, None, true).expect("a slot");
        // The key of another epoch than the first.
        let gone = vault.add_slot(SlotKind::Machine, None, true).expect("a slot").id;
        for expected in Expected::all(&sample) {
            let record = expected.record();
            let id = vault.create(&record).expect("created").id;
            (1..expected.version).for_each(|version| assert!(vault.replace(&id, version, &record).is_ok()));
            if let Some(mark) = expected.unanswered {
                vault.prepare(&id, expected.version, mark).expect("prepared").keep_mark();
            }
        }
        vault.remove_slot(&gone).expect("removed");
        vault.settle().expect("settled");
        drop(vault);
        // Nobody owns it.
        for file in ["vault/owner.lock", "vault/owner.turn"] {
            let _ = fs::remove_file(sample.join(file));
        }
    }
}

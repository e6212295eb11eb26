//! What lies on the disk, damaged or made up: nothing of it opens that the key did not seal, and what was sealed is read
//! back the same.

use std::path::Path;

use serde_json::{Value, to_value};

use super::RecordId;
use super::header::{Header, Keys};
use super::record::Record;
use super::seal::Key;
use super::sealed;
use crate::fuzzing::quotes_nothing;

fn key() -> Key {
    Key::from_slice(&[7; 32]).unwrap_or_else(|_| unreachable!("32 bytes"))
}

/// The input as a record's file, and as what is sealed in one.
pub(crate) fn sealed_records(input: &[u8]) {
    let keys = Keys { epoch: 1, current: key(), earlier: Vec::new() };
    let id = RecordId::for_fuzzing();
    assert!(sealed::open(&keys, "vault", &id, input).is_err(), "a file opens that was never sealed");
    assert!(sealed::reseal(&keys, "vault", &id, input).is_err());

    let prefix = sealed::Prefix { format: 1, epoch: 1, version: 3 };
    let file = sealed::seal_plain(&keys, "vault", &id, prefix, input).expect("sealed");
    assert_eq!(sealed::reseal(&keys, "vault", &id, &file), Ok(None));
    match sealed::open(&keys, "vault", &id, &file) {
        Ok((version, record)) => {
            assert_eq!(version, 3);
            same_again(&record);
        }
        Err(closed) => assert_eq!(closed, sealed::Closed::Damaged),
    }
}

/// A record's JSON.
pub(crate) fn records(input: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<Record>(input) {
        same_again(&record);
    }
}

fn same_again(record: &Record) {
    let written = to_value(record).expect("written");
    let again: Record = serde_json::from_value(written.clone()).expect("read back");
    assert_eq!(to_value(&again).expect("written"), written);
    assert_eq!(to_value(record.duplicate()).expect("written"), written);
}

/// A header is written as it was read, and no key opens one that it did not seal.
pub(crate) fn vault_headers(input: &[u8]) {
    let header = match Header::parse(Path::new("vault.json"), input) {
        Ok(header) => header,
        Err(error) => return quotes_nothing(error),
    };
    let written = header.bytes().expect("written");
    let again = Header::parse(Path::new("vault.json"), &written).expect("read back");
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    assert_eq!(value(&again.bytes().expect("written")), value(&written));
    assert!(header.open(key()).is_err(), "a header opens that was never sealed");
}

//! A record's file: `magic, format, epoch, version, nonce, ciphertext`.
//!
//! The associated data name vault, record, format, epoch and version, so that no file passes for another record's,
//! another vault's or another version's. Old formats stay readable. An API key and a password have formats of their own, so that
//! a version of before there were any takes none for a login: it says that a newer version wrote it, and leaves it alone.

use zeroize::Zeroizing;

use super::RecordId;
use super::header::Keys;
use super::record::{Record, RecordKind};
use super::seal::{Key, associated};
use crate::vault::VaultError;

const MAGIC: &[u8; 8] = b"credhlpr";
/// A login.
const LOGIN: u16 = 1;
/// An API key.
const API_KEY: u16 = 2;
/// A password.
pub(super) const PASSWORD: u16 = 3;
const PREFIX: usize = 8 + 2 + 8 + 8;

/// The part before the nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) format: u16,
    pub(super) epoch: u64,
    pub(super) version: u64,
}

/// Why a record's file was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It is not what was written, or no record's file.
    Damaged,
    /// A newer version wrote it, or it belongs to an epoch that is not known here.
    Foreign,
    /// The login in it was logged out.
    LoggedOut,
    /// It is not there.
    Missing,
    /// It is no file, or the disk does not give it.
    Unreadable(String),
}

impl Prefix {
    pub(super) fn parse(file: &[u8]) -> Result<(Self, &[u8]), Closed> {
        let (prefix, rest) = file.split_first_chunk::<PREFIX>().ok_or(Closed::Damaged)?;
        let number = |at: usize| prefix[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        if &prefix[..8] != MAGIC {
            return Err(Closed::Damaged);
        }
        let format = u16::from_le_bytes([prefix[8], prefix[9]]);
        if !matches!(format, LOGIN | API_KEY | PASSWORD) {
            return Err(Closed::Foreign);
        }
        let (Some(epoch), Some(version)) = (number(10), number(18)) else { return Err(Closed::Damaged) };
        Ok((Self { format, epoch, version }, rest))
    }

    fn associated(&self, vault: &str, record: &RecordId) -> Vec<u8> {
        let Self { format, epoch, version } = self;
        let numbers = (format.to_le_bytes(), epoch.to_le_bytes(), version.to_le_bytes());
        let what = b"cred-helper record".as_slice();
        associated(&[what, vault.as_bytes(), record.as_str().as_bytes(), &numbers.0, &numbers.1, &numbers.2])
    }
}

/// A record's file.
pub(super) fn seal(
    keys: &Keys,
    vault: &str,
    id: &RecordId,
    version: u64,
    record: &Record,
) -> Result<Vec<u8>, VaultError> {
    let json = serde_json::to_vec(record).map_err(|_| VaultError::Internal("a login could not be written as JSON"))?;
    let format = match record.kind {
        RecordKind::Login => LOGIN,
        RecordKind::ApiKey => API_KEY,
        RecordKind::Password => PASSWORD,
    };
    seal_plain(keys, vault, id, Prefix { format, epoch: keys.epoch, version }, &Zeroizing::new(json))
}

pub(super) fn seal_plain(
    keys: &Keys,
    vault: &str,
    id: &RecordId,
    prefix: Prefix,
    plain: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let sealed = record_key(&keys.current).seal(&prefix.associated(vault, id), plain)?;
    let numbers = (prefix.format.to_le_bytes(), prefix.epoch.to_le_bytes(), prefix.version.to_le_bytes());
    Ok([MAGIC.as_slice(), &numbers.0, &numbers.1, &numbers.2, &sealed].concat())
}

/// A record and its version.
pub(super) fn open(keys: &Keys, vault: &str, id: &RecordId, file: &[u8]) -> Result<(u64, Record), Closed> {
    let (prefix, plain) = open_plain(keys, vault, id, file)?;
    Ok((prefix.version, serde_json::from_slice(&plain).map_err(|_| Closed::Damaged)?))
}

fn open_plain(keys: &Keys, vault: &str, id: &RecordId, file: &[u8]) -> Result<(Prefix, Zeroizing<Vec<u8>>), Closed> {
    let (prefix, sealed) = Prefix::parse(file)?;
    let key = keys.of_epoch(prefix.epoch).ok_or(Closed::Foreign)?;
    let plain = record_key(key).open(&prefix.associated(vault, id), sealed).map_err(|_| Closed::Damaged)?;
    Ok((prefix, plain))
}

/// The same record and version under the current epoch's key; `None` if it is already.
pub(super) fn reseal(keys: &Keys, vault: &str, id: &RecordId, file: &[u8]) -> Result<Option<Vec<u8>>, Closed> {
    let (prefix, plain) = open_plain(keys, vault, id, file)?;
    if prefix.epoch == keys.epoch {
        return Ok(None);
    }
    seal_plain(keys, vault, id, Prefix { epoch: keys.epoch, ..prefix }, &plain).map(Some).map_err(|_| Closed::Foreign)
}

fn record_key(key: &Key) -> Key {
    key.derive("cred-helper record v1")
}

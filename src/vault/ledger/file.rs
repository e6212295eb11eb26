//! The ledger's file: `magic, format, epoch, base`, then entries of one size.
//!
//! `base` is how many entries there ever were before the first one here; each entry is sealed with its number, so that
//! none is moved, repeated or taken from another vault. A file cut short by a kill ends in part of an entry, one cut
//! short by a power cut perhaps in entries that don't open: neither is damage.

use super::super::RecordId;
use super::super::error::VaultError;
use super::super::header::Keys;
use super::super::seal::{Key, associated};
use super::{Entry, Kind};

const MAGIC: &[u8; 8] = b"credledg";
const FORMAT: u16 = 1;
const PREFIX: usize = 8 + 2 + 8 + 8;
/// Record, incarnation, rotation, version, kind, and room for what a later version of this program adds.
const PLAIN: usize = 16 + 8 + 8 + 8 + 1 + 7;
/// With nonce and tag.
const ENTRY: usize = 24 + PLAIN + 16;

/// How far a file goes.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    epoch: u64,
    base: u64,
    entries: u64,
}

/// What was read of a file.
pub(super) struct Read {
    pub(super) extent: Extent,
    /// Oldest first.
    pub(super) entries: Vec<(RecordId, Entry)>,
    /// Something before its end doesn't open.
    pub(super) damaged: bool,
    /// How many entries it has room for besides those that are counted: they don't open.
    pub(super) unopened: u64,
}

impl Extent {
    pub(super) fn new(epoch: u64, base: u64) -> Self {
        Self { epoch, base, entries: 0 }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn count(&self) -> u64 {
        self.base.saturating_add(self.entries)
    }

    /// Where the next entry goes.
    pub(super) fn end(&self) -> u64 {
        PREFIX as u64 + self.entries * ENTRY as u64
    }

    pub(super) fn grow(&mut self, entries: usize) {
        self.entries += entries as u64;
    }

    pub(super) fn prefix(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &FORMAT.to_le_bytes(), &self.epoch.to_le_bytes(), &self.base.to_le_bytes()].concat()
    }

    /// The next entries; `None` if the file's key is not at hand.
    pub(super) fn seal(
        &self,
        entries: &[(RecordId, Entry)],
        vault: &str,
        keys: &Keys,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(key) = keys.of_epoch(self.epoch).map(ledger_key) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (number, (id, entry)) in (self.count()..).zip(entries) {
            bytes.extend(key.seal(&self.place(vault, number), &plain(id, entry))?);
        }
        Ok(Some(bytes))
    }

    fn place(&self, vault: &str, number: u64) -> Vec<u8> {
        let what = b"cred-helper ledger".as_slice();
        associated(&[what, vault.as_bytes(), &FORMAT.to_le_bytes(), &self.epoch.to_le_bytes(), &number.to_le_bytes()])
    }
}

/// `None`: nothing in it opens.
pub(super) fn read(bytes: &[u8], vault: &str, keys: &Keys) -> Option<Read> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let number = |at: usize| prefix[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if &prefix[..8] != MAGIC || prefix[8..10] != FORMAT.to_le_bytes() {
        return None;
    }
    let mut extent = Extent::new(number(10)?, number(18)?);
    let key = ledger_key(keys.of_epoch(extent.epoch)?);
    let (mut entries, mut opened, mut damaged) = (Vec::new(), 0, false);
    let (whole, _torn) = rest.as_chunks::<ENTRY>();
    for (at, sealed) in (0..).zip(whole) {
        let place = extent.place(vault, extent.base.checked_add(at)?);
        let Some(entry) = key.open(&place, sealed).ok().and_then(|plain| parse(&plain)) else { continue };
        damaged |= at != opened;
        opened = at + 1;
        entries.push(entry);
    }
    if entries.is_empty() && !whole.is_empty() {
        return None;
    }
    extent.entries = opened;
    Some(Read { extent, entries, damaged, unopened: whole.len() as u64 - opened })
}

fn plain(id: &RecordId, entry: &Entry) -> [u8; PLAIN] {
    let mut plain = [0; PLAIN];
    let id = u128::from_str_radix(id.as_str(), 16).unwrap_or_default();
    plain[..16].copy_from_slice(&id.to_be_bytes());
    plain[16..24].copy_from_slice(&entry.incarnation.to_le_bytes());
    plain[24..32].copy_from_slice(&entry.rotation.to_le_bytes());
    plain[32..40].copy_from_slice(&entry.version.to_le_bytes());
    plain[40] = match entry.kind {
        Kind::Written => 1,
        Kind::Foreign => 2,
        Kind::Removing => 3,
        Kind::Removed => 4,
    };
    plain
}

fn parse(plain: &[u8]) -> Option<(RecordId, Entry)> {
    let number = |at: usize| Some(u64::from_le_bytes(*plain.get(at..)?.first_chunk()?));
    let id = u128::from_be_bytes(*plain.first_chunk()?);
    let kind = match plain.get(40)? {
        1 => Kind::Written,
        2 => Kind::Foreign,
        3 => Kind::Removing,
        4 => Kind::Removed,
        _ => return None,
    };
    let entry = Entry { kind, incarnation: number(16)?, rotation: number(24)?, version: number(32)? };
    Some((RecordId::named(&format!("{id:032x}")), entry))
}

fn ledger_key(key: &Key) -> Key {
    key.derive("cred-helper ledger v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { epoch: 1, current: Key::random().expect("random"), earlier: Vec::new() }
    }

    fn entries(count: u64) -> Vec<(RecordId, Entry)> {
        let id = RecordId::named(&"0a".repeat(16));
        let entry = |version| Entry { kind: Kind::Written, version, incarnation: 7, rotation: version / 2 };
        (1..=count).map(|version| (id.clone(), entry(version))).collect()
    }

    fn written(keys: &Keys) -> Vec<u8> {
        let extent = Extent::new(1, 40);
        [extent.prefix(), extent.seal(&entries(5), "v", keys).expect("sealed").expect("a key")].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        let keys = keys();
        let read = read(&written(&keys), "v", &keys).expect("opens");
        assert_eq!(read.entries, entries(5));
        assert_eq!((read.extent.count(), read.damaged), (45, false));
    }

    #[test]
    fn one_cut_short_anywhere_ends_with_its_last_whole_entry() {
        let keys = keys();
        let good = written(&keys);
        for at in 0..good.len() {
            let whole = at.saturating_sub(PREFIX) / ENTRY;
            match read(&good[..at], "v", &keys) {
                None => assert!(at < PREFIX, "cut at {at}"),
                Some(read) => assert_eq!((read.entries.len(), read.damaged), (whole, false), "cut at {at}"),
            }
        }
        // After a power cut the end may hold anything.
        let zeros = [&good[..PREFIX + 3 * ENTRY], &[0; 2 * ENTRY]].concat();
        let read = read(&zeros, "v", &keys).expect("opens");
        assert_eq!((read.entries.len(), read.extent.count(), read.damaged), (3, 43, false));
    }

    #[test]
    fn a_flipped_bit_takes_one_entry_at_most_and_is_noticed_before_the_last() {
        let keys = keys();
        let good = written(&keys);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            match read(&bytes, "v", &keys) {
                None => assert!(at < PREFIX, "flipped at {at}"),
                Some(read) => {
                    assert_eq!(read.entries.len(), 4, "flipped at {at}");
                    assert_eq!(read.damaged, at < PREFIX + 4 * ENTRY, "flipped at {at}");
                }
            }
        }
    }

    #[test]
    fn entries_of_another_vault_or_in_another_order_do_not_open() {
        let keys = keys();
        let good = written(&keys);
        assert!(read(&good, "w", &keys).is_none());
        let (prefix, rest) = good.split_at(PREFIX);
        let swapped = [prefix, &rest[ENTRY..2 * ENTRY], &rest[..ENTRY], &rest[2 * ENTRY..]].concat();
        let read = read(&swapped, "v", &keys).expect("opens");
        assert_eq!((read.entries.len(), read.damaged), (3, true));
    }
}

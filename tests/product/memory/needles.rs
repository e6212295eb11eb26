//! What a dump is searched for: every sixteen bytes of every secret, as it is and in the encodings that programs use.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

/// So much of a secret is enough to know it by.
const FRAGMENT: usize = 16;
/// Bits of the index that tells most places apart without a look at the fragments.
const INDEX_BITS: u32 = 22;
/// Most of a dump.
const EMPTY: [u8; 1024] = [0; 1024];

/// The fragments, each with what it is one of.
pub(crate) struct Needles {
    names: Vec<String>,
    fragments: HashMap<[u8; FRAGMENT], usize>,
    index: Vec<bool>,
}

/// Where in a dump a fragment of what was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl Needles {
    pub(crate) fn new() -> Self {
        Self { names: Vec::new(), fragments: HashMap::new(), index: vec![false; 1 << INDEX_BITS] }
    }

    /// Looks for this as well.
    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= FRAGMENT, "{name} is too short to be known again");
        for (encoding, encoded) in encodings(secret) {
            let at = self.names.len();
            self.names.push(format!("{name} {encoding}"));
            for fragment in encoded.windows(FRAGMENT) {
                self.index[indexed(fragment)] = true;
                self.fragments.entry(fragment.try_into().unwrap()).or_insert(at);
            }
        }
    }

    /// Every place, but no more than one for each thing looked for.
    pub(crate) fn find(&self, dump: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut at = 0;
        // A loop by hand: there are many megabytes, and tests are not optimized.
        while at + FRAGMENT <= dump.len() {
            if dump[at..].starts_with(&EMPTY) {
                at += EMPTY.len() - FRAGMENT;
            } else if self.index[indexed(&dump[at..])]
                && let Some(name) = self.fragments.get(&dump[at..at + FRAGMENT])
                && seen.insert(name)
            {
                found.push(Found { at, what: self.names[*name].clone() });
            }
            at += 1;
        }
        found
    }
}

fn indexed(bytes: &[u8]) -> usize {
    let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    (word.wrapping_mul(0x9e37_79b1) >> (32 - INDEX_BITS)) as usize
}

fn encodings(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let each = |how: fn(&u8) -> String| secret.iter().map(how).collect::<String>().into_bytes();
    let mut all = vec![
        ("as it is".to_owned(), secret.to_vec()),
        ("in hex".to_owned(), each(|byte| format!("{byte:02x}"))),
        ("in capital hex".to_owned(), each(|byte| format!("{byte:02X}"))),
        ("percent-encoded".to_owned(), each(|byte| format!("%{byte:02x}"))),
        ("percent-encoded in capitals".to_owned(), each(|byte| format!("%{byte:02X}"))),
        ("in UTF-16LE".to_owned(), secret.iter().flat_map(|byte| [*byte, 0]).collect()),
    ];
    for (name, alphabet) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
        all.extend(
            (0..3).map(|offset| (format!("in {name} behind {offset} bytes"), in_base64(secret, alphabet, offset))),
        );
    }
    all.retain(|(_, encoded)| encoded.len() >= FRAGMENT);
    all
}

/// What stands in the base64 of a longer text that has the secret in it at this offset: without the letters at either end
/// that other bytes have a part in.
fn in_base64(secret: &[u8], alphabet: &Alphabet, offset: usize) -> Vec<u8> {
    let text = [&[0; 3][..offset], secret].concat();
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&text).into_bytes();
    let whole = text.len() / 3 * 4;
    encoded[[0, 2, 3][offset]..whole].to_vec()
}

#[test]
fn a_fragment_is_found_in_every_encoding_and_at_every_offset() {
    const SECRET: &[u8] = b"at_0123456789abcdefghijklmnopqrstuvwxyz-_";
    let mut needles = Needles::new();
    needles.add("token", SECRET);
    let base64 = |prefix: &str| {
        let text = [prefix.as_bytes(), &SECRET[4..34], b"}"].concat();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text).into_bytes()
    };
    let wide = |text: &[u8]| text.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>();
    let hex = |text: &[u8]| text.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
    for dump in [
        SECRET[5..21].to_vec(),
        [b"\0\0\xff", &SECRET[20..], b"\0"].concat(),
        base64(""),
        base64("a"),
        base64("ab"),
        wide(&SECRET[7..15]),
        hex(&SECRET[7..15]),
    ] {
        assert_eq!(needles.find(&dump).len(), 1, "{}", String::from_utf8_lossy(&dump));
    }
    for dump in [&b""[..], &SECRET[..15], &[0; 64], b"at_0123456789abX"] {
        assert!(needles.find(dump).is_empty(), "{}", String::from_utf8_lossy(dump));
    }
}

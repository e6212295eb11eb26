//! Seals every secret in this process's memory, so that a core of it shows none (ChaCha20-Poly1305, RFC 8439).
//!
//! The key is made when the agent starts, leaves its page for moments only, and ends with the agent. It is hidden from
//! root as well where that costs nothing, or where the configuration says so (`hide_memory_key`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use zeroize::Zeroize as _;

use super::harden::Refused;
use super::key_page::{self, Key};
use crate::ipc::message::agent::CheckResult;
use crate::secret::{self, Sealer};

/// A nonce that counts; with the tag that is what a sealed secret is longer by.
const COUNTER: usize = size_of::<u64>();
const TAG: usize = 16;

/// The one sealer of an agent.
pub struct MemorySealer {
    key: RwLock<Kept>,
    /// One key seals fewer things than this counts, so that no nonce comes twice.
    sealed: AtomicU64,
}

struct Kept {
    key: Key,
    hidden: bool,
}

impl MemorySealer {
    /// Seals every secret of this process from now on. Also gives what the system refused to protect the key with; an
    /// error only if there are no random numbers.
    pub fn install() -> io::Result<(Arc<Self>, Vec<Refused>)> {
        let (sealer, refused) = Self::new()?;
        let sealer = Arc::new(sealer);
        secret::seal_from_now_on(Arc::clone(&sealer) as Arc<dyn Sealer>);
        Ok((sealer, refused))
    }

    fn new() -> io::Result<(Self, Vec<Refused>)> {
        let (key, refused) = key_page::locked();
        getrandom::fill(key).map_err(io::Error::other)?;
        Ok((Self { key: RwLock::new(Kept { key, hidden: false }), sealed: AtomicU64::new(0) }, refused))
    }

    /// Hides the key as the configuration says; without a word there, if that costs this machine nothing.
    pub fn hide(&self, wanted: Option<bool>) -> Option<Refused> {
        if !wanted.unwrap_or_else(|| !key_page::can_hibernate()) {
            return None;
        }
        let page = match key_page::hidden() {
            Ok(page) => page,
            // Nobody asked for it.
            Err(_) if wanted.is_none() => return None,
            Err(error) => return Some(Refused { what: "the key to the tokens in memory hidden from root", error }),
        };
        let mut kept = self.key.write().unwrap_or_else(PoisonError::into_inner);
        page.copy_from_slice(&*kept.key);
        kept.key.zeroize();
        *kept = Kept { key: page, hidden: true };
        None
    }

    /// How well the key is kept, for `doctor`.
    pub fn report(&self) -> (CheckResult, &'static str) {
        let hidden = self.key.read().unwrap_or_else(PoisonError::into_inner).hidden;
        let report = match (hidden, key_page::can_hibernate()) {
            (true, _) => {
                "tokens are sealed, their key is hidden from root too; while the agent runs, this machine can't hibernate"
            }
            (false, true) if cfg!(target_os = "linux") => {
                "tokens are sealed; root can read their key: `hide_memory_key = true` hides it, and this machine can't \
                 hibernate then"
            }
            (false, _) => "tokens are sealed; root can read their key",
        };
        (CheckResult::Ok, report)
    }

    fn with_cipher<T>(&self, work: impl FnOnce(&ChaCha20Poly1305) -> T) -> T {
        let kept = self.key.read().unwrap_or_else(PoisonError::into_inner);
        work(&ChaCha20Poly1305::new((&*kept.key).into()))
    }
}

fn nonce(counter: [u8; COUNTER]) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..COUNTER].copy_from_slice(&counter);
    nonce
}

impl Sealer for MemorySealer {
    fn seal(&self, plain: &[u8]) -> Box<[u8]> {
        let counter = self.sealed.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut sealed = Vec::with_capacity(COUNTER + plain.len() + TAG);
        sealed.extend_from_slice(&counter);
        sealed.extend_from_slice(plain);
        let text = (&mut sealed[COUNTER..]).into();
        let tag = self.with_cipher(|cipher| cipher.encrypt_inout_detached(&nonce(counter), b"", text));
        // RFC 8439 section 2.8 allows 256 GiB.
        sealed.extend_from_slice(&tag.expect("a secret that fits into memory is not too long"));
        sealed.into_boxed_slice()
    }

    fn open(&self, sealed: &[u8]) -> Box<[u8]> {
        let parts =
            sealed.split_first_chunk().and_then(|(counter, rest)| Some((counter, rest.split_last_chunk::<TAG>()?)));
        let (counter, (text, tag)) = parts.expect("a sealed secret has a nonce and a tag");
        let mut plain = Box::<[u8]>::from(text);
        let buffer = (&mut *plain).into();
        let tag = Tag::from(*tag);
        let opened = self.with_cipher(|cipher| cipher.decrypt_inout_detached(&nonce(*counter), b"", buffer, &tag));
        // Whoever changed this memory may have changed anything: no token comes out of it.
        opened.expect("what was sealed in memory is what is there");
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_and_looks_different_every_time() {
        let (sealer, _) = MemorySealer::new().expect("random");
        for length in [0, 1, 15, 16, 17, 64, 1000, 100_000] {
            let plain = vec![7; length];
            let (one, two) = (sealer.seal(&plain), sealer.seal(&plain));
            assert_eq!((&*sealer.open(&one), &*sealer.open(&two)), (&*plain, &*plain));
            assert_ne!(one, two);
            assert!(!one.windows(16).any(|bytes| bytes == [7; 16]), "{length}");
        }
    }

    #[test]
    fn what_was_sealed_opens_after_its_key_was_hidden() {
        let (sealer, _) = MemorySealer::new().expect("random");
        let sealed = sealer.seal(b"before");
        // Refused or not: the key is the same.
        let refused = sealer.hide(Some(true)).is_some();
        assert_eq!(&*sealer.open(&sealed), b"before");
        assert_eq!(sealer.report().1.contains("hidden from root too"), !refused);
        assert_eq!(&*sealer.open(&sealer.seal(b"after")), b"after");
    }

    #[test]
    #[should_panic = "what was sealed in memory"]
    fn memory_that_was_changed_does_not_open() {
        let (sealer, _) = MemorySealer::new().expect("random");
        let mut sealed = sealer.seal(b"a token");
        sealed[COUNTER] ^= 1;
        sealer.open(&sealed);
    }
}

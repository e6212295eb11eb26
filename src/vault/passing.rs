//! What an owner knows of its vault, handed to the agent that succeeds it: the key, and what is in memory alone.
//!
//! The lock goes along as the same open file, so that it is never free in between. Only the owner writes: from before the
//! owner tells what it knows until the other one goes on it does not, nor does the successor until it owns the vault. The
//! disk itself refuses, see [`super::disk::Writers`]: whatever anybody began before.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, Writers};
use super::error::VaultError;
use super::header::Header;
use super::ledger::Entry;
use super::ownership::Ownership;
use super::seal::Key;
use super::state::Elsewhere;
use super::{OpenOptions, RecordId, Shared, Vault, hold};
use crate::secret::{self, Secret};

/// What is handed over. The rest is on the disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct Passed {
    /// Base64 of the vault's key, if it is open.
    #[serde(serialize_with = "secret::exposed_option", default)]
    key: Option<Secret>,
    #[serde(default)]
    opened_by: Option<String>,
    /// A vault without a disk, whole.
    #[serde(default)]
    memory: Option<Memory>,
    /// What is known of each record, as the ledger has it, so that none goes back unseen meanwhile.
    #[serde(default)]
    newest: HashMap<String, Entry>,
    /// A successor is no way to guess faster.
    #[serde(default)]
    wrong_passphrases: u32,
    #[serde(default)]
    next_try: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    header: Header,
    /// Base64 of the sealed records, by name.
    records: HashMap<String, String>,
}

const ODD: VaultError = VaultError::Internal("what was handed over does not open the vault");

/// Nobody writes here. Dropped, this one is the owner as before.
#[derive(Debug)]
pub struct Handing {
    vault: Vault,
    for_good: bool,
}

impl Handing {
    /// The successor is the owner: whose it is to remove the owner's file, and to write anything else.
    pub fn for_good(mut self) {
        self.for_good = true;
        self.vault.shared.ownership.passed_on.store(true, Ordering::Relaxed);
    }
}

impl Drop for Handing {
    fn drop(&mut self) {
        if !self.for_good {
            self.vault.shared.disk.writers.open();
        }
    }
}

impl Vault {
    /// Begins to hand over: nothing is written from here on. Waits so long for whatever is being written.
    pub fn begin_handing(&self, limit: Duration) -> Result<Handing, VaultError> {
        if !self.shared.disk.writers.close(limit) {
            return Err(VaultError::Storage("the disk does not answer".to_owned()));
        }
        Ok(Handing { vault: self.clone(), for_good: false })
    }

    /// Is the owner, after [`Vault::take_over`].
    pub fn own(&self) {
        self.shared.disk.writers.open();
    }

    /// What a successor needs, and the lock.
    pub fn pass_on(&self) -> Result<(Passed, File), VaultError> {
        let _admin = hold(&self.shared.admin);
        let _writes = hold(&self.shared.writes);
        let newest = hold(&self.shared.ledger).newest().map(|(id, entry)| (id.as_str().to_owned(), *entry)).collect();
        let inner = self.inner();
        if !inner.arrived.is_empty() {
            let why = "the disk has not taken a login's newest state yet".to_owned();
            return Err(VaultError::Storage(why));
        }
        let memory = inner.memory.as_ref().and_then(|records| {
            let records = records.iter().map(|(id, file)| (id.as_str().to_owned(), STANDARD.encode(file))).collect();
            Some(Memory { header: inner.header.clone()?, records })
        });
        let passed = Passed {
            key: inner.keys.as_ref().map(|keys| Secret::from(STANDARD.encode(*keys.current.expose()))),
            opened_by: inner.opened_by.clone(),
            memory,
            newest,
            wrong_passphrases: inner.wrong_passphrases,
            next_try: inner.next_try,
        };
        Ok((passed, self.shared.ownership.duplicate_lock()?))
    }

    /// Becomes the owner that another one hands over to, which it is from [`Vault::own`] on.
    pub fn take_over(options: OpenOptions, passed: Passed, lock: File) -> Result<Self, VaultError> {
        let disk = Disk { faults: options.faults.clone(), writers: Arc::new(Writers::closed()) };
        let ownership = Ownership::inherit(&options, lock)?;
        let vault = Self { shared: Arc::new(Shared::new(options, disk, ownership)) };
        *vault.inner() = vault.read_header();
        vault.take_in(passed)?;
        Ok(vault)
    }

    fn take_in(&self, passed: Passed) -> Result<(), VaultError> {
        let Passed { key, opened_by, memory, newest, wrong_passphrases, next_try } = passed;
        let mut inner = self.inner();
        if let Some(Memory { header, records }) = memory {
            let decoded =
                records.into_iter().map(|(id, file)| Some((RecordId::named(&id), STANDARD.decode(file).ok()?)));
            inner.memory = Some(decoded.collect::<Option<_>>().ok_or(ODD)?);
            inner.header = Some(header);
        }
        (inner.wrong_passphrases, inner.next_try) = (wrong_passphrases, next_try);
        let Some(key) = key else { return Ok(()) };
        let key =
            STANDARD.decode(key.expose().as_bytes()).ok().and_then(|key| Key::from_slice(&key).ok()).ok_or(ODD)?;
        let keys = inner.header.as_ref().ok_or(ODD)?.open(key).map_err(|_| ODD)?;
        if inner.memory.is_none() {
            let vault = inner.vault_id()?;
            if self.open_ledger(&keys, &vault) && inner.elsewhere.is_none() {
                inner.elsewhere = Some(Elsewhere::Restored);
            }
            let mut ledger = hold(&self.shared.ledger);
            newest.into_iter().for_each(|(id, entry)| ledger.learn(RecordId::named(&id), entry));
        }
        inner.keys = Some(Arc::new(keys));
        inner.opened_by = opened_by;
        inner.trouble = None;
        // Its owner finished them, and nothing was begun since.
        inner.arrivals_finished = true;
        Ok(())
    }
}

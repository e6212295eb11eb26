//! Keeping what changed: in the vault first, then in memory, and only then answered.
//!
//! One write at a time for each record. A disk that refuses for five seconds does not make callers go without: they
//! are served what is in memory, told so, and the disk is asked again until it takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::tokens::gone;
use super::{Agent, blocking};
use crate::ipc::message::Error;
use crate::vault::record::Record;
use crate::vault::{Prepared, Vault, VaultError};

/// How long callers wait for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pauses between attempts: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of an exchange's outcome.
pub(super) enum Kept<T> {
    /// It is in memory, and on the disk as soon as that takes it.
    Here(T),
    /// The vault was locked meanwhile: it is on the disk alone.
    Sealed,
    /// The account was logged out, or in anew, meanwhile: it belongs to nobody.
    Nobodys,
}

impl Agent {
    /// Writes an answer down before anything else is waited for: other writes, this record's turn, a disk that is slow.
    pub(super) async fn arrive(&self, mut prepared: Prepared, mut record: Record) -> Result<Prepared, Error> {
        if let Some(account) = self.table().get(record.incarnation) {
            record.used_at = account.used_at();
        }
        let written = self.with_vault(move |_| {
            if let Err(error) = prepared.arrive(&record) {
                // Keeping it says so, if that fails too.
                debug!(account = %record.account, "not written ahead: {error}");
            }
            Ok(prepared)
        });
        written.await
    }

    /// Keeps the outcome of an exchange that began with the login `asked`.
    pub(super) async fn keep<T>(
        self: &Arc<Self>,
        asked: &Record,
        prepared: Prepared,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Kept<T> {
        let incarnation = asked.incarnation;
        let write = self.table().get(incarnation).map(|account| Arc::clone(&account.write));
        let Some(write) = write else { return self.keep_sealed(asked, prepared, change).await };
        let _turn = write.lock_owned().await;
        let found = self
            .table()
            .get(incarnation)
            .map(|account| (account.stored.clone(), Arc::clone(&account.record), account.used_at()));
        let Some(((id, version), before, used_at)) = found else {
            return self.keep_sealed(asked, prepared, change).await;
        };
        let mut record = before.duplicate();
        let result = change(&mut record);
        record.used_at = used_at;
        let record = Arc::new(record);
        let writing = Arc::clone(&record);
        let mut prepared = prepared;
        let commit = move |vault: &Vault| {
            // A rename meanwhile has made another version: then what was prepared is for a record that is gone.
            let written = prepared.commit(&writing).or_else(|_| vault.replace(&id, version, &writing));
            if written.is_err() {
                prepared.leave();
            }
            written
        };
        let written = self.with_vault(commit).await;
        let written = match written {
            Ok(version) => Some(version),
            Err(error) => self.insist(incarnation, &record, error).await,
        };
        self.install(incarnation, record, written);
        Kept::Here(result)
    }

    /// The account is not in memory any more. If the vault was locked, its record still has the version that was
    /// prepared for, and the answer is kept with the key in hand; if it was logged out or in anew, it hasn't.
    async fn keep_sealed<T>(
        &self,
        asked: &Record,
        prepared: Prepared,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Kept<T> {
        let mut record = asked.duplicate();
        change(&mut record);
        let mut prepared = prepared;
        let commit = move || {
            let written = prepared.commit(&record);
            if !matches!(written, Ok(_) | Err(VaultError::Stale)) {
                prepared.leave();
            }
            written
        };
        match blocking(commit).await {
            Ok(Err(VaultError::Stale)) => Kept::Nobodys,
            Ok(Ok(_)) => Kept::Sealed,
            Ok(Err(error)) => {
                warn!(account = %asked.account, "the vault was closed and could not be written: {error}");
                Kept::Sealed
            }
            Err(_) => Kept::Sealed,
        }
    }

    /// Changes a record at a person's word (rename, default): kept, or an error and nothing changed.
    pub(super) async fn change(
        self: &Arc<Self>,
        incarnation: u64,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), Error> {
        let write = self.table().get(incarnation).map(|account| Arc::clone(&account.write)).ok_or_else(gone)?;
        let _turn = write.lock_owned().await;
        let ((id, version), before, used_at) = {
            let table = self.table();
            let account = table.get(incarnation).ok_or_else(gone)?;
            (account.stored.clone(), Arc::clone(&account.record), account.used_at())
        };
        let mut record = before.duplicate();
        change(&mut record);
        record.used_at = used_at;
        let record = Arc::new(record);
        let writing = Arc::clone(&record);
        let version = self.with_vault(move |vault| vault.replace(&id, version, &writing)).await?;
        self.install(incarnation, record, Some(version));
        Ok(())
    }

    /// Asks the disk again for as long as callers wait.
    async fn insist(self: &Arc<Self>, incarnation: u64, record: &Arc<Record>, first: Error) -> Option<u64> {
        let end = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        warn!(account = %record.account, "the vault could not be written, trying again: {first}");
        while Instant::now() + pause < end {
            tokio::time::sleep(pause).await;
            pause *= 2;
            let (id, version) = self.table().get(incarnation)?.stored.clone();
            let writing = Arc::clone(record);
            if let Ok(version) = self.with_vault(move |vault| vault.replace(&id, version, &writing)).await {
                return Some(version);
            }
        }
        if self.table().get(incarnation).is_some_and(|account| account.persisted) {
            tokio::spawn(Arc::clone(self).persist_later(incarnation));
        }
        None
    }

    /// One more try for everything that the disk has refused so far: what is in memory alone is about to be forgotten.
    pub(super) async fn persist_all(self: &Arc<Self>) -> Result<(), Error> {
        let waiting: Vec<u64> = {
            let table = self.table();
            table.iter().filter(|account| !account.persisted).map(|account| account.record.incarnation).collect()
        };
        for incarnation in waiting {
            self.change(incarnation, |_| {}).await?;
        }
        Ok(())
    }

    /// Goes on trying until the record in memory is on the disk, or its account is gone.
    async fn persist_later(self: Arc<Self>, incarnation: u64) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let state = self.table().get(incarnation).map(|account| account.persisted);
            match state {
                Some(false) => {}
                _ => return,
            }
            if self.change(incarnation, |_| {}).await.is_ok() {
                return;
            }
        }
    }

    fn install(&self, incarnation: u64, record: Arc<Record>, written: Option<u64>) {
        let mut table = self.table();
        if let Some(account) = table.get_mut(incarnation) {
            account.persisted = written.is_some();
            account.stored.1 = written.unwrap_or(account.stored.1);
        }
        table.replace_record(incarnation, record);
    }
}

//! Keeping what changed: in the vault first, then in memory, and only then answered.
//!
//! One write at a time for each record. A disk that refuses for five seconds does not make callers go without: they
//! are served what is in memory, told so, and the disk is asked again until it takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::tokens::gone;
use super::{Agent, blocking};
use crate::ipc::message::account::Problem;
use crate::ipc::message::{Error, ErrorKind};
use crate::vault::record::Record;
use crate::vault::{Prepared, RecordId, Vault, VaultError};

/// How long callers wait for the disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pauses between attempts: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long the end of the agent, or a lock, waits for it.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// What is being written, and all that it takes.
struct Writing {
    record: Arc<Record>,
    prepared: Prepared,
    /// The record's name and version, as the table had it.
    stored: (RecordId, u64),
}

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
        let turn = write.lock_owned().await;
        let found = self
            .table()
            .get(incarnation)
            .map(|account| (account.stored.clone(), Arc::clone(&account.record), account.used_at()));
        let Some((stored, before, used_at)) = found else {
            return self.keep_sealed(asked, prepared, change).await;
        };
        let mut record = before.duplicate();
        let result = change(&mut record);
        record.used_at = used_at;
        let record = Arc::new(record);
        // A disk that hangs holds up the write, not whoever waits for the answer.
        let writing = Writing { record: Arc::clone(&record), prepared, stored };
        let mut writing = tokio::spawn(Arc::clone(self).write(writing, turn));
        if tokio::time::timeout(PATIENCE, &mut writing).await.is_err() && !writing.is_finished() {
            self.install(incarnation, Arc::clone(&record), None);
            self.note_unwritten(&record, "the disk does not answer");
        }
        Kept::Here(result)
    }

    /// Writes until the disk takes it. The record is in memory at the latest when callers have waited long enough.
    async fn write(self: Arc<Self>, mut writing: Writing, turn: tokio::sync::OwnedMutexGuard<()>) {
        let incarnation = writing.record.incarnation;
        let end = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let (back, written) = self.attempt(writing).await;
            let Some(back) = back else { return };
            writing = back;
            match written {
                Ok(version) => return self.install(incarnation, writing.record, Some(version)),
                Err(error) => self.note_unwritten(&writing.record, &error.message),
            }
            if Instant::now() + pause >= end {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.install(incarnation, Arc::clone(&writing.record), None);
        drop(turn);
        self.persist_later(writing).await;
    }

    /// One try; `None` only if that panicked.
    async fn attempt(&self, mut writing: Writing) -> (Option<Writing>, Result<u64, Error>) {
        let attempt = move |vault: &Vault| {
            let (id, version) = &writing.stored;
            let written = match writing.prepared.commit(&writing.record) {
                // A rename meanwhile has made another version: what was prepared is for one that is gone.
                Err(VaultError::Stale) => vault.replace(id, *version, &writing.record),
                written => written,
            };
            writing.prepared.spare(written.is_err());
            Ok((writing, written))
        };
        match self.with_vault(attempt).await {
            Ok((writing, written)) => (Some(writing), written.map_err(Error::from)),
            Err(error) => (None, Err(error)),
        }
    }

    /// The account is not in memory any more. If the vault was locked, its record still has the version that was
    /// prepared for, and the answer is kept with the key in hand; if it was logged out or in anew, it hasn't.
    async fn keep_sealed<T>(
        self: &Arc<Self>,
        asked: &Record,
        mut prepared: Prepared,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Kept<T> {
        let mut record = asked.duplicate();
        change(&mut record);
        let record = Arc::new(record);
        let sealing = Arc::clone(&record);
        let sealed = blocking(move || {
            let mut written = prepared.commit(&sealing);
            let refused = !matches!(written, Ok(_) | Err(VaultError::Stale));
            prepared.spare(refused);
            // Whoever unlocks before the disk takes it must not find the token that was redeemed.
            if refused && let Err(error) = prepared.hold(&sealing) {
                written = Err(error);
            }
            (prepared, written)
        });
        match sealed.await {
            Ok((_, Err(VaultError::Stale))) => Kept::Nobodys,
            Ok((prepared, Err(error))) => {
                warn!(account = %asked.account, "the vault was closed and could not be written, trying again: {error}");
                let stored = prepared.stored();
                tokio::spawn(Arc::clone(self).persist_later(Writing { record, prepared, stored }));
                Kept::Sealed
            }
            Ok((_, Ok(_))) | Err(_) => Kept::Sealed,
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

    /// One more try for everything that the disk has refused so far, or that somebody changed on it: what is in memory
    /// alone is about to be forgotten.
    pub(super) async fn persist_all(self: &Arc<Self>) -> Result<(), Error> {
        let all = async {
            let all: Vec<u64> = self.table().all().map(|account| account.record.incarnation).collect();
            self.mend(&all).await;
            let mut result = Ok(());
            for incarnation in self.unpersisted() {
                result = result.and(self.change(incarnation, |_| {}).await);
            }
            // It is counted the next time if it can't be now.
            let _ = self.with_vault(|vault| vault.settle()).await;
            result
        };
        let hangs = || Err(Error::new(ErrorKind::StorageFailed, "the disk does not answer"));
        tokio::time::timeout(LAST_PATIENCE, all).await.unwrap_or_else(|_| hangs())
    }

    fn unpersisted(&self) -> Vec<u64> {
        let table = self.table();
        table.all().filter(|account| !account.persisted).map(|account| account.record.incarnation).collect()
    }

    /// Goes on trying until the newest record is on the disk, or its account is gone. One whose vault was locked meanwhile
    /// is kept with the key in hand.
    async fn persist_later(self: Arc<Self>, mut writing: Writing) {
        let incarnation = writing.record.incarnation;
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let state = self.table().get(incarnation).map(|account| account.persisted);
            let written = match state {
                // Unlocked since: what is in memory is this answer, and perhaps not on the disk.
                Some(true) if writing.prepared.is_held() => {
                    self.mend(&[incarnation]).await;
                    Err(ErrorKind::StorageFailed)
                }
                Some(true) => return,
                Some(false) => self.change(incarnation, |_| {}).await.map_err(|error| error.kind()),
                None => {
                    let (back, written) = self.attempt(writing).await;
                    let Some(back) = back else { return };
                    writing = back;
                    written.map(drop).map_err(|error| error.kind())
                }
            };
            if !matches!(written, Err(ErrorKind::StorageFailed | ErrorKind::VaultLocked)) {
                return;
            }
        }
    }

    fn note_unwritten(&self, record: &Record, why: &str) {
        let mut table = self.table();
        let Some(account) = table.get_mut(record.incarnation).filter(|account| account.unwritten.is_none()) else {
            return;
        };
        let message = format!(
            "{}: its newest state is kept in memory alone and is written again and again: {why}",
            record.account
        );
        warn!("{message}");
        let (kind, since) = (ErrorKind::StorageFailed, self.clock.now());
        account.unwritten = Some(Problem { kind, message, since, retry_at: None });
    }

    pub(super) fn install(self: &Arc<Self>, incarnation: u64, record: Arc<Record>, written: Option<u64>) {
        let mut table = self.table();
        if let Some(account) = table.get_mut(incarnation) {
            account.persisted = written.is_some();
            account.unwritten.take_if(|_| written.is_some());
            account.stored.1 = written.unwrap_or(account.stored.1);
        }
        table.replace_record(incarnation, record);
        drop(table);
        if written.is_some() {
            self.settle_soon();
        }
    }
}

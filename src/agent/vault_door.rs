//! The vault from the agent's side: opening it when somebody needs it, loading what is in it, locking it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use super::accounts::Account;
use super::audit::Asking;
use super::gate::Closed;
use super::passwords::Kept;
use super::{Agent, schedule, to_the_end};
use crate::ipc::message::event::Change;
use crate::ipc::message::vault::{
    AddSlot, LOCK_PATIENCE, RemoveSlot, SlotReport, Unlock, VaultReport, VaultState, WasReset,
};
use crate::ipc::message::{Done, Error, ErrorKind};
use crate::vault::record::RecordKind;
use crate::vault::{Barred, Stored, Vault};

pub(super) const LOCKED: &str = "the vault is locked: run `cred-helper unlock`";

impl Agent {
    /// Passes if the vault is open, or opens by itself; the error says what a person has to do.
    pub(super) async fn ensure_open(self: &Arc<Self>) -> Result<(), Error> {
        if self.is_open() {
            return self.gate.not_locked();
        }
        let (agent, before) = (Arc::clone(self), self.tries.load(Ordering::Relaxed));
        to_the_end(async move { agent.open(before).await }).await
    }

    /// One try at a time. Whoever waited while another one failed shares its failure: a keyring that hangs would
    /// otherwise hold up each of them in turn.
    async fn open(self: &Arc<Self>, tries_before: u64) -> Result<(), Error> {
        let mut failure = self.opening.lock().await;
        if self.is_open() {
            return Ok(());
        }
        if let Some(error) = failure.as_ref().filter(|_| self.tries.load(Ordering::Relaxed) != tries_before) {
            return Err(error.clone());
        }
        let opened = match self.with_vault(|vault| vault.unlock_at_start()).await {
            Ok(()) => self.load().await,
            Err(error) => Err(error),
        };
        self.tries.fetch_add(1, Ordering::Relaxed);
        *failure = opened.as_ref().err().cloned();
        opened
    }

    /// Open, and what is in it is in memory.
    pub(super) fn is_open(&self) -> bool {
        match self.vault.state() {
            // A vault that isn't there is open: nothing is in it.
            VaultState::Absent => true,
            // One from elsewhere can be looked at: what is in it is barred.
            VaultState::Unlocked | VaultState::Copied | VaultState::Restored => self.table().loaded,
            _ => false,
        }
    }

    /// The storage is probed before a login starts: it would be a pity afterwards. A login is a way out for a vault that came
    /// from elsewhere.
    pub(super) async fn ensure_ready(self: &Arc<Self>, interactive: bool) -> Result<(), Error> {
        match self.ensure_open().await {
            Err(error) if error.kind() != ErrorKind::VaultCopied => return Err(error),
            _ => {}
        }
        self.with_vault(move |vault| vault.ensure_ready(interactive)).await?;
        self.ensure_open().await
    }

    /// Takes the vault's records into memory.
    pub(super) async fn load(self: &Arc<Self>) -> Result<(), Error> {
        if !matches!(self.vault.state(), VaultState::Unlocked | VaultState::Copied | VaultState::Restored) {
            return Ok(());
        }
        let loaded = self.with_vault(|vault| vault.load()).await?;
        for line in &loaded.trouble {
            warn!("{line}");
        }
        let mut stored = loaded.records;
        // Of two logins of one name the newer counts.
        stored.sort_by_key(|stored| stored.record.signed_in_at);
        let (now, spread) = (self.clock.moment(), schedule::spread(stored.len()));
        let mut accounts = 0;
        for Stored { id, version, record, unanswered, barred } in stored {
            if record.kind == RecordKind::Password {
                if let Some(kept) = Kept::of((id, version), record) {
                    self.table().passwords.insert(kept);
                }
                continue;
            }
            accounts += 1;
            if self.table().get(record.incarnation).is_some() {
                // What is in memory may be newer than what the disk has taken so far.
                continue;
            }
            let provider = self.provider_of(&record);
            let mut account = Account::new((id, version), record, provider);
            account.barred = barred;
            account.answer_lost = unanswered.is_some() && barred.is_none();
            self.plan_within(&account, now, spread);
            if account.answer_lost && account.record.dead.is_none() {
                // The sooner the token is sent again, the likelier its server still takes it.
                self.schedule.retry(account.record.incarnation, self.clock.boot());
            }
            if let Some(older) = self.table().insert(account) {
                warn!(account = %older.record.account, "there are two records of that name; the newer one is used");
                self.schedule.forget(older.record.incarnation);
            }
        }
        self.table().loaded = true;
        let with_keys: Vec<_> = self.table().keys.keys().cloned().collect();
        with_keys.iter().for_each(|name| self.note_source(name));
        self.touch();
        self.schedule.look_anew();
        info!(accounts, "the vault is open");
        self.announce(Change::Vault { state: self.vault.state() });
        self.settle_soon();
        self.tell();
        Ok(())
    }

    pub(super) async fn unlock(self: &Arc<Self>, unlock: Unlock) -> Result<Done, Error> {
        let _turn = self.opening.lock().await;
        if self.is_open() && self.vault.state() != VaultState::Absent {
            return Ok(Done {});
        }
        self.with_vault(move |vault| vault.unlock(unlock.passphrase.as_ref(), unlock.interactive)).await?;
        self.gate.open(Closed::Locked);
        self.load().await?;
        Ok(Done {})
    }

    /// Seals at once after the exchanges under way are safe. Whoever waits for one of them, or asks from here on, is told.
    pub(super) async fn lock(self: &Arc<Self>) -> Result<Done, Error> {
        self.lock_within(LOCK_PATIENCE).await
    }

    /// Waits that long for the exchanges under way.
    pub(super) async fn lock_within(self: &Arc<Self>, patience: Duration) -> Result<Done, Error> {
        let _turn = self.opening.lock().await;
        if self.vault.state() == VaultState::Absent {
            return Err(Error::new(ErrorKind::NoKeySlot, "there is no vault to lock yet: the first login makes it"));
        }
        self.gate.close(Closed::Locked, patience).await;
        if let Err(error) = self.persist_all().await {
            self.gate.open(Closed::Locked);
            let message = format!("not locked, because a login's newest state would be lost: {}", error.message);
            return Err(Error::new(error.kind(), message));
        }
        self.logins.cancel_all();
        let locked = self.with_vault(|vault| vault.lock()).await;
        if let (Err(error), VaultState::Unlocked) = (&locked, self.vault.state()) {
            self.gate.open(Closed::Locked);
            return Err(error.clone());
        }
        self.table().clear();
        self.schedule.clear();
        self.rules.forget();
        self.announce(Change::Vault { state: VaultState::Locked });
        locked.map(|()| Done {}).map_err(|error| {
            let message = format!("locked, but not over a restart of the agent: {}", error.message);
            Error::new(error.kind(), message)
        })
    }

    pub(super) async fn vault_report(self: &Arc<Self>) -> Result<VaultReport, Error> {
        // Looking is also a try to open: the report is of what a caller would find.
        let _ = self.ensure_open().await;
        let report = self.with_vault(|vault| Ok(vault.report())).await?;
        Ok(VaultReport { auto_lock: self.auto_lock_report(), ..report })
    }

    pub(super) async fn add_slot(self: &Arc<Self>, add: AddSlot, asking: &Asking) -> Result<SlotReport, Error> {
        asking.detail(format!("{:?}", add.kind).to_lowercase());
        self.ensure_open().await?;
        let adding = move |vault: &Vault| vault.add_slot(add.kind, add.passphrase.as_ref(), add.accept_weaker);
        let slot = self.with_vault(adding).await?;
        // The first slot makes the vault.
        self.ensure_open().await?;
        Ok(slot)
    }

    pub(super) async fn remove_slot(self: &Arc<Self>, remove: RemoveSlot) -> Result<Done, Error> {
        self.ensure_open().await?;
        // Every record is sealed anew, but none changes its version: exchanges under way don't notice.
        self.with_vault(move |vault| vault.remove_slot(&remove.id)).await?;
        Ok(Done {})
    }

    pub(super) async fn adopt(self: &Arc<Self>) -> Result<Done, Error> {
        {
            // Whoever is loading it meanwhile would find it barred.
            let _turn = self.opening.lock().await;
            self.with_vault(|vault| vault.adopt()).await?;
            self.unbar();
        }
        // Adopted it is, even if it takes a passphrase to open it.
        let _ = self.ensure_open().await;
        self.settle_soon();
        Ok(Done {})
    }

    pub(super) async fn reset(self: &Arc<Self>) -> Result<WasReset, Error> {
        let _turn = self.opening.lock().await;
        self.gate.close(Closed::Locked, LOCK_PATIENCE).await;
        self.logins.cancel_all();
        let reset = self.with_vault(|vault| vault.reset()).await;
        self.gate.open(Closed::Locked);
        let moved_to = reset?.display().to_string();
        self.table().clear();
        self.schedule.clear();
        self.announce(Change::Vault { state: VaultState::Absent });
        Ok(WasReset { moved_to })
    }

    /// What came with the vault is taken over: it counts like any other.
    fn unbar(&self) {
        let now = self.clock.moment();
        let mut table = self.table();
        let foreign = table.all().filter(|account| account.barred == Some(Barred::Foreign));
        let foreign: Vec<u64> = foreign.map(|account| account.record.incarnation).collect();
        for incarnation in foreign {
            let Some(account) = table.get_mut(incarnation) else { continue };
            account.barred = None;
            self.plan(account, now);
        }
    }
}

//! The vault from the agent's side: opening it when somebody needs it, loading what is in it, locking it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use super::Agent;
use super::accounts::Account;
use super::gate::Closed;
use crate::ipc::message::event::Change;
use crate::ipc::message::vault::{AddSlot, RemoveSlot, SlotReport, Unlock, VaultReport, VaultState, WasReset};
use crate::ipc::message::{Done, Error, ErrorKind};
use crate::vault::Stored;

pub(super) const LOCKED: &str = "the vault is locked: run `cred-helper unlock`";

/// How long a lock waits for the exchanges under way; one that takes longer still keeps what it gets, sealed.
const PATIENCE: Duration = Duration::from_secs(20);

impl Agent {
    /// Passes if the vault is open, or opens by itself; the error says what a person has to do.
    pub(super) async fn ensure_open(self: &Arc<Self>) -> Result<(), Error> {
        if self.is_open() {
            return Ok(());
        }
        // One at a time: whoever waited finds it open, or tries again.
        let _turn = self.opening.lock().await;
        if self.is_open() {
            return Ok(());
        }
        self.with_vault(|vault| vault.unlock_at_start()).await?;
        self.load().await
    }

    /// Open, and what is in it is in the table: between the two an account would seem to be gone.
    fn is_open(&self) -> bool {
        match self.vault.state() {
            VaultState::Absent => true,
            VaultState::Unlocked => self.loaded.load(Ordering::Acquire),
            _ => false,
        }
    }

    /// The storage is probed before a login starts: it would be a pity afterwards.
    pub(super) async fn ensure_ready(self: &Arc<Self>, interactive: bool) -> Result<(), Error> {
        self.ensure_open().await?;
        self.with_vault(move |vault| vault.ensure_ready(interactive)).await?;
        // A vault that was made just now has to count as loaded before anything is in it.
        self.ensure_open().await
    }

    /// Takes the vault's records into memory.
    async fn load(self: &Arc<Self>) -> Result<(), Error> {
        if self.vault.state() != VaultState::Unlocked {
            return Ok(());
        }
        let loaded = self.with_vault(|vault| vault.load()).await?;
        for file in &loaded.damaged {
            warn!("{file} in the vault is damaged; it was left as it is, see `cred-helper vault status`");
        }
        let mut stored = loaded.records;
        // Of two logins of one name the newer counts.
        stored.sort_by_key(|stored| stored.record.signed_in_at);
        let now = self.clock.now();
        let mut accounts = 0;
        for Stored { id, version, record, unanswered } in stored {
            let provider = self.provider_of(&record);
            let mut account = Account::new((id, version), record, provider);
            account.answer_lost = unanswered.is_some();
            self.schedule.plan(&account, now);
            if account.answer_lost && account.record.dead.is_none() {
                // The sooner the token is sent again, the likelier its server still takes it.
                self.schedule.retry(account.record.incarnation, now);
            }
            self.table().insert(account);
            accounts += 1;
        }
        self.loaded.store(true, Ordering::Release);
        info!(accounts, "the vault is open");
        self.announce(Change::Vault { state: VaultState::Unlocked });
        Ok(())
    }

    pub(super) async fn unlock(self: &Arc<Self>, unlock: Unlock) -> Result<Done, Error> {
        let _turn = self.opening.lock().await;
        if self.is_open() && self.vault.state() != VaultState::Absent {
            return Ok(Done {});
        }
        self.with_vault(move |vault| vault.unlock(unlock.passphrase.as_ref(), unlock.interactive)).await?;
        self.gate.open();
        self.load().await?;
        Ok(Done {})
    }

    /// Seals at once after the exchanges under way are safe.
    pub(super) async fn lock(self: &Arc<Self>) -> Result<Done, Error> {
        let _turn = self.opening.lock().await;
        if self.vault.state() == VaultState::Absent {
            return Err(Error::new(ErrorKind::NoKeySlot, "there is no vault to lock yet: the first login makes it"));
        }
        self.gate.close(Closed::Locked, PATIENCE).await;
        self.logins.cancel_all();
        if let Err(error) = self.with_vault(|vault| vault.lock()).await {
            self.gate.open();
            return Err(error);
        }
        self.empty();
        self.announce(Change::Vault { state: VaultState::Locked });
        Ok(Done {})
    }

    pub(super) async fn vault_report(self: &Arc<Self>) -> Result<VaultReport, Error> {
        // Looking is also a try to open: the report is of what a caller would find.
        let _ = self.ensure_open().await;
        self.with_vault(|vault| Ok(vault.report())).await
    }

    pub(super) async fn add_slot(self: &Arc<Self>, add: AddSlot) -> Result<SlotReport, Error> {
        self.ensure_open().await?;
        let added =
            self.with_vault(move |vault| vault.add_slot(add.kind, add.passphrase.as_ref(), add.accept_weaker)).await?;
        self.ensure_open().await?;
        Ok(added)
    }

    pub(super) async fn remove_slot(self: &Arc<Self>, remove: RemoveSlot) -> Result<Done, Error> {
        self.ensure_open().await?;
        self.with_vault(move |vault| vault.remove_slot(&remove.id)).await?;
        Ok(Done {})
    }

    pub(super) async fn adopt(self: &Arc<Self>) -> Result<Done, Error> {
        self.with_vault(|vault| vault.adopt()).await?;
        self.ensure_open().await?;
        Ok(Done {})
    }

    pub(super) async fn reset(self: &Arc<Self>) -> Result<WasReset, Error> {
        let _turn = self.opening.lock().await;
        self.gate.close(Closed::Locked, PATIENCE).await;
        self.logins.cancel_all();
        let reset = self.with_vault(|vault| vault.reset()).await;
        self.gate.open();
        let moved_to = reset?.display().to_string();
        self.empty();
        self.announce(Change::Vault { state: VaultState::Absent });
        Ok(WasReset { moved_to })
    }

    fn empty(&self) {
        self.loaded.store(false, Ordering::Release);
        self.table().clear();
        self.schedule.clear();
    }
}

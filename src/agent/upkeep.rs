//! What the vault needs besides its writes, behind everybody's back: its ledger settled, and records that somebody changed
//! or took away while the agent runs written anew. What is in memory is the newest there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{debug, warn};

use super::Agent;

/// Writes that come together are settled together.
const SETTLE: Duration = Duration::from_secs(1);

/// What is under way already.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    settling: AtomicBool,
    mending: AtomicBool,
}

impl Agent {
    /// Settles the vault's ledger in a moment.
    pub(super) fn settle_soon(self: &Arc<Self>) {
        if self.upkeep.settling.swap(true, Ordering::Relaxed) {
            return;
        }
        // An agent that ends meanwhile has settled it.
        let agent = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(SETTLE).await;
            let Some(agent) = agent.upgrade() else { return };
            agent.upkeep.settling.store(false, Ordering::Relaxed);
            if let Err(error) = agent.with_vault(|vault| vault.settle()).await {
                debug!("the vault's ledger could not be settled: {error}");
            }
        });
    }

    /// Looks whether what is in memory is still on the disk, without waiting for it.
    pub(super) fn mend_soon(self: &Arc<Self>) {
        if self.upkeep.mending.swap(true, Ordering::Relaxed) {
            return;
        }
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let all: Vec<u64> = agent.table().all().map(|account| account.record.incarnation).collect();
            agent.mend(&all).await;
            agent.upkeep.mending.store(false, Ordering::Relaxed);
        });
    }

    /// Writes those of these logins anew whose records are not what was written. A disk that refuses keeps its copy: what
    /// needs one fails by itself.
    pub(super) async fn mend(self: &Arc<Self>, incarnations: &[u64]) {
        let held: Vec<_> = {
            let table = self.table();
            let accounts = incarnations.iter().filter_map(|incarnation| table.get(*incarnation));
            let accounts = accounts.filter(|account| account.persisted && account.barred.is_none());
            accounts.map(|account| (account.stored.clone(), account.record.incarnation)).collect()
        };
        if let Ok(true) = self.with_vault(|vault| vault.mend_header()).await {
            warn!("the vault's header was changed or taken away by somebody else; it is written anew");
        }
        let looking = held.iter().map(|(stored, _)| stored.clone()).collect();
        let Ok(displaced) = self.with_vault(move |vault| Ok(vault.displaced(looking))).await else { return };
        for ((id, _), incarnation) in held.into_iter().filter(|((id, _), _)| displaced.contains(id)) {
            warn!("the record {id} was changed or taken away by somebody else; it is written anew");
            if let Err(error) = self.change(incarnation, |_| {}).await {
                warn!("the record {id} could not be written anew: {error}");
            }
        }
    }
}

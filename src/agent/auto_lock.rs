//! The vault locks itself: when nobody has used a login for a while, before the machine sleeps, with the screen. All of it
//! off unless the configuration says so.
//!
//! It is the same lock as `cred-helper lock`, and holds until somebody unlocks: one that opened again at the next
//! request, or with the next agent, would be none. Idle time is the boot clock's, so that a sleep counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use super::Agent;
use crate::ipc::message::vault::{AutoLock, VaultState};

/// How long a lock after idle time waits for exchanges under way: a refresh that nobody waits for may be among them.
const PATIENCE: Duration = Duration::from_secs(20);

impl Agent {
    /// Somebody uses a login: the idle time begins anew.
    pub(super) fn touch(&self) {
        self.last_use.store(self.clock.boot().as_secs(), Ordering::Relaxed);
    }

    /// When (on the boot clock) an open vault is locked if nobody uses it until then.
    pub(super) fn idle_lock_at(&self) -> Option<Duration> {
        let idle = self.config.auto_lock.after_idle?;
        let open = self.vault.state() == VaultState::Unlocked;
        open.then(|| Duration::from_secs(self.last_use.load(Ordering::Relaxed)) + idle)
    }

    /// Locks the vault if its idle time is over. Whoever comes first looks: the alarm, or a request after a sleep.
    pub(super) async fn lock_if_idle(self: &Arc<Self>) {
        let over = self.idle_lock_at().is_some_and(|at| at <= self.clock.boot());
        if over && !self.lock_by_itself("nobody has used it for a while", PATIENCE).await {
            // Another idle time until the next try.
            self.touch();
        }
    }

    /// Locks it if it is open; whether that has worked.
    pub(super) async fn lock_by_itself(self: &Arc<Self>, why: &str, patience: Duration) -> bool {
        if self.vault.state() != VaultState::Unlocked {
            return true;
        }
        match self.lock_within(patience).await {
            Ok(_) => info!("the vault is locked: {why}"),
            Err(error) => {
                warn!("the vault should be locked ({why}) and was not: {error}");
                return false;
            }
        }
        true
    }

    /// When the vault locks itself, for people; `None`: never.
    pub(super) fn auto_lock_report(&self) -> Option<AutoLock> {
        let auto = &self.config.auto_lock;
        let report = AutoLock {
            after_idle: auto.after_idle.map(|idle| idle.as_secs()),
            on_suspend: auto.on_suspend,
            on_screen_lock: auto.on_screen_lock,
        };
        (report != AutoLock::default()).then_some(report)
    }

    /// What the configuration wishes and this system can't do.
    pub(super) fn auto_lock_trouble(&self) -> Option<String> {
        let auto = &self.config.auto_lock;
        let why = self.deaf.why().filter(|_| auto.on_suspend || auto.on_screen_lock)?;
        Some(format!("the vault is not locked on suspend or with the screen, because neither is heard of here: {why}"))
    }
}

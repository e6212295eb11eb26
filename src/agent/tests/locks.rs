//! The vault that locks itself.

use super::*;
use crate::ipc::message::account::ListAccounts;
use crate::ipc::message::vault::{Unlock, VaultState};
use crate::ipc::message::{Method, token::RefreshToken};
use crate::ipc::server::{Call, Notifier, Peer, Service};

const IDLE: Duration = Duration::from_secs(1800);

impl World {
    async fn that_locks_itself() -> Self {
        let config = Config::parse("[vault]\nlock_after_idle = '30m'\n", "config.toml").unwrap();
        let world = Self::configured(config, Options::default()).await;
        world.log_in("one").await.unwrap();
        world
    }

    /// As it comes over the wire.
    async fn call<M: Method>(&self, method: M) -> Result<(), ErrorKind> {
        let params = Secret::from(serde_json::to_string(&method).unwrap());
        let (notifier, peer) = (Notifier::to_nobody(), Peer::new(None, None));
        let call = Call { method: M::NAME.to_owned(), params, peer, notifier };
        Arc::clone(&self.agent).call(call).await.map(drop).map_err(|error| error.kind())
    }

    async fn use_it(&self) -> Result<(), ErrorKind> {
        self.call(GetToken { account: Some(self.name("one")), ..GetToken::default() }).await
    }
}

#[tokio::test]
async fn a_vault_that_nobody_uses_is_locked_until_somebody_unlocks_it() {
    let mut world = World::that_locks_itself().await;
    for _ in 0..3 {
        world.clock.pass(IDLE - Duration::from_secs(5));
        world.agent.lock_if_idle().await;
        assert_eq!(world.use_it().await, Ok(()));
    }
    world.clock.pass(IDLE / 2);
    assert_eq!(world.call(ListAccounts {}).await, Ok(()), "looking is no use");
    world.clock.pass(IDLE / 2);
    world.agent.lock_if_idle().await;
    assert_eq!(world.agent.vault.state(), VaultState::Locked);
    assert_eq!(world.agent.idle_lock_at(), None, "and nothing wakes the agent for it");
    world.restart().await;
    assert_eq!(world.use_it().await, Err(ErrorKind::VaultLocked));
    world.agent.unlock(Unlock::default()).await.unwrap();
    assert_eq!(world.use_it().await, Ok(()));
}

#[tokio::test]
async fn the_first_request_after_a_long_sleep_finds_the_vault_locked() {
    let world = World::that_locks_itself().await;
    world.clock.pass(8 * HOUR);
    assert_eq!(world.use_it().await, Err(ErrorKind::VaultLocked));
    let refresh = RefreshToken { account: Some(world.name("one")) };
    assert_eq!(world.call(refresh).await, Err(ErrorKind::VaultLocked));
    assert_eq!(world.refreshes(), 0);
    world.clock.set(-DAY);
    world.agent.unlock(Unlock::default()).await.unwrap();
    world.clock.set(2 * DAY);
    assert_eq!(world.use_it().await, Ok(()), "setting the clock is no idle time");
}

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn a_lock_that_the_disk_refuses_to_note_closes_all_the_same() {
    let world = World::that_locks_itself().await;
    world.faults.refuse(true);
    world.clock.pass(IDLE);
    world.agent.lock_if_idle().await;
    assert_eq!(world.agent.vault.state(), VaultState::Locked);
    assert_eq!(world.use_it().await, Err(ErrorKind::VaultLocked));
    world.agent.unlock(Unlock::default()).await.unwrap();
    assert_eq!(world.use_it().await, Ok(()), "opening it takes no disk either");
}

#[tokio::test]
async fn whoever_waits_for_a_persons_yes_is_told_of_a_lock_at_once() {
    // It never says anything that counts.
    let program = if cfg!(windows) { r"C:\windows\system32\cmd.exe" } else { "/bin/cat" };
    let config = format!("pinentry = '{program}'\n[accounts.'*']\nconfirm = true\n");
    let config = Config::parse(&config, "config.toml").unwrap();
    let world = World::configured(config, Options::default()).await;
    world.log_in("one").await.unwrap();
    let (asked, locked) = tokio::join!(world.use_it(), world.agent.lock());
    assert_eq!((asked, locked.is_ok()), (Err(ErrorKind::VaultLocked), true));
}

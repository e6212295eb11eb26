//! Callers who hang up: what they began is either done or never was.

use super::*;
use crate::demo::server::Behaviour;
use crate::ipc::message::vault::{Unlock, VaultState};
use crate::ipc::server::{Call, Notifier, Peer, Service};

impl World {
    /// Calls a method as a connection does, and hangs up at once.
    async fn hang_up(&self, method: &str, params: serde_json::Value) {
        let peer = Peer::new(None, None);
        let params = Secret::from(params.to_string());
        let call = Call { method: method.to_owned(), params, peer, notifier: Notifier::to_nobody() };
        let answer = tokio::time::timeout(Duration::ZERO, Arc::clone(&self.agent).call(call)).await;
        assert!(answer.is_err(), "there was nothing to hang up on");
    }
}

async fn told(events: &mut broadcast::Receiver<Event>, expected: Change) {
    let told = async { while events.recv().await.unwrap().change != expected {} };
    tokio::time::timeout(Duration::from_secs(15), told).await.expect("nothing of that kind happened");
}

#[tokio::test]
async fn whoever_hangs_up_while_the_vault_opens_leaves_it_whole() {
    let mut world = World::signed_in().await;
    world.restart().await;
    assert!(tokio::time::timeout(Duration::ZERO, world.get("one")).await.is_err());
    // Queued behind what the caller began: once this has run, the vault is open.
    world.agent.with_vault(|vault| vault.unlock_at_start()).await.unwrap();
    assert_eq!(world.get("one").await.map(|token| token.account), Ok(world.name("one")));
}

#[tokio::test]
async fn whoever_hangs_up_on_a_lock_has_locked() {
    let world = World::signed_in().await;
    world.server.set_behaviour(Behaviour::DelayAnswer(Duration::from_millis(300)), 1);
    let flight = world.agent.renew(world.incarnation("one"), accounts::Variant::default());
    world.server.until(|log| log.iter().any(|entry| entry.is_grant("refresh_token"))).await;
    let mut events = world.agent.events.subscribe();
    world.hang_up("vault.lock", serde_json::json!({})).await;
    told(&mut events, Change::Vault { state: VaultState::Locked }).await;
    drop(flight);
    world.agent.unlock(Unlock::default()).await.unwrap();
    world.clock.pass(2 * HOUR);
    assert!(world.get("one").await.is_ok() && world.none_lost());
}

#[tokio::test]
async fn whoever_hangs_up_on_a_rename_has_renamed() {
    let world = World::signed_in().await;
    let mut events = world.agent.events.subscribe();
    let (account, to) = (world.name("one"), world.name("two"));
    world.hang_up("account.rename", serde_json::json!({ "account": account, "to": "two" })).await;
    told(&mut events, Change::Renamed { account, to }).await;
    world.clock.pass(2 * HOUR);
    assert!(world.get("two").await.unwrap().persisted, "the login goes on under its new name");
}

#[tokio::test]
async fn an_adopted_vault_is_open() {
    let mut world = World::signed_in().await;
    std::fs::remove_file(world.directory.path().join("state/install-id")).unwrap();
    world.restart().await;
    assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::VaultCopied);
    world.agent.adopt().await.unwrap();
    assert!(world.get("one").await.is_ok());
}

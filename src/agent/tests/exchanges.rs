//! Exchanges that fail, come late or are interrupted: what callers get meanwhile, and what the server is spared.

use serde_json::json;

use super::super::accounts::Variant;
use super::*;
use crate::demo::server::{Behaviour, Endpoint, RotationMode};
use crate::ipc::message::account::RenameAccount;
use crate::ipc::message::token::{RefreshToken, RejectToken};
use crate::ipc::message::vault::Unlock;

fn error(code: &str) -> Behaviour {
    Behaviour::Error(400, json!({ "error": code }))
}

/// A server that thinks before it answers.
fn slow() -> Options {
    Options { token_delay: Duration::from_millis(300), ..Options::default() }
}

impl World {
    /// A refresh that has reached the server and is not answered yet.
    async fn refreshing(&self) -> tokio::task::JoinHandle<Result<Token, Error>> {
        self.clock.pass(2 * HOUR);
        let get = GetToken { account: Some(self.name("one")), ..GetToken::default() };
        let agent = Arc::clone(&self.agent);
        let waiting = tokio::spawn(async move { agent.get_token(get, &Asking::nobodys()).await });
        self.server.until(|log| log.iter().any(|entry| entry.is_grant("refresh_token"))).await;
        waiting
    }
}

#[tokio::test]
async fn a_lock_that_does_not_wait_any_longer_keeps_the_answer_that_comes_afterwards() {
    let world = World::new(slow()).await;
    world.log_in("one").await.unwrap();
    let waiting = world.refreshing().await;
    world.agent.lock_within(Duration::ZERO).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::VaultLocked);
    world.agent.unlock(Unlock::default()).await.unwrap();
    assert!(world.server.is_live(&world.get("one").await.unwrap().token.expose()));
    assert_eq!(world.server.count(Endpoint::Revocation), 0);
    assert_eq!(world.refreshes(), 1, "what came was kept");
}

#[tokio::test]
async fn an_answer_that_the_disk_refuses_after_a_lock_is_there_for_whoever_unlocks() {
    let mut world = World::new(slow()).await;
    world.log_in("one").await.unwrap();
    let waiting = world.refreshing().await;
    world.agent.lock_within(Duration::ZERO).await.unwrap();
    world.faults.refuse(true);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::VaultLocked);
    world.landed().await;
    world.agent.unlock(Unlock::default()).await.unwrap();
    assert!(world.server.is_live(&world.get("one").await.unwrap().token.expose()));
    world.faults.refuse(false);
    world.clock.pass(2 * HOUR);
    world.get("one").await.unwrap();
    assert!(world.none_lost());
    world.agent.persist_all().await.unwrap();
    world.restart().await;
    assert!(world.server.is_live(&world.get("one").await.unwrap().token.expose()));
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test]
async fn an_unlock_while_an_exchange_is_under_way_redeems_nothing_twice() {
    let world = World::new(slow()).await;
    world.log_in("one").await.unwrap();
    let waiting = world.refreshing().await;
    world.agent.lock_within(Duration::ZERO).await.unwrap();
    world.agent.unlock(Unlock::default()).await.unwrap();
    let other = world.ask("one", |get| get.audience = Some("https://api.example/".into())).await;
    assert!(other.is_ok(), "{other:?}");
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::VaultLocked, "told at once");
    assert!(world.none_lost());
}

#[tokio::test]
async fn an_id_token_that_is_not_renewed_is_not_printed_and_the_server_not_asked_for_ever() {
    let world = World::signed_in().await;
    world.server.set_behaviour(Behaviour::Member("id_token".into(), None), 100);
    world.clock.pass(2 * HOUR);
    for _ in 0..3 {
        let answer = world.ask("one", |get| get.token_type = TokenKind::Id).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::LoginRequired);
    }
    assert_eq!(world.refreshes(), 1);
    assert!(world.get("one").await.is_ok());
}

#[tokio::test]
async fn a_server_that_says_no_is_not_asked_again_by_every_caller() {
    let world = World::signed_in().await;
    world.server.set_behaviour(error("unauthorized_client"), 3);
    world.clock.pass(2 * HOUR);
    for _ in 0..5 {
        assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::Misconfigured);
    }
    assert_eq!(world.refreshes(), 1);
    let by_hand = world.agent.refresh(RefreshToken { account: Some(world.name("one")) }, &Asking::nobodys()).await;
    assert_eq!(by_hand.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(world.refreshes(), 2, "a person who asks is told how it is now");
    world.clock.pass(HOUR);
    assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::Misconfigured);
    world.clock.pass(HOUR);
    assert!(world.get("one").await.is_ok());
}

#[tokio::test]
async fn a_caller_who_asks_for_too_much_harms_nobody_else() {
    let world = World::signed_in().await;
    for refusal in ["invalid_scope", "invalid_target", "invalid_grant"] {
        world.server.set_behaviour(error(refusal), 1);
        world.clock.pass(2 * HOUR);
        let before = world.refreshes();
        for _ in 0..3 {
            assert!(world.ask("one", |get| get.audience = Some(format!("https://{refusal}"))).await.is_err());
        }
        assert!(world.refreshes() - before <= 2, "{refusal}");
        assert!(world.get("one").await.is_ok(), "{refusal}");
        assert!(world.agent.table().all().all(|account| account.problem.is_none()), "{refusal}");
    }
}

#[tokio::test]
async fn a_dead_login_is_not_redeemed_again_although_the_disk_cannot_note_it() {
    let world = World::new(slow()).await;
    world.log_in("one").await.unwrap();
    world.server.set_behaviour(Behaviour::InvalidGrant, 9);
    let waiting = world.refreshing().await;
    world.faults.refuse(true);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoginRequired);
    let again = world.get("one").await.unwrap_err();
    assert_eq!((again.kind(), world.refreshes()), (ErrorKind::LoginRequired, 1));
    assert!(again.message.contains("--account one`"), "{again}");
}

#[tokio::test]
async fn a_lock_does_not_lose_what_the_disk_has_not_taken() {
    let world = World::new(slow()).await;
    world.log_in("one").await.unwrap();
    let waiting = world.refreshing().await;
    world.faults.refuse(true);
    assert!(!waiting.await.unwrap().unwrap().persisted);
    assert_eq!(world.agent.lock().await.unwrap_err().kind(), ErrorKind::StorageFailed);
    world.faults.refuse(false);
    world.agent.lock().await.unwrap();
    world.agent.unlock(Unlock::default()).await.unwrap();
    world.clock.pass(2 * HOUR);
    assert!(world.get("one").await.unwrap().persisted && world.none_lost());
}

#[tokio::test]
async fn a_refused_token_is_not_handed_out_again() {
    let world = World::signed_in().await;
    let first = world.get("one").await.unwrap().token;
    world.server.set_behaviour(Behaviour::Status(503, Some("60".into())), 1);
    let reject = || RejectToken { token: Some(first.duplicate()), ..RejectToken::default() };
    assert_eq!(
        world.agent.reject(reject(), &Asking::nobodys()).await.unwrap_err().kind(),
        ErrorKind::TemporarilyUnavailable
    );
    assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::TemporarilyUnavailable);
    // Nothing was refreshed yet, so saying it again is no second refusal.
    assert_eq!(
        world.agent.reject(reject(), &Asking::nobodys()).await.unwrap_err().kind(),
        ErrorKind::TemporarilyUnavailable
    );
    assert_eq!(world.refreshes(), 1);
    // The flight has seen that nobody waits any more.
    while !world.agent.flights.is_empty() {
        tokio::task::yield_now().await;
    }
    world.clock.pass(Duration::from_secs(61));
    assert!(!world.get("one").await.unwrap().token.matches(&first));
}

#[tokio::test]
async fn a_valid_token_is_served_as_soon_as_a_refresh_has_failed() {
    let world = World::signed_in().await;
    world.clock.pass(HOUR / 2);
    world.server.set_behaviour(Behaviour::Status(503, Some("1".into())), 100);
    let answer = world.ask("one", |get| get.min_validity = Some(3500)).await.unwrap();
    assert_eq!((answer.min_validity_met, world.refreshes()), (false, 1), "nobody waited for a second attempt");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_at_once_though_nobody_waits() {
    let grace = RotationMode::Grace(Duration::from_secs(60));
    let world = World::new(Options { rotation: grace, ..Options::default() }).await;
    world.log_in("one").await.unwrap();
    world.server.set_behaviour(Behaviour::RotateThenDropAnswer, 1);
    let mut events = world.agent.events.subscribe();
    drop(world.agent.renew(world.incarnation("one"), accounts::Variant::default()));
    let refreshed = async { while !matches!(events.recv().await.unwrap().change, Change::Refreshed { .. }) {} };
    tokio::time::timeout(Duration::from_secs(10), refreshed).await.expect("it was asked for again");
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test]
async fn when_an_account_was_last_used_is_known_after_a_restart() {
    let mut world = World::signed_in().await;
    world.clock.pass(20 * HOUR);
    world.get("one").await.unwrap();
    world.clock.pass(20 * HOUR);
    world.restart().await;
    world.agent.ensure_open().await.unwrap();
    assert!(world.agent.schedule.of(world.incarnation("one")).is_some(), "in use, so refreshed ahead");
}

#[tokio::test]
async fn a_rename_while_a_refresh_is_about_to_go_out_is_no_error_for_its_caller() {
    let world = World::signed_in().await;
    world.clock.pass(2 * HOUR);
    let rename = RenameAccount { account: world.name("one"), to: "two".to_owned() };
    let nobody = Asking::nobodys();
    let (renamed, token) = tokio::join!(world.agent.rename(rename, &nobody), world.get("one"));
    assert!(renamed.is_ok());
    assert_eq!(token.map(|token| token.account), Ok(world.name("two")));
}

#[tokio::test]
async fn a_token_for_a_scope_whose_end_the_server_does_not_say_is_kept_as_long_as_the_logins_own() {
    let world = World::signed_in().await;
    world.server.set_behaviour(Behaviour::MissingExpiresIn, usize::MAX);
    let narrow = |get: &mut GetToken| get.scope = vec!["openid".to_owned()];
    let first = world.ask("one", narrow).await.unwrap();
    assert!(first.expires_at.is_none());
    assert_eq!(*world.ask("one", narrow).await.unwrap().token.expose(), *first.token.expose());
    assert_eq!(world.refreshes(), 1);
    world.clock.pass(2 * HOUR);
    world.get("one").await.unwrap();
    let incarnation = world.incarnation("one");
    let variant = Variant { scope: vec!["openid".to_owned()], ..Variant::default() };
    let held = world.agent.table().get(incarnation).unwrap().narrowed(&variant).is_some();
    assert!(!held, "what has ended is not held");
    assert_ne!(*world.ask("one", narrow).await.unwrap().token.expose(), *first.token.expose());
}

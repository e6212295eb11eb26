//! API keys beside a login: who is told of a switch, and when a refused login is tried again.

use super::*;
use crate::agent::alarm::Wake;
use crate::ipc::message::api_key::{RemoveApiKey, SetApiKey};
use crate::ipc::message::import::ExportAccount;
use crate::ipc::message::token::{AuthMethod, RejectOutcome, RejectToken};

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    async fn with_key() -> Self {
        let world = Self::signed_in().await;
        world.set_key().await;
        world
    }

    async fn set_key(&self) {
        let (account, key) = (self.name("one"), Secret::from("the-key".to_owned()));
        let set = SetApiKey { account, key, expires_at: None, interactive: false };
        self.agent.set_api_key(set, &Asking::nobodys()).await.unwrap();
    }

    async fn reject(&self, token: &Token) -> Result<RejectOutcome, Error> {
        let reject = RejectToken { token: Some(token.token.duplicate()), ..RejectToken::default() };
        self.agent.reject(reject, &Asking::nobodys()).await.map(|rejection| rejection.outcome)
    }

    /// Twice in a row.
    async fn refuse(&self) {
        for expected in [RejectOutcome::Refreshed, RejectOutcome::ApiKey] {
            let token = self.get("one").await.unwrap();
            assert_eq!(self.reject(&token).await, Ok(expected));
        }
    }

    async fn method(&self) -> AuthMethod {
        self.get("one").await.unwrap().method
    }

    /// What is due is done.
    async fn do_what_is_due(&self) {
        self.agent.woken(Wake::Due);
        tokio::task::yield_now().await;
        self.landed().await;
    }
}

fn switches(events: &mut broadcast::Receiver<Event>) -> Vec<AuthMethod> {
    std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event.change {
            Change::Source { method, .. } => Some(method),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn every_switch_is_told_once() {
    let world = World::with_key().await;
    let mut events = world.agent.events.subscribe();
    assert_eq!(world.method().await, AuthMethod::Oauth);
    world.refuse().await;
    for _ in 0..3 {
        assert_eq!(world.method().await, AuthMethod::ApiKey);
    }
    world.log_in("one").await.unwrap();
    assert_eq!(world.method().await, AuthMethod::Oauth);
    assert_eq!(switches(&mut events), [AuthMethod::ApiKey, AuthMethod::Oauth]);
}

#[tokio::test]
async fn a_refused_login_is_tried_again_by_itself_and_ever_more_seldom() {
    let world = World::with_key().await;
    world.refuse().await;
    let mut events = world.agent.events.subscribe();
    for wait in [10, 20, 40] {
        assert_eq!(world.method().await, AuthMethod::ApiKey);
        world.clock.pass((wait - 1) * MINUTE);
        world.do_what_is_due().await;
        let refreshes = world.refreshes();
        assert_eq!(world.method().await, AuthMethod::ApiKey, "not yet after {wait} minutes");
        // So late that it is due, and not so late that the machine must have slept.
        world.clock.pass(MINUTE + Duration::from_secs(10));
        world.do_what_is_due().await;
        assert_eq!(world.refreshes(), refreshes + 1);
        let token = world.get("one").await.unwrap();
        assert_eq!(token.method, AuthMethod::Oauth);
        assert_eq!(world.reject(&token).await, Ok(RejectOutcome::ApiKey), "refused too: back at once");
        assert_eq!(world.refreshes(), refreshes + 1, "without another refresh");
    }
    assert_eq!(switches(&mut events), [AuthMethod::Oauth, AuthMethod::ApiKey].repeat(3));
    // It is taken again, and stays.
    world.clock.pass(80 * MINUTE);
    world.do_what_is_due().await;
    world.clock.pass(Duration::from_secs(15));
    world.do_what_is_due().await;
    assert_eq!(world.method().await, AuthMethod::Oauth);
    world.clock.pass(2 * HOUR);
    assert_eq!(world.method().await, AuthMethod::Oauth);
    let token = world.get("one").await.unwrap();
    assert_eq!(world.reject(&token).await, Ok(RejectOutcome::Refreshed), "an ordinary refusal");
    assert!(world.none_lost());
}

#[tokio::test]
async fn what_an_account_may_not_do_no_key_is_put_in_its_place_for() {
    let world = World::with_key().await;
    for (said, refreshes) in [(true, 1), (false, 1)] {
        let token = world.get("one").await.unwrap();
        let (token, forbidden) = (Some(token.token.duplicate()), true);
        let reject = RejectToken { token, forbidden, ..RejectToken::default() };
        assert_eq!(world.agent.reject(reject, &Asking::nobodys()).await.is_ok(), said);
        assert_eq!((world.refreshes(), world.method().await), (refreshes, AuthMethod::Oauth));
    }
    let token = world.get("one").await.unwrap();
    assert_eq!(world.reject(&token).await, Ok(RejectOutcome::ApiKey), "a server's word on the token");
}

#[tokio::test]
async fn many_callers_with_the_same_refused_token_cost_one_refresh() {
    let world = World::with_key().await;
    let token = world.get("one").await.unwrap();
    let reports: Vec<_> = (0..50).map(|_| world.reject(&token)).collect();
    for report in reports {
        let outcome = report.await;
        assert!(matches!(outcome, Ok(RejectOutcome::Refreshed | RejectOutcome::AlreadyReplaced)), "{outcome:?}");
    }
    assert_eq!((world.refreshes(), world.method().await), (1, AuthMethod::Oauth));
}

#[tokio::test]
async fn a_key_is_as_it_was_after_everything_that_happens_to_the_login() {
    let mut world = World::with_key().await;
    let stored = |world: &World| {
        let name = world.name("one").parse().unwrap();
        world.agent.table().key_of(&name).map(|key| key.stored.clone())
    };
    let before = stored(&world);
    world.clock.pass(2 * HOUR);
    world.get("one").await.unwrap();
    world.refuse().await;
    let logout = crate::ipc::message::login::Logout { account: Some(world.name("one")), ..Default::default() };
    world.agent.logout(logout, &Asking::nobodys()).await.unwrap();
    assert_eq!(world.method().await, AuthMethod::ApiKey);
    world.restart().await;
    assert_eq!(world.method().await, AuthMethod::ApiKey);
    assert_eq!(stored(&world), before, "not even written");
}

#[tokio::test]
async fn without_a_disk_the_key_answers_until_the_agent_ends() {
    let world = World::with_key().await;
    let token = world.get("one").await.unwrap();
    assert_eq!(world.reject(&token).await, Ok(RejectOutcome::Refreshed));
    world.faults.refuse(true);
    let token = world.get("one").await.unwrap();
    assert_eq!(world.reject(&token).await, Ok(RejectOutcome::ApiKey));
    assert_eq!(world.method().await, AuthMethod::ApiKey);
}

#[tokio::test]
async fn a_login_that_leaves_for_another_program_hands_over_to_the_key_at_once() {
    let world = World::with_key().await;
    let mut events = world.agent.events.subscribe();
    let export = ExportAccount { account: Some(world.name("one")) };
    world.agent.export(export, &Asking::nobodys()).await.unwrap();
    assert_eq!(switches(&mut events), [AuthMethod::ApiKey]);
    assert_eq!(world.method().await, AuthMethod::ApiKey);
}

#[tokio::test]
async fn a_key_that_is_set_while_the_one_before_is_removed_is_kept() {
    let world = World::with_key().await;
    let name: AccountName = world.name("one").parse().unwrap();
    let write = Arc::clone(&world.agent.table().key_of(&name).unwrap().write);
    let held = write.lock_owned().await;
    let asking = Asking::nobodys();
    let removing = world.agent.remove_api_key(RemoveApiKey { account: world.name("one") }, &asking);
    let release = async {
        // Whoever sets one gives it its name, and finds the one before.
        while world.agent.naming.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        drop(held);
    };
    // Each waits for the record's turn, the one that removes it first.
    let (removed, (), ()) = tokio::join!(removing, world.set_key(), release);
    assert!(removed.is_ok());
    assert!(world.agent.table().key_of(&name).is_some());
}

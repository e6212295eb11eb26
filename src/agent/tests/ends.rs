//! Logins and API keys that end at a known time, as it comes.

use serde_json::{Map, json};

use super::*;
use crate::agent::alarm::Wake;
use crate::ipc::message::account::{AccountStatus, ShowAccount};
use crate::ipc::message::api_key::SetApiKey;
use crate::ipc::message::event::Ends;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// With a login whose refresh token the server gives so many days.
async fn world(days: u64) -> World {
    let extra = Map::from_iter([("refresh_token_expires_in".to_owned(), json!(days * DAY.as_secs()))]);
    let world = World::new(Options { token_answer_extra: extra, ..Options::default() }).await;
    world.log_in("one").await.unwrap();
    world
}

impl World {
    async fn status(&self) -> AccountStatus {
        self.agent
            .show_account(ShowAccount { account: Some(self.name("one")), ..ShowAccount::default() })
            .await
            .unwrap()
    }

    /// So many days pass, and what is due is done. What was warned of.
    fn pass_days(&self, days: u32, events: &mut broadcast::Receiver<Event>) -> Vec<(Ends, u16)> {
        self.clock.pass(DAY * days);
        // The alarm goes off once for each time that was planned.
        self.agent.woken(Wake::Due);
        self.agent.woken(Wake::Due);
        std::iter::from_fn(|| events.try_recv().ok())
            .filter_map(|event| match event.change {
                Change::Ending { what, within, .. } => Some((what, within)),
                _ => None,
            })
            .collect()
    }
}

#[tokio::test]
async fn a_login_that_nobody_uses_is_warned_of_twice_and_a_refresh_takes_that_back() {
    let world = world(90).await;
    let mut events = world.agent.events.subscribe();
    let until = world.status().await.refresh_expires_at.unwrap();
    assert_eq!(until.since(world.clock.now()).as_secs().div_ceil(DAY.as_secs()), 90);
    assert_eq!(world.pass_days(70, &mut events), []);
    assert_eq!(world.status().await.ends_within, None);
    assert_eq!(world.pass_days(7, &mut events), [(Ends::RefreshToken, 14)]);
    assert_eq!(world.status().await.ends_within, Some(14));
    assert_eq!(world.pass_days(1, &mut events), []);
    assert_eq!(world.pass_days(10, &mut events), [(Ends::RefreshToken, 3)]);
    assert_eq!(world.status().await.ends_within, Some(3));
    let checks = world.agent.doctor().await.checks;
    assert!(
        checks.iter().any(|check| check.message.contains("refresh token ends within 3 days: run `cred-helper login"))
    );
    // Its server gives the next one 90 days more.
    world.get("one").await.unwrap();
    assert_eq!((world.refreshes(), world.status().await.ends_within), (1, None));
    assert_eq!(world.pass_days(80, &mut events), [(Ends::RefreshToken, 14)], "and then anew");
}

#[tokio::test]
async fn a_refresh_token_that_lives_for_days_only_is_not_spoken_of_all_the_time() {
    let world = world(2).await;
    let mut events = world.agent.events.subscribe();
    assert_eq!(world.pass_days(1, &mut events), []);
    let status = world.status().await;
    assert!(status.refresh_expires_at.is_some() && status.ends_within.is_none());
    let warns =
        async || world.agent.doctor().await.checks.iter().any(|check| check.message.contains("token has ended"));
    assert!(!warns().await);
    assert_eq!(world.pass_days(1, &mut events), []);
    assert!(warns().await, "that it is over is said");
}

#[tokio::test]
async fn an_end_is_known_after_a_restart_and_a_longer_absence() {
    let mut world = world(90).await;
    let until = world.status().await.refresh_expires_at;
    world.restart().await;
    world.clock.pass(DAY * 88);
    let mut events = world.agent.events.subscribe();
    world.agent.ensure_open().await.unwrap();
    assert_eq!(world.pass_days(0, &mut events), [(Ends::RefreshToken, 3)], "the nearer one alone");
    assert_eq!(world.status().await.refresh_expires_at, until);
}

#[tokio::test]
async fn a_key_that_was_stored_with_its_end_is_warned_of_until_there_is_another() {
    let world = World::signed_in().await;
    let mut events = world.agent.events.subscribe();
    let set = async |days: u32| {
        let (account, key) = (world.name("one"), Secret::from("the-key".to_owned()));
        let expires_at = Some(world.clock.now() + DAY * days);
        let set = SetApiKey { account, key, expires_at, interactive: false };
        world.agent.set_api_key(set, &Asking::nobodys()).await.unwrap();
    };
    set(30).await;
    assert_eq!(world.pass_days(16, &mut events), [(Ends::ApiKey, 14)]);
    assert_eq!(world.status().await.api_key.unwrap().ends_within, Some(14));
    set(30).await;
    assert_eq!(world.pass_days(11, &mut events), [], "the first one's end concerns nobody any more");
    assert_eq!(world.status().await.api_key.unwrap().ends_within, None);
}

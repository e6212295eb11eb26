//! What the agent does as time passes, the machine sleeps and somebody sets the clock.

use super::*;
use crate::agent::alarm::Wake;
use crate::demo::server::Behaviour;

const MARGIN: Duration = Duration::from_secs(300);

impl World {
    fn due(&self, label: &str) -> Timestamp {
        self.agent.wall_at(self.agent.schedule.of(self.incarnation(label)).expect("refreshed ahead"))
    }
}

#[tokio::test]
async fn a_refresh_is_planned_at_the_margin_a_little_earlier_for_each() {
    let world = World::new(Options::default()).await;
    let mut planned = Vec::new();
    for label in ["a", "b", "c", "d", "e"] {
        let end = world.log_in(label).await.unwrap().expires_at.unwrap();
        let ahead = end.since(world.due(label));
        assert!(ahead >= MARGIN && ahead <= MARGIN.mul_f64(1.1) + Duration::from_secs(1), "{ahead:?}");
        planned.push(ahead);
    }
    planned.sort();
    planned.dedup();
    assert!(planned.len() > 1, "they don't march in step");
}

#[tokio::test]
async fn a_token_that_ended_while_the_machine_slept_is_refreshed_once() {
    let world = World::signed_in().await;
    let mut events = world.agent.events.subscribe();
    world.clock.pass(8 * HOUR);
    world.agent.woken(Wake::Due);
    let (a, b) = tokio::join!(world.get("one"), world.get("one"));
    assert!(a.is_ok() && b.is_ok());
    world.agent.woken(Wake::Due);
    assert!(matches!(events.recv().await.unwrap().change, Change::Refreshed { .. }));
    assert_eq!(world.refreshes(), 1);
    assert!(world.due("one") > world.clock.now(), "the next one is planned");
}

/// What its rules guard is what is handed out: a program gets nothing here without a yes, and nobody could give one.
#[tokio::test]
async fn a_refresh_ahead_asks_nobody() {
    let drive = if cfg!(windows) { "C:" } else { "" };
    let rules = format!(
        "pinentry = '{drive}/nonexistent/pinentry'\n[accounts.\"*\"]\nallow = []\nconfirm = true\nrate_limit = \"2/h\"\n"
    );
    let world = World::configured(Config::parse(&rules, "config.toml").unwrap(), Options::default()).await;
    world.log_in("one").await.unwrap();
    assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::NotConfirmed);
    for times in 1..=3 {
        world.clock.pass(world.due("one").since(world.clock.now()) + Duration::from_secs(1));
        world.agent.woken(Wake::Due);
        world.landed().await;
        assert_eq!(world.refreshes(), times);
    }
    assert_eq!(world.get("one").await.unwrap_err().kind(), ErrorKind::NotConfirmed);
}

#[tokio::test]
async fn a_token_without_an_end_that_nothing_renews_is_served_for_good() {
    let mut extra = serde_json::Map::new();
    extra.insert("refresh_token".to_owned(), serde_json::Value::Null);
    let world = World::new(Options { token_answer_extra: extra, ..Options::default() }).await;
    world.server.set_behaviour(Behaviour::MissingExpiresIn, 1);
    let signed_in = world.log_in("one").await.unwrap();
    assert_eq!((signed_in.expires_at, signed_in.refreshable), (None, false));
    let first = world.get("one").await.unwrap();
    world.clock.pass(1000 * HOUR);
    let later = world.get("one").await.unwrap();
    assert!(later.token.matches(&first.token) && later.expires_at.is_none());
}

const DAYS: i64 = 3 * 24 * 3600;

#[tokio::test]
async fn a_token_that_came_while_the_clock_was_days_ahead_does_not_last_for_days() {
    let world = World::new(Options::default()).await;
    world.clock.set(DAYS);
    world.log_in("one").await.unwrap();
    world.clock.set(-DAYS);
    world.agent.woken(Wake::ClockSet);
    let first = world.get("one").await.unwrap();
    let left = first.expires_at.unwrap().since(world.clock.now());
    assert!(left <= HOUR, "the answer says {left:?}");
    assert!(world.due("one").since(world.clock.now()) < HOUR, "the refresh ahead is not days away");
    world.clock.pass(2 * HOUR);
    let second = world.get("one").await.unwrap();
    assert!(!second.token.matches(&first.token), "it has ended");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_token_last_longer() {
    let world = World::signed_in().await;
    let first = world.get("one").await.unwrap();
    world.clock.set(-DAYS);
    world.agent.woken(Wake::ClockSet);
    assert!(world.get("one").await.unwrap().token.matches(&first.token));
    world.clock.pass(2 * HOUR);
    assert!(!world.get("one").await.unwrap().token.matches(&first.token));
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn an_agent_started_anew_counts_on_by_the_boot_clock() {
    let mut world = World::new(Options::default()).await;
    world.clock.set(DAYS);
    world.log_in("one").await.unwrap();
    let first = world.get("one").await.unwrap();
    world.clock.set(-DAYS);
    world.clock.pass(2 * HOUR);
    world.restart().await;
    assert!(!world.get("one").await.unwrap().token.matches(&first.token));
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn after_a_restart_with_the_clock_behind_a_token_is_served_only_if_no_other_can_be_had() {
    let mut world = World::signed_in().await;
    let first = world.get("one").await.unwrap();
    world.clock.set(-DAYS);
    world.clock.reboot();
    world.restart().await;
    world.server.set_behaviour(Behaviour::Status(503, Some("60".into())), 1);
    let served = world.get("one").await.unwrap();
    assert!(served.token.matches(&first.token) && served.expires_at.is_none(), "nobody knows when it ends");
    world.landed().await;
    world.clock.pass(Duration::from_secs(61));
    assert!(!world.get("one").await.unwrap().token.matches(&first.token));
}

#[tokio::test]
async fn an_id_token_is_told_by_its_servers_clock() {
    let world = World::new(Options::default()).await;
    for days in [DAYS, -2 * DAYS] {
        world.clock.set(days);
        world.log_in_as("one", true).await.expect("a wrong clock stops no login");
        let id = world.ask("one", |get| get.token_type = TokenKind::Id).await.unwrap();
        let left = id.expires_at.unwrap().since(world.clock.now());
        assert!(left > HOUR / 2 && left <= HOUR, "{left:?}");
    }
}

/// Two hundred accounts, whatever happens to the clocks of this machine: by whom the refreshes are started, and when.
#[tokio::test]
async fn two_hundred_accounts_after_a_sleep_or_a_set_clock_are_refreshed_once_each_and_not_all_at_once() {
    let world = World::new(Options::default()).await;
    for n in 0..200 {
        world.log_in(&format!("a{n}")).await.unwrap();
    }
    let sleep = |world: &World| {
        world.clock.pass(8 * HOUR);
        Wake::Due
    };
    let set_ahead = |world: &World| {
        world.clock.set(DAYS);
        Wake::ClockSet
    };
    for (round, jump) in [(1, &sleep as &dyn Fn(&World) -> Wake), (2, &set_ahead)] {
        world.agent.woken(jump(&world));
        let token = world.get("a0").await.unwrap();
        assert!(world.server.is_live(&token.token.expose()), "whoever asks does not wait for a turn");
        for _ in 0..25 {
            let (began, before) = (world.clock.boot(), world.refreshes());
            world.clock.pass(Duration::from_secs(1));
            world.agent.woken(Wake::Due);
            world.landed().await;
            // A busy machine takes time of its own, in which others fall due.
            let seconds = (world.clock.boot() - began).as_secs() as usize;
            assert!(world.refreshes() - before < 40 * seconds.max(1), "spread over seconds");
        }
        assert_eq!(world.refreshes(), 200 * round, "one for each");
    }
    assert!(world.none_lost());
}

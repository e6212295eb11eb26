//! What the agent does as time passes, the machine sleeps and somebody sets the clock.

use super::*;
use crate::agent::alarm::Wake;

const MARGIN: Duration = Duration::from_secs(300);

impl World {
    fn due(&self, label: &str) -> Timestamp {
        self.agent.schedule.of(self.incarnation(label)).expect("refreshed ahead")
    }

    async fn refreshed(&self, times: usize) {
        let done = self.server.until(|log| {
            log.iter().filter(|entry| entry.is_grant("refresh_token") && entry.succeeded()).count() >= times
        });
        tokio::time::timeout(Duration::from_secs(30), done).await.expect("refreshed");
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

#[tokio::test]
async fn fifty_accounts_after_a_sleep_are_refreshed_once_each_and_not_all_at_once() {
    let world = World::new(Options::default()).await;
    for n in 0..50 {
        world.log_in(&format!("a{n}")).await.unwrap();
    }
    world.clock.pass(8 * HOUR);
    world.agent.woken(Wake::Due);
    world.agent.woken(Wake::ClockSet);
    world.refreshed(50).await;
    let at: Vec<_> = world.server.log().into_iter().filter(|e| e.is_grant("refresh_token")).map(|e| e.at).collect();
    assert_eq!(at.len(), 50);
    let busiest =
        at.iter().map(|from| at.iter().filter(|at| (*from..*from + Duration::from_secs(1)).contains(at)).count());
    assert!(busiest.max().unwrap() < 25, "spread over seconds");
    assert!(world.none_lost());
}

//! A machine that is awake and has no network: nobody is hammered, and it goes on as soon as the network is back.

use tokio::net::TcpSocket;

use super::*;
use crate::agent::alarm::Wake;
use crate::demo::server::Behaviour;
use crate::ipc::message::token::RejectToken;

/// The way to an account's server, cut: connections are refused.
struct Cut {
    incarnation: u64,
    endpoint: String,
    /// A port that is taken, and where nobody listens.
    _port: TcpSocket,
}

impl Cut {
    async fn network_of(world: &World, label: &str) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let nowhere = format!("http://{}/token", port.local_addr().unwrap());
        let incarnation = world.incarnation(label);
        let endpoint = world.agent.table().get(incarnation).unwrap().record.token_endpoint.clone();
        world.agent.change(incarnation, |record| record.token_endpoint = nowhere).await.unwrap();
        Self { incarnation, endpoint, _port: port }
    }

    async fn mend(self, world: &World) {
        world.agent.change(self.incarnation, |record| record.token_endpoint = self.endpoint).await.unwrap();
    }
}

impl World {
    /// Asks without waiting for another attempt.
    async fn impatient(&self) -> Result<Token, Error> {
        let answer = self.ask("one", |get| get.deadline = Some(0)).await;
        self.landed().await;
        answer
    }

    /// Attempts so far without an answer in between, and how long the next one is held.
    fn held(&self) -> (u32, Duration) {
        let table = self.agent.table();
        let account = table.resolve(None).unwrap();
        (account.failures, account.not_before.unwrap_or_default().saturating_sub(self.clock.boot()))
    }
}

#[tokio::test]
async fn without_a_network_attempts_are_few_and_the_first_request_once_it_is_back_succeeds() {
    let world = World::signed_in().await;
    let network = Cut::network_of(&world, "one").await;
    world.clock.pass(2 * HOUR);
    for attempt in 1..=12 {
        for _ in 0..3 {
            assert_eq!(world.impatient().await.unwrap_err().kind(), ErrorKind::TemporarilyUnavailable);
        }
        let (failures, wait) = world.held();
        assert!(failures <= attempt && wait <= Duration::from_secs(7), "{failures} attempts, {wait:?}");
        world.clock.pass(Duration::from_secs(7));
    }
    network.mend(&world).await;
    world.get("one").await.unwrap();
    assert_eq!((world.refreshes(), world.none_lost()), (1, true));
}

#[tokio::test]
async fn who_waits_long_for_a_person_or_a_slow_server_need_not_wait_for_the_network() {
    let world = World::signed_in().await;
    let network = Cut::network_of(&world, "one").await;
    let token = world.get("one").await.unwrap().token;
    let soon = Duration::from_secs(60);
    let report = || RejectToken { token: Some(token.duplicate()), ..RejectToken::default() };
    let asking = Asking::nobodys();
    let told = tokio::time::timeout(soon, world.agent.reject(report(), &asking)).await.expect("at once");
    assert_eq!(told.unwrap_err().kind(), ErrorKind::TemporarilyUnavailable);
    let unavailable = world.ask("one", |get| (get.deadline, get.retry_for) = (Some(600), Some(0)));
    let told = tokio::time::timeout(soon, unavailable).await.expect("at once");
    assert_eq!(told.unwrap_err().kind(), ErrorKind::TemporarilyUnavailable);
    network.mend(&world).await;
    world.ask("one", |get| get.retry_for = Some(5)).await.unwrap();
    assert_eq!((world.refreshes(), world.none_lost()), (1, true));
}

#[tokio::test]
async fn waking_up_and_a_set_clock_cut_the_pauses_short() {
    for woken in [Wake::ClockSet, Wake::Due] {
        let world = World::signed_in().await;
        let network = Cut::network_of(&world, "one").await;
        world.clock.pass(2 * HOUR);
        while world.held().1 < Duration::from_secs(3) {
            world.clock.pass(Duration::from_secs(7));
            world.impatient().await.unwrap_err();
        }
        let planned = world.agent.schedule.of(world.incarnation("one")).unwrap();
        assert!(planned > world.clock.boot() + Duration::from_secs(20), "nobody waits, so it is in no hurry");
        network.mend(&world).await;
        match woken {
            Wake::ClockSet => world.agent.woken(woken),
            Wake::Due => world.agent.conclude_anew("the machine is awake"),
        }
        let planned = world.agent.schedule.of(world.incarnation("one")).unwrap();
        assert!(planned <= world.clock.boot() + Duration::from_secs(10), "within the spread");
        assert_eq!(world.held().1, Duration::ZERO);
        world.get("one").await.expect("whoever asks does not wait for that");
        assert_eq!(world.refreshes(), 1);
    }
}

#[tokio::test]
async fn what_a_server_asked_for_is_kept_over_a_sleep_and_believed_for_an_hour_at_most() {
    for far in ["99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let world = World::signed_in().await;
        world.clock.pass(2 * HOUR);
        world.server.set_behaviour(Behaviour::Status(503, Some(far.into())), 1);
        assert!(world.impatient().await.is_err());
        world.agent.conclude_anew("the machine is awake");
        assert!(world.impatient().await.is_err());
        assert_eq!(world.refreshes(), 1, "{far}");
        world.clock.pass(HOUR + Duration::from_secs(1));
        assert!(world.get("one").await.is_ok(), "{far}");
    }
}

#[tokio::test]
async fn a_date_to_retry_at_is_by_the_servers_clock() {
    let world = World::signed_in().await;
    let in_a_minute = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(60));
    world.clock.set(5 * 24 * 3600);
    world.server.set_behaviour(Behaviour::Status(503, Some(in_a_minute)), 1);
    assert!(world.impatient().await.is_err());
    let (_, wait) = world.held();
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(61), "{wait:?}");
}

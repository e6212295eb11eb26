//! Servers that misbehave, all at once, in one agent: each fault has an account of its own, and one more account, whose
//! server is well, has to be served throughout.
//!
//! What is promised of each: an error that people understand, few requests, nothing of a token in any word, the login not
//! lost, and tokens again within seconds once its server is well.

pub(crate) mod faults;

use std::process::Child;

use cred_helper::demo::server::{Behaviour, Ended, Endpoint, Outcome, RotationMode, Server};
use serde_json::json;

use self::faults::{Fault, server_for};
use super::canary::assert_no_token;
use super::home::{self, Home, ended, lasting_server};
use super::tokens::{account_of, wait_for_expiry_of};

/// Requests that a fault may cost while somebody waits for five seconds: the first, one at once where the answer was lost,
/// and those of the backoff.
const MOST_REQUESTS: usize = 8;

/// A fault at work.
struct Case {
    fault: Fault,
    server: Server,
    account: String,
}

/// One agent, an account for each fault whose first token has ended, and the well account's token.
struct World {
    home: Home,
    well: Server,
    token: String,
    cases: Vec<Case>,
    said: Vec<String>,
}

impl World {
    fn new(faults: impl FnOnce(&Server) -> Vec<Fault>) -> Self {
        let well = lasting_server();
        let mut home = Home::new();
        home.set("CRED_HELPER_LOG", "trace");
        home.configure("http_timeout = '3s'\n");
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        home.log_in(&well, &["--account", "well"]);
        let signed_in = |fault: Fault| {
            let server = server_for(fault.rotation);
            home.log_in(&server, &["--account", fault.name]);
            let account = account_of(&home, &server);
            server.expire_access_tokens();
            Case { fault, server, account }
        };
        let cases: Vec<Case> = faults(&well).into_iter().map(signed_in).collect();
        cases.iter().for_each(|case| wait_for_expiry_of(&home, &case.account));
        let token = home.ok(&["get-token", &account_of(&home, &well)]);
        Self { home, well, token, cases, said: Vec::new() }
    }

    fn misbehave(&self) {
        for Case { fault, server, .. } in &self.cases {
            server.set_behaviour(fault.behaviour.clone(), usize::MAX);
        }
    }

    /// What everybody gets who asks at once, while the well account is served as if nothing were wrong.
    fn ask_all(&mut self, limit: &str) -> Vec<home::Ended> {
        let ask = |case: &Case| self.home.start(&["get-token", &case.account, "--timeout", limit]);
        let waiting: Vec<Child> = self.cases.iter().map(ask).collect();
        let well = account_of(&self.home, &self.well);
        for _ in 0..10 {
            assert_eq!(self.home.ok(&["get-token", &well, "--timeout", "3s"]), self.token);
        }
        let all: Vec<_> = waiting.into_iter().map(|child| ended(child.wait_with_output().unwrap())).collect();
        self.said.extend(all.iter().map(|ended| ended.stderr.clone()));
        all
    }

    /// Every server is well again, and every account has a token that its server accepts.
    fn recovers(&mut self) {
        self.cases.iter().for_each(|case| case.server.behave());
        let all = self.ask_all("15s");
        for (Case { fault, server, .. }, ended) in self.cases.iter().zip(all) {
            assert_eq!(ended.code, 0, "{}: {}", fault.name, ended.stderr);
            assert!(server.is_live(ended.stdout.trim_end()), "{}", fault.name);
            assert!(server.families().iter().all(|family| family.ended.is_none()), "{}: lost", fault.name);
        }
    }

    /// Nothing of a token in what was said and logged.
    fn leaks_nothing(mut self) {
        self.home.ok(&["agent", "stop"]);
        self.said.push(std::fs::read_to_string(self.home.state().join("agent.log")).unwrap());
        let servers = self.cases.iter().map(|case| &case.server).chain([&self.well]);
        assert_no_token(&self.said, &servers.flat_map(Server::issued_tokens).collect::<Vec<_>>());
    }
}

fn refreshes(server: &Server) -> usize {
    server.count_grant("refresh_token")
}

#[test]
fn whatever_a_server_does_wrong_for_a_while_costs_nobody_a_login() {
    let mut elsewhere = String::new();
    let mut world = World::new(|well| {
        elsewhere = well.url("/token");
        faults::passing(&elsewhere)
    });
    let before = refreshes(&world.well);
    world.misbehave();
    let all = world.ask_all("5s");
    for (Case { fault, server, account }, ended) in world.cases.iter().zip(all) {
        let Fault { name, words, .. } = fault;
        assert_eq!((ended.code, ended.stdout.as_str()), (13, ""), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(account.as_str()), "{name}: {}", ended.stderr);
        let asked = refreshes(server);
        assert!((1..=MOST_REQUESTS).contains(&asked), "{name}: {asked} requests");
    }
    world.recovers();
    // The redirect led to the token endpoint of the well server: nobody went there.
    assert_eq!(refreshes(&world.well), before);
    world.leaks_nothing();
}

#[test]
fn an_odd_answer_is_an_answer_and_asked_for_once() {
    let mut world = World::new(|_| faults::odd());
    world.misbehave();
    let first = world.ask_all("15s");
    let again = world.ask_all("15s");
    for ((Case { fault, server, .. }, first), again) in world.cases.iter().zip(first).zip(again) {
        assert_eq!((first.code, again.code), (0, 0), "{}: {}{}", fault.name, first.stderr, again.stderr);
        assert!(server.is_live(first.stdout.trim_end()), "{}", fault.name);
        assert_eq!(first.stdout, again.stdout, "{}: another token without need", fault.name);
        assert_eq!(refreshes(server), 1, "{}", fault.name);
    }
    for Case { fault, server, account } in &world.cases {
        server.behave();
        let refreshed = world.home.run(&["refresh", account]);
        assert_eq!(refreshed.code, 0, "{}: the login is gone: {}", fault.name, refreshed.stderr);
        assert!(server.families().iter().all(|family| family.ended.is_none()), "{}", fault.name);
    }
    world.leaks_nothing();
}

#[test]
fn a_port_that_nobody_listens_on_is_asked_again_when_somebody_does() {
    let fault = || Fault { name: "closed", behaviour: Behaviour::Decent, rotation: RotationMode::Strict, words: "" };
    let mut world = World::new(|_| vec![fault()]);
    assert!(world.cases[0].server.listen(false));
    let refused = world.ask_all("3s").remove(0);
    assert_eq!(refused.code, 13, "{}", refused.stderr);
    assert!(refused.stderr.contains("could not be reached: Connection refused"), "{}", refused.stderr);
    assert!(world.cases[0].server.listen(true));
    world.recovers();
    world.leaks_nothing();
}

#[test]
fn many_programs_at_a_failing_server_cost_it_no_more_than_one() {
    let fault = |name| Fault { name, ..faults::passing("").swap_remove(2) };
    let mut world = World::new(|_| vec![fault("storm")]);
    world.misbehave();
    let account = world.cases[0].account.clone();
    let ask = || world.home.start(&["get-token", &account, "--timeout", "4s"]);
    let waiting: Vec<Child> = (0..40).map(|_| ask()).collect();
    for child in waiting {
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 13, "{}", ended.stderr);
    }
    // And one after the other, each too impatient to wait.
    for _ in 0..20 {
        assert_eq!(world.home.run(&["get-token", &account, "--timeout", "1s"]).code, 13);
    }
    let requests: Vec<_> =
        world.cases[0].server.log().into_iter().filter(|entry| entry.is_grant("refresh_token")).collect();
    let span = requests.last().unwrap().at - requests[0].at;
    // Half a second, then one, two and four: however long it took to start the programs.
    let most = 4 + span.as_secs() as usize / 3;
    assert!(requests.len() <= most, "{} requests in {span:?}", requests.len());
    world.recovers();
    world.leaks_nothing();
}

/// A server that has taken the request and says nothing: who may be asked again without harm is, long before the time is up.
#[test]
fn a_server_that_falls_silent_is_asked_again_where_that_costs_no_login() {
    for (rotation, configured, code) in [(RotationMode::None, "none", 0), (RotationMode::Strict, "strict", 13)] {
        let server = server_for(rotation);
        let home = Home::new();
        home.configure(&format!(
            "http_timeout = '20s'\n[providers.it]\nissuer = '{}'\nclient.id = '{}'\nrefresh.rotation = '{configured}'\n",
            server.issuer(),
            server.client_id()
        ));
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        assert_eq!(home.log_in_with(&["login", "it", "--no-browser"]).code, 0);
        wait_for_expiry_of(&home, "it");
        server.set_behaviour(Behaviour::Hang, 1);
        let ended = home.run(&["get-token", "--timeout", "12s"]);
        assert_eq!(ended.code, code, "{configured}: {}", ended.stderr);
        assert_eq!(refreshes(&server), if code == 0 { 2 } else { 1 }, "{configured}");
    }
}

/// A server that says no for good: how often it is asked, what people are told, and what mends it.
#[test]
fn a_refusal_is_believed_and_said_with_what_to_do() {
    let no = |name, status, error: &str, words| Fault {
        name,
        behaviour: Behaviour::Error(status, json!({"error": error, "error_description": "so it is"})),
        rotation: RotationMode::Strict,
        words,
    };
    let mut world = World::new(|_| {
        vec![
            no("dead", 400, "invalid_grant", "invalid_grant (so it is): run `cred-helper login"),
            no("dead-200", 200, "invalid_grant", "run `cred-helper login"),
            no("client", 401, "invalid_client", "check the provider's client registration"),
            no("denied", 403, "access_denied", "ask whoever administers the provider"),
        ]
    });
    world.misbehave();
    let all = world.ask_all("10s");
    // The grants are young: another replica of the server may not know of them yet, so they are asked about twice.
    for ((case, ended), (code, asked)) in world.cases.iter().zip(all).zip([(10, 2), (10, 2), (19, 1), (20, 1)]) {
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}: {}", case.fault.name, ended.stderr);
        assert!(ended.stderr.contains(case.fault.words), "{}: {}", case.fault.name, ended.stderr);
        assert_eq!(refreshes(&case.server), asked, "{}", case.fault.name);
    }
    // What was not the grant's fault is mended by asking by hand once the server is.
    for case in &world.cases[2..] {
        case.server.behave();
        assert_eq!(world.home.run(&["refresh", &case.account]).code, 0, "{}", case.fault.name);
    }
    world.leaks_nothing();
}

#[test]
fn a_replica_that_lags_behind_costs_no_login() {
    let fault =
        || Fault { name: "lags", behaviour: Behaviour::InvalidGrant, rotation: RotationMode::Strict, words: "" };
    let mut world = World::new(|_| vec![fault()]);
    world.cases[0].server.set_behaviour(Behaviour::InvalidGrant, 1);
    let served = world.ask_all("20s").remove(0);
    assert_eq!(served.code, 0, "{}", served.stderr);
    assert_eq!(refreshes(&world.cases[0].server), 2);
    // An outage before it does not use up the second chance.
    let server = &world.cases[0].server;
    server.set_behaviour(Behaviour::Status(503, None), 2);
    server.set_behaviour(Behaviour::InvalidGrant, 1);
    let account = world.cases[0].account.clone();
    let refreshed = world.home.run(&["refresh", &account]);
    assert_eq!(refreshed.code, 0, "{}", refreshed.stderr);
    world.leaks_nothing();
}

/// The one window that nobody can close: the server has rotated, and its answer is lost.
#[test]
fn an_answer_lost_after_rotation_is_got_from_a_lenient_server_and_named_with_a_strict_one() {
    let lost = |name, rotation| Fault { name, behaviour: Behaviour::RotateThenDropAnswer, rotation, words: "" };
    let grace = RotationMode::Grace(std::time::Duration::from_secs(60));
    let mut world = World::new(|_| vec![lost("lenient", grace), lost("strict", RotationMode::Strict)]);
    world.cases.iter().for_each(|case| case.server.set_behaviour(Behaviour::RotateThenDropAnswer, 1));
    let all = world.ask_all("20s");
    assert_eq!(all[0].code, 0, "{}", all[0].stderr);
    assert!(world.cases[0].server.is_live(all[0].stdout.trim_end()));
    assert_eq!(all[1].code, 10, "{}", all[1].stderr);
    assert!(all[1].stderr.contains("answer") && all[1].stderr.contains("lost"), "{}", all[1].stderr);
    let strict = &world.cases[1].server;
    assert_eq!(strict.families()[0].ended, Some(Ended::RefreshTokenReused));
    let asked = strict.count(Endpoint::Token);
    assert!(strict.log().iter().any(|entry| entry.outcome == Outcome::Dropped));
    assert_eq!(world.home.run(&["get-token", &world.cases[1].account]).code, 10);
    assert_eq!(strict.count(Endpoint::Token), asked, "a dead login is not tried again");
    world.leaks_nothing();
}

//! The agent killed without warning, against a server that ends a login whose refresh token is used twice.

#[cfg(all(debug_assertions, target_os = "linux"))]
mod endings;
#[cfg(target_os = "linux")]
mod fell;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod keys;
#[cfg(target_os = "linux")]
mod random;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod steps;

use std::time::Duration;

use super::home::{Home, lasting_server, server};
use super::tokens::wait_for_expiry;

#[test]
fn a_killed_agent_is_started_again_and_still_logged_in() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    home.kill_agent();
    assert_eq!(home.token(), token);
    assert!(home.json(&["status", "--json"])["accounts"][0]["problem"].is_null());
}

#[cfg(all(debug_assertions, target_os = "linux"))]
#[test]
fn an_agent_dies_at_the_point_where_it_is_told_to() {
    let server = lasting_server();
    let home = Home::new().with_faults();
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    home.arm("refresh.send 2 kill");
    home.ok(&["refresh"]);
    assert_eq!(home.run(&["refresh", "--no-start"]).code, 18);
    assert_eq!(home.happened(), ["refresh.send"]);
    assert_eq!(server.count_grant("refresh_token"), 1, "the second was not sent");
    home.disarm();
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
}

/// The server has rotated, its answer was on its way, and now the server is down.
#[cfg(all(debug_assertions, target_os = "linux"))]
#[test]
fn an_answer_that_a_kill_has_lost_is_told_while_the_server_is_down() {
    let server = lasting_server();
    let home = Home::new().with_faults();
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    home.arm("http.read 1 kill");
    assert_eq!(home.run(&["refresh", "--no-start"]).code, 18);
    assert_eq!(server.count_grant("refresh_token"), 1);
    assert!(server.listen(false));
    for _ in 0..2 {
        let account = &home.json(&["status", "--json"])["accounts"][0];
        assert_eq!(account["answer_lost"], true, "{account}");
        assert!(home.ok(&["status"]).contains("The answer to a refresh was lost"));
        home.kill_agent();
    }
    assert!(server.listen(true));
    assert_eq!(home.run(&["refresh"]).code, 10, "the same token, once more: the server takes it for theft");
    assert!(home.ok(&["status"]).contains("was lost"));
}

#[cfg(target_os = "linux")]
mod at_random {
    use super::random::{End, Tally, end_at_random};

    /// Over so many refreshes, half of them in each of two homes at a time.
    fn end(end: End, refreshes: usize) -> Tally {
        let accounts = 8;
        let halves = std::thread::scope(|scope| {
            let homes = [0x2545_F491_4F6C_DD1D, 0x9E37_79B9_7F4A_7C15];
            let homes = homes.map(|seed| scope.spawn(move || end_at_random(end, accounts, refreshes / 2, seed)));
            homes.map(|home| home.join().unwrap())
        });
        let mut tally = Tally::default();
        halves.into_iter().for_each(|half| tally.add(half));
        eprintln!("{end:?}: {tally}");
        tally
    }

    fn is_long() -> bool {
        std::env::var_os("CRED_HELPER_TESTS_LONG").is_some()
    }

    #[test]
    fn killed_at_random_instants_no_login_is_lost_that_could_be_saved() {
        let tally = end(End::Kill, if is_long() { 10_000 } else { 200 });
        assert_eq!(tally.lost, 0, "{tally}");
    }

    #[test]
    fn ended_or_locked_at_random_instants_nothing_is_lost_at_all() {
        for way in [End::Terminate, End::Stop, End::Lock] {
            let tally = end(way, if is_long() { 1_200 } else { 80 });
            assert_eq!((tally.lost, tally.lost_in_the_window, tally.lost_in_memory.len()), (0, 0, 0), "{tally}");
        }
    }
}

#[test]
fn a_stop_while_refreshing_loses_nothing() {
    let server = server(Duration::from_secs(1));
    let home = Home::signed_in(&server);
    for _ in 0..3 {
        wait_for_expiry(&home);
        let mut waiting = home.start(&["get-token"]);
        home.ok(&["agent", "stop"]);
        waiting.wait().unwrap();
        assert!(server.is_live(&home.ok(&["get-token"])));
    }
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

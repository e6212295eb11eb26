//! The agent killed without warning, against a server that ends a login whose refresh token is used twice.

#[cfg(all(debug_assertions, target_os = "linux"))]
mod stage;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod steps;

use std::time::Duration;

use cred_helper::demo::server::{Ended, Server};

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

#[test]
fn killed_at_random_instants_no_login_is_lost() {
    let long = std::env::var_os("CRED_HELPER_TESTS_LONG").is_some();
    let result = kill_at_random(if long { 300 } else { 20 });
    eprintln!("{result:?}");
    assert_eq!(result.lost, 0);
}

/// What came of killing the agent while it refreshes.
#[derive(Debug, Default)]
pub(crate) struct Killed {
    pub(crate) refreshes: usize,
    pub(crate) kills: usize,
    /// The server had rotated and its answer had not arrived: nobody can close this window.
    pub(crate) in_the_window: usize,
    pub(crate) lost: usize,
}

/// Refreshes `times` times, each with a SIGKILL at a random instant around it.
pub(crate) fn kill_at_random(times: usize) -> Killed {
    let mut result = Killed::default();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut fresh = None;
    for _ in 0..times {
        let (server, home) = fresh.take().unwrap_or_else(|| {
            let server = lasting_server();
            let home = Home::signed_in(&server);
            (server, home)
        });
        // xorshift: the instants are spread, and the same in every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let pid = home.agent_pid();
        let before = server.count_grant("refresh_token");
        let mut refresh = home.start(&["refresh", "--no-start"]);
        std::thread::sleep(Duration::from_micros(seed % 12_000));
        home.kill(pid);
        refresh.wait().unwrap();
        result.kills += 1;
        result.refreshes += server.count_grant("refresh_token") - before;
        let served = home.run(&["refresh"]);
        let alive = served.code == 0 && server.is_live(&home.token());
        if alive {
            fresh = Some((server, home));
        } else if answer_was_lost(&server) {
            result.in_the_window += 1;
        } else {
            eprintln!("lost: {served:?}");
            result.lost += 1;
        }
    }
    result
}

/// Whether the server ended the login because a refresh token came twice: it had rotated, and its answer was lost.
fn answer_was_lost(server: &Server) -> bool {
    server.families().iter().any(|family| family.ended == Some(Ended::RefreshTokenReused))
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

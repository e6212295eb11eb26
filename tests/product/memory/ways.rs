//! The ways that tokens take beside the plain one: encrypted, through TLS, and from one agent to the next. Neither leaves them
//! behind in an agent that rests.

use cred_helper::demo::server::Server;

use super::super::certificates::{home_with, log_in};
use super::super::home::{Home, lasting_server};
use super::super::programs;
use super::super::tls::{Authority, Front};
use super::super::upgrades;
use super::core::{self, Core};
use super::keys;
use super::needles::Needles;

fn can_look() -> bool {
    if !rustix::process::geteuid().is_root() {
        programs::skip("only root takes a core of the agent");
        return false;
    }
    !programs::missing(&["gcore"])
}

/// Looks for whatever the server has issued and for the vault's keys; the text of what it found.
#[track_caller]
fn assert_clean(home: &Home, server: &Server, least: usize) {
    let pid = home.agent_pid();
    let core = Core::of_idle(pid, 0, home.path());
    let mut needles = Needles::new();
    let tokens = server.issued_tokens();
    assert!(tokens.len() >= least, "{} tokens", tokens.len());
    tokens.iter().enumerate().for_each(|(n, token)| needles.add(&format!("token {n}"), token.as_bytes()));
    keys::of_vault(home).iter().for_each(|(name, key)| needles.add(name, key));
    needles.add("the key to the secrets in memory", &core::key_in_locked_page(pid));
    let found = needles.find(&core.bytes).into_iter();
    let shown: Vec<_> = found.map(|found| format!("{} at {}", found.what, core.place(found.at))).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Every kind of token, twice.
fn use_tokens(home: &Home) {
    for _ in 0..2 {
        for more in [&[][..], &["--token-type", "id"], &["--audience", "https://api.example/"]] {
            home.ok(&[&["get-token"], more].concat());
        }
        home.ok(&["refresh"]);
    }
    home.token();
}

#[test]
fn tokens_that_came_through_tls_are_not_left_behind() {
    if !can_look() {
        return;
    }
    let (server, authority) = (lasting_server(), Authority::new("ours"));
    let front = Front::of(&server.issuer(), authority.issues("localhost", 2999));
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let home = home_with(&server, &front, &format!("hide_memory_key = false\nca_file = '{}'", ca.display()));
    log_in(&home);
    use_tokens(&home);
    assert!(server.is_live(&home.token()));
    assert_clean(&home, &server, 10);
}

#[test]
fn a_successor_holds_no_more_in_clear_than_the_agent_before_it() {
    if !can_look() {
        return;
    }
    let server = lasting_server();
    let mut home = upgrades::signed_in(&server, "0.2.0");
    home.configure("hide_memory_key = false\n");
    home.ok(&["agent", "stop"]);
    use_tokens(&home);
    for version in ["0.3.0", "0.4.0"] {
        let before = home.agent_pid();
        home.install(version);
        home.ok(&["agent", "restart"]);
        assert_ne!(home.agent_pid(), before, "another process");
        // What was handed over, and before anything new has come.
        assert_clean(&home, &server, 10);
        use_tokens(&home);
    }
    assert_clean(&home, &server, 20);
}

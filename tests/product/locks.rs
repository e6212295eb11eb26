//! Locking while everybody asks, and passphrases by the dozen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cred_helper::demo::server::Behaviour;

use super::home::{Home, ended, lasting_server, server};
use super::tokens::wait_for_expiry_of;
use super::vaults::with_passphrase;

#[test]
fn a_lock_under_load_loses_no_login_and_lets_nobody_through_afterwards() {
    let (slow, well) = (server(Duration::from_secs(1)), lasting_server());
    let home = Home::signed_in(&well);
    let fresh = home.json(&["status", "--json"])["accounts"][0]["account"].as_str().unwrap().to_owned();
    home.log_in(&slow, &["--account", "slow"]);
    let accounts = home.json(&["status", "--json"]);
    let all = accounts["accounts"].as_array().unwrap();
    let expired = all.iter().map(|account| account["account"].as_str().unwrap()).find(|name| *name != fresh);
    let expired = expired.unwrap().to_owned();
    wait_for_expiry_of(&home, &expired);
    // Long enough for the lock to come meanwhile, where programs take their time to start.
    let answers_after = Duration::from_secs(if cfg!(windows) { 10 } else { 1 });
    slow.set_behaviour(Behaviour::DelayAnswer(answers_after), 1);
    let waiting: Vec<_> = (0..8).map(|_| home.start(&["get-token", &expired])).collect();
    let sent = |log: &[cred_helper::demo::server::Entry]| log.iter().any(|entry| entry.is_grant("refresh_token"));
    assert!(slow.wait_for(Duration::from_secs(30), sent));

    let (locked, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ask = || {
            let mut asked = 0;
            while !over.load(Ordering::Acquire) {
                let after = locked.load(Ordering::Acquire);
                let ended = home.run(&["get-token", &fresh]);
                assert!(matches!(ended.code, 0 | 14), "{}", ended.stderr);
                assert!(!after || ended.code == 14, "a token after the lock");
                asked += 1;
            }
            asked
        };
        let askers: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        home.ok(&["lock"]);
        locked.store(true, Ordering::Release);
        for _ in 0..5 {
            assert_eq!(home.run(&["get-token", &fresh]).code, 14);
        }
        over.store(true, Ordering::Release);
        assert!(askers.into_iter().map(|asker| asker.join().unwrap()).sum::<usize>() > 0);
    });
    for client in waiting {
        let ended = ended(client.wait_with_output().unwrap());
        // The exchange was under way: its outcome is kept; whoever waited for it is told why there is no token.
        assert_eq!((ended.code, ended.stdout.as_str()), (14, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("the vault is locked"), "{}", ended.stderr);
    }
    assert!(slow.families().iter().all(|family| family.ended.is_none()));
    home.kill_agent();
    assert_eq!(home.run(&["get-token", &fresh]).code, 14, "restarts included");
    home.ok(&["unlock"]);
    // What came while it locked was kept: an older refresh token would have ended the login.
    assert!(!home.ok(&["get-token", &expired]).is_empty());
    assert!(slow.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn a_lock_that_has_to_wait_for_a_server_says_so() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let quiet = home.run(&["lock"]);
    assert_eq!((quiet.code, quiet.stderr.lines().count()), (0, 1), "{}", quiet.stderr);
    home.ok(&["unlock"]);
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(5)), 1);
    let refresh = home.start(&["refresh"]);
    let sent = |log: &[cred_helper::demo::server::Entry]| log.iter().any(|entry| entry.is_grant("refresh_token"));
    assert!(server.wait_for(Duration::from_secs(30), sent));
    let locked = home.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.stderr);
    let said: Vec<&str> = locked.stderr.lines().collect();
    assert_eq!(said[0], "Waiting for 1 exchange with authorization servers, at most 20 s.");
    assert!(said[1].starts_with("Locked."), "{said:?}");
    assert_eq!(ended(refresh.wait_with_output().unwrap()).code, 14);
    home.ok(&["unlock"]);
    home.ok(&["refresh"]);
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn of_many_wrong_passphrases_at_once_one_is_tried() {
    let home = Home::new();
    assert_eq!(with_passphrase(&home, &["vault", "slot", "add", "passphrase"], "correct horse").code, 0);
    home.ok(&["lock"]);
    let said: Vec<String> = std::thread::scope(|scope| {
        let guess = |n: usize| with_passphrase(&home, &["unlock"], &format!("guess {n}"));
        let guesses: Vec<_> = (0..8).map(|n| scope.spawn(move || guess(n))).collect();
        guesses
            .into_iter()
            .map(|guess| guess.join().unwrap())
            .map(|ended| {
                assert_eq!(ended.code, 24, "{}", ended.stderr);
                ended.stderr
            })
            .collect()
    });
    // Each that is tried makes the next wait twice as long; on a busy machine they may be seconds apart.
    let tried = said.iter().filter(|said| said.contains("the passphrase is wrong")).count();
    assert!((1..=4).contains(&tried), "{said:?}");
    // The waits are this agent's memory. Whoever may end it may read the slot, too, and guess without it: what such a one
    // waits for is Argon2id.
    home.kill_agent();
    assert!(with_passphrase(&home, &["unlock"], "another guess").stderr.contains("the passphrase is wrong"));
}

//! Agents that end while they are asked: by `stop`, by `restart`, by a kill. Whoever asks gets an answer from the next one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::home::{Home, lasting_server};

const CLIENTS: usize = 8;
const ROUNDS: usize = 8;

/// What clients ask all the while, each with nothing that could hide a failure.
const QUESTIONS: &[&[&str]] = &[&["get-token"], &["vault", "slot", "list"], &["status"], &["account", "list"]];

#[test]
fn whoever_asks_while_agents_stop_restart_and_die_gets_an_answer() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (home, token, over, answered) = (&home, &token, &over, &answered);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let question = QUESTIONS[client % QUESTIONS.len()];
                    let ended = home.run(question);
                    assert_eq!(ended.code, 0, "{question:?}: {}", ended.stderr);
                    assert!(question[0] != "get-token" || ended.stdout.trim_end() == *token);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let over = Over(&over);
        for _ in 0..ROUNDS {
            home.ok(&["agent", "stop"]);
            home.ok(&["agent", "restart"]);
            // Nobody else ends it, so it is still the one that says so.
            let pid = home.json(&["agent", "status", "--json", "--no-start"])["pid"].as_i64().unwrap();
            home.kill(pid.try_into().unwrap());
            home.ok(&["agent", "start"]);
        }
        drop(over);
    });
    eprintln!("{} answers", answered.load(Ordering::Relaxed));
    assert_eq!(home.token(), token);
}

/// Sets it, however the test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! What one caller notices while others attack the agent's socket: the time of one question on a connection of its own that
//! 99 of 100 don't exceed. Quiet; with the same attackers busy against another process, which takes what they send and
//! nothing more (what their share of the processors costs, no agent can give back); and under the attack itself.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::ipc::message::token::GetToken;

use super::attackers::{self, ATTACKS, Attack};
use super::home::{Home, lasting_server};
use super::{milliseconds, socket};

const QUESTIONS: usize = 2000;
/// Fewer questions do where they take long.
const ENOUGH: Duration = Duration::from_secs(15);
/// No question takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let (socket, sink) = (socket(&home), home.path().join("sink.sock"));
    let sinking = Ended(attackers::begin(&["sink", sink.to_str().unwrap()]));
    for attack in ATTACKS {
        let before = resident(&home);
        let (quiet, _) = percentile_99(&socket);
        let floor = under(attack, &sink, || percentile_99(&socket).0);
        let ((meanwhile, unanswered), during) = under(attack, &socket, || (percentile_99(&socket), resident(&home)));
        println!(
            "attack: {}: 99 of 100 answered within {:.2} ms, quiet {:.2} ms, ratio {:.1}; with the attackers elsewhere {:.2} ms, ratio {:.1}; \
             {unanswered} without an answer; RSS {before} KiB before, {during} meanwhile, {} afterwards",
            attack.name,
            milliseconds(meanwhile),
            milliseconds(quiet),
            meanwhile.as_secs_f64() / quiet.as_secs_f64(),
            milliseconds(floor),
            meanwhile.as_secs_f64() / floor.as_secs_f64(),
            resident(&home)
        );
    }
    drop(sinking);
}

/// What is measured while the attackers, in a process of their own, are at this socket.
fn under<T>(attack: &Attack, socket: &Path, measured: impl FnOnce() -> T) -> T {
    let attackers = Ended(attackers::begin(&["attack", attack.name, socket.to_str().unwrap()]));
    let measured = measured();
    drop(attackers);
    measured
}

/// Ends it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn resident(home: &Home) -> u64 {
    home.json(&["agent", "status", "--json"])["memory"]["rss_kib"].as_u64().unwrap()
}

/// What 99 of 100 questions don't exceed, and how many had no answer.
fn percentile_99(socket: &Path) -> (Duration, usize) {
    let one = || {
        let began = Instant::now();
        let mut client = Client::connect(socket).ok()?;
        client.set_deadline(PATIENCE);
        client.call(&GetToken::default()).ok()?;
        Some(began.elapsed())
    };
    let began = Instant::now();
    let mut asked = Vec::new();
    while asked.len() < QUESTIONS && (asked.len() < 100 || began.elapsed() < ENOUGH) && began.elapsed() < PATIENCE {
        asked.push(one());
    }
    let mut times: Vec<_> = asked.iter().copied().flatten().collect();
    times.sort();
    (times.get(times.len() * 99 / 100).copied().unwrap_or(PATIENCE), asked.len() - times.len())
}

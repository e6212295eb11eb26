//! The figures: release programs, a real agent and the strict server of the demonstration, one line for each figure.
//!
//! Nothing here is a test of time: a figure is printed, never compared. What must hold on any machine (everybody served,
//! one refresh) is asserted.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "prints figures, stops where it fails"
)]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "there is no other crate to see it or document it for")]
#![cfg(target_os = "linux")]

mod asked;
mod attack;
mod attackers;
#[path = "../../tests/product/servers/faults.rs"]
mod faults;
#[path = "../../tests/product/crashes/fell.rs"]
mod fell;
mod floor;
mod helpers;
#[path = "../../tests/product/home.rs"]
mod home;
mod idle;
mod kills;
mod servers;
mod stampede;
mod targets;

use std::time::Duration;

const FIGURES: &[(&str, fn())] = &[
    ("stampede", stampede::measure),
    ("attack", attack::measure),
    ("servers", servers::measure),
    ("floor", floor::measure),
    ("asked", asked::measure),
    ("helpers", helpers::measure),
    ("targets", targets::measure),
    ("kills", kills::measure),
    ("idle", idle::measure),
];

fn main() {
    // cargo bench adds arguments of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    attackers::play(&asked);
    for (name, measure) in FIGURES {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            measure();
        }
    }
}

/// The middle one, and the one that 95 of 100 don't exceed.
fn median_and_p95(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 95 / 100])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Until the account's token has ended, by the machine's clock.
fn wait_for_expiry(home: &home::Home, account: &str) {
    let status = home.json(&["account", "show", account, "--json"]);
    let end = Duration::from_secs(status["expires_at"].as_u64().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::thread::sleep(end.saturating_sub(now));
}

/// The account at a server, by its name.
fn account_of(home: &home::Home, server: &cred_helper::demo::server::Server) -> String {
    let status = home.json(&["status", "--json"]);
    let accounts = status["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["issuer"] == server.issuer().as_str()).unwrap();
    account["account"].as_str().unwrap().to_owned()
}

/// Where the agent of this home listens.
fn socket(home: &home::Home) -> std::path::PathBuf {
    home.json(&["agent", "status", "--json"])["socket"].as_str().unwrap().into()
}

//! One account's server misbehaves in every way of the tests' table, one after the other; what another account's callers
//! notice of it.

use std::process::Child;
use std::time::{Duration, Instant};

use cred_helper::demo::server::Server;

use super::faults::{Fault, passing, server_for};
use super::home::{Home, lasting_server};
use super::{account_of, median_and_p95, milliseconds, wait_for_expiry};

/// Of each kind for each fault; idle ones half before it and half after, so that whatever else the machine does hits both.
const RUNS: usize = 100;

pub(crate) fn measure() {
    let well = lasting_server();
    let home = Home::signed_in(&well);
    let other = account_of(&home, &well);
    let mut worst = (0.0, "");
    for fault in passing(&well.url("/token")) {
        let server = server_for(fault.rotation);
        home.log_in(&server, &["--account", fault.name]);
        let account = account_of(&home, &server);
        wait_for_expiry(&home, &account);
        let mut idle = times(&home, &other, RUNS / 2);
        let waiting = misbehave(&home, &account, &server, &fault);
        let meanwhile = times(&home, &other, RUNS);
        waiting.into_iter().for_each(end);
        home.ok(&["logout", &account]);
        idle.extend(times(&home, &other, RUNS / 2));
        let ((idle, idle_late), (meanwhile, late)) = (median_and_p95(idle), median_and_p95(meanwhile));
        let ratio = meanwhile.as_secs_f64() / idle.as_secs_f64();
        println!(
            "servers: {}: another account's get-token takes {:.2} ms (95 of 100: {:.2}), idle {:.2} ms ({:.2}), ratio {ratio:.2}",
            fault.name,
            milliseconds(meanwhile),
            milliseconds(late),
            milliseconds(idle),
            milliseconds(idle_late),
        );
        if ratio > worst.0 {
            worst = (ratio, fault.name);
        }
    }
    println!("servers: the worst ratio is {:.2} ({})", worst.0, worst.1);
}

/// Eight programs that wait for the account whose server does this.
fn misbehave(home: &Home, account: &str, server: &Server, fault: &Fault) -> Vec<Child> {
    server.set_behaviour(fault.behaviour.clone(), usize::MAX);
    (0..8).map(|_| home.start(&["get-token", account, "--timeout", "60s"])).collect()
}

fn end(mut client: Child) {
    // It may have ended by itself.
    let _ = client.kill();
    client.wait().unwrap();
}

fn times(home: &Home, account: &str, runs: usize) -> Vec<Duration> {
    let one = || {
        let began = Instant::now();
        home.ok(&["get-token", account]);
        began.elapsed()
    };
    (0..runs).map(|_| one()).collect()
}

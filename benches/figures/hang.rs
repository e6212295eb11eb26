//! One server never answers; what another account's callers notice of it.

use std::time::{Duration, Instant};

use cred_helper::demo::server::{Behaviour, Options, Server};

use super::home::{Home, lasting_server};
use super::{account_of, median_and_p95, milliseconds, wait_for_expiry};

const RUNS: usize = 300;

pub(crate) fn measure() {
    let options = Options { access_token_lifetime: Duration::from_secs(1), ..Options::default() };
    let hanging = Server::start(options).unwrap();
    let well = lasting_server();
    let home = Home::signed_in(&well);
    home.log_in(&hanging, &["--account", "slow"]);
    let (slow, other) = (account_of(&home, &hanging), account_of(&home, &well));
    wait_for_expiry(&home, &slow);
    let idle = times(&home, &other);
    hanging.set_behaviour(Behaviour::Hang, 1000);
    let mut waiting: Vec<_> = (0..8).map(|_| home.start(&["get-token", &slow, "--timeout", "60s"])).collect();
    assert!(hanging.wait_for(Duration::from_secs(10), |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    let meanwhile = times(&home, &other);
    for client in &mut waiting {
        assert!(client.try_wait().unwrap().is_none(), "it still waits");
        client.kill().unwrap();
        client.wait().unwrap();
    }
    let ((idle, idle_late), (meanwhile, late)) = (median_and_p95(idle), median_and_p95(meanwhile));
    println!(
        "hanging server: another account's get-token takes {:.2} ms (95 of 100: {:.2}), idle {:.2} ms ({:.2}), ratio {:.2}",
        milliseconds(meanwhile),
        milliseconds(late),
        milliseconds(idle),
        milliseconds(idle_late),
        meanwhile.as_secs_f64() / idle.as_secs_f64()
    );
}

fn times(home: &Home, account: &str) -> Vec<Duration> {
    let one = || {
        let began = Instant::now();
        home.ok(&["get-token", account]);
        began.elapsed()
    };
    (0..RUNS).map(|_| one()).collect()
}

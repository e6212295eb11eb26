//! What it costs to know who asks: `get-token` from an agent that logs every request, and from one that logs none.

use super::floor::time;
use super::home::{Home, lasting_server};
use super::{median_and_p95, milliseconds};

const RUNS: usize = 1000;

pub(crate) fn measure() {
    let server = lasting_server();
    let homes = ["enabled = true", "enabled = false"].map(|audit| {
        let home = Home::new();
        home.configure(&format!("[audit]\n{audit}\n"));
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        home.log_in(&server, &[]);
        home
    });
    let tokens = homes.each_ref().map(|home| format!("{}\n", home.token()));
    let mut times = [Vec::new(), Vec::new()];
    // In turns, so that whatever else the machine does hits both.
    for run in 0..RUNS + 20 {
        for at in 0..2 {
            let took = time(homes[at].command(&["get-token"]), &tokens[at]);
            if run >= 20 {
                times[at].push(took);
            }
        }
    }
    let [(logged, logged_p95), (silent, silent_p95)] = times.map(median_and_p95);
    println!(
        "asked: get-token logged {:.2} ms (p95 {:.2}), not logged {:.2} ms (p95 {:.2}), ratio {:.2}",
        milliseconds(logged),
        milliseconds(logged_p95),
        milliseconds(silent),
        milliseconds(silent_p95),
        logged.as_secs_f64() / silent.as_secs_f64()
    );
}

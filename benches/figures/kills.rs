//! The agent is killed at random instants while it refreshes, against a server that ends a login whose refresh token comes
//! twice.
//!
//! Where each kill fell is told by the server's own clock (`fell.rs`): between rotation and answer nobody could have saved
//! the login. Later kills are counted with their distance from the moment the server handed its answer to the connection.

use std::time::{Duration, Instant};

use cred_helper::demo::server::{Behaviour, Ended, Entry, Server};
use rustix::event::{PollFd, PollFlags};

use super::fell::{Fell, fell};
use super::home::{Home, lasting_server};
use super::{median_and_p95, milliseconds};

const KILLS: usize = 200;
/// From rotation to answer.
const ANSWER_AFTER: Duration = Duration::from_millis(3);

/// Where the kills fell, and what they cost.
#[derive(Debug, Default)]
struct Result {
    before: usize,
    in_the_window: usize,
    after: usize,
    lost_before: usize,
    lost_in_the_window: usize,
    /// How long after the server had begun to answer.
    lost_after: Vec<Duration>,
}

pub(crate) fn measure() {
    let span = usual_time().mul_f64(1.3);
    let (mut result, mut seed, mut refreshes) = (Result::default(), 0x2545_F491_4F6C_DD1D_u64, 0);
    let mut fresh = None;
    for _ in 0..KILLS {
        let (server, started, home) = fresh.take().unwrap_or_else(signed_in);
        // xorshift: spread over the whole refresh, and the same in every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let wait = span.mul_f64((seed >> 11) as f64 / (1_u64 << 53) as f64);
        let (request, killed) = kill_while_refreshing(&server, started, &home, wait);
        let served = home.run(&["refresh"]);
        let alive = served.code == 0 && server.is_live(&home.token());
        refreshes += server.count_grant("refresh_token");
        note(&mut result, request, killed, alive);
        if !alive {
            let reused = server.families().iter().any(|family| family.ended == Some(Ended::RefreshTokenReused));
            assert!(reused, "lost for another reason: {}", served.stderr);
            continue;
        }
        refreshes -= server.count_grant("refresh_token");
        fresh = Some((server, started, home));
    }
    if let Some((server, ..)) = fresh {
        refreshes += server.count_grant("refresh_token");
    }
    print(&result, refreshes, span);
}

fn signed_in() -> (Server, Instant, Home) {
    let server = lasting_server();
    let started = Instant::now();
    let home = Home::signed_in(&server);
    server.set_behaviour(Behaviour::DelayAnswer(ANSWER_AFTER), usize::MAX);
    (server, started, home)
}

/// What a refresh takes, from the client's start to its end.
fn usual_time() -> Duration {
    let (_server, _, home) = signed_in();
    let one = || {
        let began = Instant::now();
        home.ok(&["refresh"]);
        began.elapsed()
    };
    median_and_p95((0..30).map(|_| one()).collect()).0
}

/// The request, if it reached the server, and when the agent was killed.
fn kill_while_refreshing(server: &Server, started: Instant, home: &Home, wait: Duration) -> (Option<Entry>, Duration) {
    let pid = rustix::process::Pid::from_raw(home.agent_pid()).unwrap();
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let before = server.count_grant("refresh_token");
    let mut refresh = home.start(&["refresh", "--no-start"]);
    std::thread::sleep(wait);
    let killed = started.elapsed();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // Its socket goes on taking connections until it is gone.
    rustix::event::poll(&mut [PollFd::new(&handle, PollFlags::IN)], None).unwrap();
    refresh.wait().unwrap();
    let mut requests = server.log().into_iter().filter(|entry| entry.is_grant("refresh_token"));
    (requests.nth(before), killed)
}

fn note(result: &mut Result, request: Option<Entry>, killed: Duration, alive: bool) {
    match fell(request.as_ref(), killed) {
        Fell::Before => {
            result.before += 1;
            result.lost_before += usize::from(!alive);
        }
        Fell::InTheWindow => {
            result.in_the_window += 1;
            result.lost_in_the_window += usize::from(!alive);
        }
        Fell::After(late) => {
            result.after += 1;
            result.lost_after.extend((!alive).then_some(late));
        }
    }
}

fn print(result: &Result, refreshes: usize, span: Duration) {
    let latest = result.lost_after.iter().max().copied().unwrap_or_default();
    println!(
        "kills: {KILLS} over {refreshes} refreshes, spread over {:.1} ms; lost of {} killed before the request: {}; of {} between \
         rotation and answer: {} (nobody can save those); of {} after the answer was sent: {} (at most {:.2} ms after it)",
        milliseconds(span),
        result.before,
        result.lost_before,
        result.in_the_window,
        result.lost_in_the_window,
        result.after,
        result.lost_after.len(),
        milliseconds(latest)
    );
}

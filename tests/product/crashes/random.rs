//! The agent ended at random instants while it refreshes many accounts at once: by SIGKILL, by SIGTERM, by `agent stop`, and
//! closed by `lock`. Each account has a server of its own, which ends a login whose refresh token comes twice, and whose own
//! log says what a kill could have saved.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::demo::server::{Behaviour, Entry, Server};
use cred_helper::ipc::message::token::{RefreshToken, Refreshed};
use rustix::process::Signal;

use super::fell::{Fell, fell};
use crate::home::{Home, lasting_server};

/// How the agent ends, or is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Kill,
    Terminate,
    Stop,
    Lock,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) refreshes: usize,
    pub(super) ends: usize,
    /// Requests under way at those instants, by where the instant fell.
    pub(super) before: usize,
    pub(super) in_the_window: usize,
    pub(super) after: usize,
    /// Lost although the server had rotated for nobody: nobody can save those.
    pub(super) lost_in_the_window: usize,
    /// Lost so long after the server had begun to answer, and before it was written down here.
    pub(super) lost_in_memory: Vec<Duration>,
    /// Lost although they were on the disk, or had not been asked for: there is no excuse.
    pub(super) lost: usize,
    /// From the end of an agent to the next served refresh of every account.
    pub(super) worst_delay: Duration,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        let Self { refreshes, ends, before, in_the_window, after, .. } = other;
        let Self { lost_in_the_window, lost_in_memory, lost, worst_delay, .. } = other;
        self.refreshes += refreshes;
        self.ends += ends;
        self.before += before;
        self.in_the_window += in_the_window;
        self.after += after;
        self.lost_in_the_window += lost_in_the_window;
        self.lost_in_memory.extend(lost_in_memory);
        self.lost += lost;
        self.worst_delay = self.worst_delay.max(worst_delay);
    }

    /// How late the answer was lost at the most, after the server had begun to give it.
    fn latest(&self) -> Duration {
        self.lost_in_memory.iter().max().copied().unwrap_or_default()
    }

    /// One account's part in one end.
    fn note(&mut self, fell: Fell, lost: bool, on_disk: bool) {
        match fell {
            Fell::Before => self.before += 1,
            Fell::InTheWindow => self.in_the_window += 1,
            Fell::After(_) => self.after += 1,
        }
        match fell {
            _ if !lost => {}
            Fell::InTheWindow if !on_disk => self.lost_in_the_window += 1,
            Fell::After(late) if !on_disk => self.lost_in_memory.push(late),
            _ => self.lost += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ends over {} refreshes; fell before the request {}, before its answer {}, after it {}; lost although it could \
             have been saved: {}; lost in the window that nobody closes: {}; lost after the answer and before it was written: \
             {} (at most {:?} later); everybody served again after {:?} at the latest",
            self.ends,
            self.refreshes,
            self.before,
            self.in_the_window,
            self.after,
            self.lost,
            self.lost_in_the_window,
            self.lost_in_memory.len(),
            self.latest(),
            self.worst_delay
        )
    }
}

/// An account and its server.
struct Account {
    server: Server,
    started: Instant,
    name: String,
    /// Refresh requests before the one under way.
    known: usize,
}

impl Account {
    fn new(home: &Home) -> Self {
        let server = lasting_server();
        let started = Instant::now();
        home.log_in(&server, &[]);
        // Something to fall into.
        server.set_behaviour(Behaviour::DelayAnswer(Duration::from_millis(2)), usize::MAX);
        let name = crate::tokens::account_of(home, &server);
        Self { server, started, name, known: 0 }
    }

    fn requests(&self) -> Vec<Entry> {
        self.server.log().into_iter().filter(|entry| entry.is_grant("refresh_token")).collect()
    }

    /// Asks for it until the server has answered or refused; where the end before fell for it.
    fn judge(&self, socket: &Path, ended: Instant) -> Fell {
        let fell = fell(self.requests().get(self.known), ended.saturating_duration_since(self.started));
        let (socket, name) = (socket.to_owned(), self.name.clone());
        let (served, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || served.send(refresh(&socket, &name).is_some()));
        // A login that is over is told from the server: the agent asks once more after three seconds, and is not waited for.
        while !self.is_lost() {
            match answer.recv_timeout(Duration::from_millis(20)) {
                Ok(served) => {
                    assert!(served || self.is_lost(), "{} is not served", self.name);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("nobody asked"),
            }
        }
        fell
    }

    /// Whether its login is over.
    fn is_lost(&self) -> bool {
        self.server.families().last().is_some_and(|family| family.ended.is_some())
    }
}

/// Ends agents of one home, one after the other, while `accounts` accounts are refreshed, until they were `refreshes` times.
pub(super) fn end_at_random(end: End, accounts: usize, refreshes: usize, seed: u64) -> Tally {
    let home = Home::with_vault();
    let mut accounts: Vec<Account> = (0..accounts).map(|_| Account::new(&home)).collect();
    let mut tally = Tally::default();
    let (mut span, mut seed) = (usual_time(&home, &accounts), seed);
    while tally.refreshes < refreshes {
        for account in &mut accounts {
            account.known = account.requests().len();
        }
        // xorshift: spread over the whole of it, and the same in every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let ended = ask_and_end(&home, &accounts, end, span.mul_f64((seed % 1000) as f64 / 1000.0));
        tally.ends += 1;
        let kept = if end == End::Kill { super::stage::rotations(&home) } else { HashMap::new() };
        let took = serve_again(&home, &accounts, ended, &kept, &mut tally);
        // As fast as the machine is now.
        span = (span * 3 + took.mul_f64(1.5)) / 4;
        tally.refreshes = accounts.iter().map(|account| account.requests().len()).sum();
    }
    tally
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("run/cred-helper/agent.sock")
}

fn refresh(socket: &Path, account: &str) -> Option<Refreshed> {
    let mut client = Client::connect(socket).ok()?;
    client.set_deadline(Duration::from_secs(30));
    client.call(&RefreshToken { account: Some(account.to_owned()) }).ok()
}

/// What refreshing all of them takes, half as much again.
fn usual_time(home: &Home, accounts: &[Account]) -> Duration {
    let (began, socket) = (Instant::now(), socket(home));
    std::thread::scope(|scope| {
        for account in accounts {
            scope.spawn(|| refresh(&socket, &account.name).unwrap());
        }
    });
    began.elapsed().mul_f64(1.5)
}

/// Asks for all of them at once, and ends the agent after `wait`; when that was.
fn ask_and_end(home: &Home, accounts: &[Account], end: End, wait: Duration) -> Instant {
    let (pid, socket) = (home.agent_pid(), socket(home));
    std::thread::scope(|scope| {
        for account in accounts {
            scope.spawn(|| refresh(&socket, &account.name));
        }
        std::thread::sleep(wait);
        let ended = Instant::now();
        match end {
            End::Kill => home.signal(pid, Signal::KILL),
            End::Terminate => home.signal(pid, Signal::TERM),
            End::Stop => drop(home.ok(&["agent", "stop"])),
            End::Lock => drop((home.ok(&["lock"]), home.ok(&["unlock"]))),
        }
        ended
    })
}

/// By the next agent every account has to be refreshed again. How long that took.
fn serve_again(
    home: &Home,
    accounts: &[Account],
    ended: Instant,
    kept: &HashMap<String, u64>,
    tally: &mut Tally,
) -> Duration {
    home.ok(&["status"]);
    let (began, socket) = (Instant::now(), socket(home));
    std::thread::scope(|scope| {
        let judged: Vec<_> = accounts.iter().map(|account| scope.spawn(|| account.judge(&socket, ended))).collect();
        for (account, fell) in accounts.iter().zip(judged) {
            let rotations = account.server.families().last().map_or(0, |family| family.refresh_tokens as u64 - 1);
            let on_disk = kept.get(&account.name).is_some_and(|rotation| *rotation == rotations);
            tally.note(fell.join().unwrap(), account.is_lost(), on_disk);
        }
    });
    tally.worst_delay = tally.worst_delay.max(ended.elapsed());
    let took = began.elapsed();
    for account in accounts.iter().filter(|account| account.is_lost()) {
        home.log_in(&account.server, &[]);
    }
    took
}

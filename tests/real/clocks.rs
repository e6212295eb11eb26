//! The real agent while its clocks jump: the wall clock under libfaketime, which leaves the boot clock alone as setting the
//! clock does, and the boot clock in another time namespace.
//!
//! libfaketime does not reach timerfd: the kernel's clock is not set, so the agent hears of nothing and has to see for
//! itself. That the kernel tells of a set clock is shown where root nudges it by less than a millisecond.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cred_helper::demo::server::Server;

use crate::home::{Home, lasting_server};
use crate::support::programs::say_and_skip;

pub(crate) const DAY: i64 = 24 * 3600;
/// In the home: what they say.
pub(crate) const LOG: &str = "foreground.log";
const LIMIT: Duration = Duration::from_secs(60);

/// An agent in the foreground, whose clocks are the test's; it ends with it.
pub(crate) struct Agent<'a> {
    home: &'a Home,
    process: Child,
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.home.run(&["agent", "stop"]);
        // Where it could not be asked.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts it, perhaps by another program, and waits until it says that it serves.
fn start<'a>(home: &'a Home, by: &[&str], variables: &[(&str, &str)]) -> Agent<'a> {
    let notify = home.path().join("run/notify");
    let _ = std::fs::remove_file(&notify);
    let ready = UnixDatagram::bind(&notify).unwrap();
    ready.set_read_timeout(Some(LIMIT)).unwrap();
    let mut arguments = by.to_vec();
    arguments.extend([env!("CARGO_BIN_EXE_cred-helper-agent"), "run"]);
    let mut command = Command::new(arguments[0]);
    command.args(&arguments[1..]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path().join("run")).env("NOTIFY_SOCKET", &notify);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent").envs(variables.iter().copied());
    let log = std::fs::File::options().append(true).create(true).open(home.path().join(LOG)).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let agent = Agent { home, process: command.spawn().unwrap() };
    ready.recv(&mut [0; 64]).expect("it serves");
    agent
}

/// The wall clock as one program sees it.
pub(crate) struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

impl FakeClock {
    pub(crate) fn new(home: &Home) -> Option<Self> {
        let directories = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let library =
            directories.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let Some(library) = library else {
            say_and_skip("libfaketime is not installed");
            return None;
        };
        let clock = Self { library, file: home.path().join("clock") };
        clock.set(0);
        Some(clock)
    }

    /// So many seconds from the real one.
    pub(crate) fn set(&self, seconds: i64) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(next, &self.file).unwrap();
    }

    fn start<'a>(&self, home: &'a Home) -> Agent<'a> {
        self.start_with(home, &[])
    }

    /// With these variables, too.
    pub(crate) fn start_with<'a>(&self, home: &'a Home, more: &[(&str, &str)]) -> Agent<'a> {
        let (library, file) = (self.library.to_str().unwrap(), self.file.to_str().unwrap());
        let variables = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        start(home, &[], &[&variables, more].concat())
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The token, and the seconds from the real time until its end as the agent tells it.
fn token(home: &Home) -> (String, i64) {
    let answer = home.json(&["get-token", "--format", "json", "--no-start"]);
    (answer["token"].as_str().unwrap().to_owned(), answer["expires_at"].as_i64().unwrap() - now())
}

#[track_caller]
fn lasts_an_hour(left: i64) {
    assert!((3000..=3601).contains(&left), "{left} s");
}

/// A home with a vault, and no agent yet.
fn home() -> Home {
    let home = Home::with_vault();
    home.ok(&["agent", "stop"]);
    home
}

fn refreshes(server: &Server) -> usize {
    server.count_grant("refresh_token")
}

#[test]
fn a_token_that_came_while_the_clock_was_days_ahead_ends_when_it_ends() {
    let (server, home) = (lasting_server(), home());
    let Some(clock) = FakeClock::new(&home) else { return };
    clock.set(5 * DAY);
    let agent = clock.start(&home);
    home.log_in(&server, &[]);
    let (first, left) = token(&home);
    lasts_an_hour(left - 5 * DAY);
    clock.set(0);
    let (second, left) = token(&home);
    assert_eq!(second, first, "the boot clock knows that it is new");
    lasts_an_hour(left);
    drop(agent);
    let _agent = clock.start(&home);
    let (third, left) = token(&home);
    assert_eq!(third, first, "and so does an agent that starts anew");
    lasts_an_hour(left);
    assert_eq!(refreshes(&server), 0);
}

#[test]
fn a_clock_that_steps_by_days_costs_each_login_one_refresh_at_most() {
    let (server, home) = (lasting_server(), home());
    let Some(clock) = FakeClock::new(&home) else { return };
    let _agent = clock.start(&home);
    let long = std::env::var_os("CRED_HELPER_TESTS_LONG").is_some();
    let logins = if long { 200 } else { 12 };
    let labels: Vec<String> = (0..logins).map(|label| format!("a{label}")).collect();
    labels.iter().for_each(|label| drop(home.log_in(&server, &["--account", label])));
    let names: Vec<String> = home.json(&["status", "--json"])["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["account"].as_str().unwrap().to_owned())
        .collect();
    let everybody = || names.iter().for_each(|name| assert!(server.is_live(&home.ok(&["get-token", name]))));
    clock.set(-5 * DAY);
    everybody();
    assert_eq!(refreshes(&server), 0, "set back: nothing has ended");
    clock.set(5 * DAY);
    if long && nudge_the_kernels_clock() {
        // Nobody asks: the kernel says that the clock was set.
        let done = |log: &[_]| succeeded(log) >= logins;
        assert!(server.wait_for(LIMIT, done), "{} of {logins}", succeeded(&server.log()));
        eprintln!("{logins} refreshes, at most {} of them in one second", busiest_second(&server));
    }
    (0..2).for_each(|_| everybody());
    assert_eq!(refreshes(&server), logins, "set ahead: one for each");
    clock.set(0);
    everybody();
    assert_eq!(refreshes(&server), logins, "set right again: nothing has ended");
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

fn busiest_second(server: &Server) -> usize {
    let log = server.log();
    let at: Vec<Duration> = log.iter().filter(|entry| entry.is_grant("refresh_token")).map(|entry| entry.at).collect();
    let within = |from: Duration| at.iter().filter(|at| (from..from + Duration::from_secs(1)).contains(*at)).count();
    at.iter().map(|from| within(*from)).max().unwrap_or(0)
}

fn succeeded(log: &[cred_helper::demo::server::Entry]) -> usize {
    log.iter().filter(|entry| entry.is_grant("refresh_token") && entry.succeeded()).count()
}

/// Sets the machine's clock to what it is. False where that is not allowed.
fn nudge_the_kernels_clock() -> bool {
    use rustix::time::{ClockId, clock_gettime, clock_settime};
    let set = clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).is_ok();
    if !set {
        say_and_skip("the machine's clock may not be set");
    }
    set
}

#[test]
fn an_agent_in_a_time_namespace_takes_no_tokens_age_from_another_boot_clock() {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let behind = -uptime.split('.').next().unwrap().parse::<i64>().unwrap() / 2;
    let allowed = Command::new("unshare").args(["--time", "--fork", "--boottime", "1", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        say_and_skip("there are no time namespaces for us");
        return;
    }
    let (server, home) = (lasting_server(), home());
    let first = {
        let _agent = start(&home, &[], &[]);
        home.log_in(&server, &[]);
        token(&home).0
    };
    for offset in [10 * 365 * DAY, behind] {
        let _agent = start(&home, &["unshare", "--time", "--fork", "--boottime", &offset.to_string()], &[]);
        let (there, left) = token(&home);
        assert_eq!(there, first, "{offset} s off");
        lasts_an_hour(left);
        let due = home.json(&["status", "--json"])["accounts"][0]["refresh_at"].as_i64().unwrap() - now();
        assert!((0..3600).contains(&due), "{due} s");
    }
    assert_eq!(refreshes(&server), 0);
}

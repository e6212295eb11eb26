//! A machine that goes to sleep and wakes up, announced by a stand-in for logind on a private bus.

use std::time::Duration;

use cred_helper::demo::server::{Options, Server};

use crate::home::{Home, ended, lasting_server};
use crate::keyring::Session;
use crate::logind::{self, Delay, Logind, OTHERS, OWN};

/// A home whose agent hears of the machine's sleep.
struct Machine {
    home: Home,
    logind: Logind,
    bus: Session,
}

impl Machine {
    fn start(config: &str) -> Option<Self> {
        let bus = Session::start()?;
        let logind = Logind::start(&bus.address);
        let mut home = Home::new();
        home.set("DBUS_SYSTEM_BUS_ADDRESS", &bus.address);
        home.configure(config);
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        Some(Self { home, logind, bus })
    }

    fn log_in(&self, server: &Server, label: &str) -> String {
        self.home.log_in(server, &["--account", label]);
        let accounts = self.home.json(&["status", "--json"]);
        let named = |name: &str| name.ends_with(&format!("/{label}")).then(|| name.to_owned());
        accounts["accounts"].as_array().unwrap().iter().find_map(|one| named(one["account"].as_str()?)).unwrap()
    }

    fn awake(&self) {
        self.logind.announce_sleep(false);
    }

    /// Until the agent has heard everything that was announced so far.
    fn heard(&self, delay: Delay) -> Delay {
        self.logind.announce_sleep(true);
        delay.released();
        self.awake();
        self.logind.delay()
    }
}

fn refreshes(server: &Server) -> usize {
    server.count_grant("refresh_token")
}

#[test]
fn exchanges_under_way_end_before_the_machine_sleeps_and_none_starts_until_it_is_awake() {
    let Some(machine) = Machine::start("") else { return };
    let delay = machine.logind.delay();
    let (what, who, why, how) = delay.arguments.clone();
    assert_eq!((what.as_str(), who.as_str(), how.as_str()), ("sleep", "cred-helper", "delay"), "{why}");
    let server = Server::start(Options { token_delay: Duration::from_secs(1), ..Options::default() }).unwrap();
    let (one, two) = (machine.log_in(&server, "one"), machine.log_in(&server, "two"));

    let under_way = machine.home.start(&["refresh", &one]);
    assert!(server.wait_for(Duration::from_secs(20), |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    machine.logind.announce_sleep(true);
    delay.released();
    assert!(server.log().iter().filter(|entry| entry.is_grant("refresh_token")).all(|entry| entry.succeeded()));
    assert_eq!(ended(under_way.wait_with_output().unwrap()).code, 0);

    let cached = machine.home.ok(&["get-token", &two]);
    assert!(server.is_live(&cached), "what is there is served all the same");
    let asleep = machine.home.run(&["get-token", &two, "--scope", "openid", "--timeout", "1s"]);
    assert!(asleep.code != 0 && asleep.stderr.contains("going to sleep"), "{}", asleep.stderr);
    assert_eq!(refreshes(&server), 1, "nothing was started");

    let waiting = machine.home.start(&["get-token", &two, "--scope", "openid"]);
    machine.awake();
    let delay = machine.logind.delay();
    assert_eq!(ended(waiting.wait_with_output().unwrap()).code, 0, "it goes on by itself");
    machine.logind.announce_sleep(true);
    delay.released();
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn a_vault_that_is_to_lock_before_a_sleep_is_locked_when_the_machine_sleeps() {
    let Some(machine) = Machine::start("[vault]\nlock_on_suspend = true\n") else { return };
    let delay = machine.logind.delay();
    let server = lasting_server();
    machine.log_in(&server, "one");
    let shown = machine.home.ok(&["vault", "status"]);
    assert!(shown.contains("before the machine sleeps"), "{shown}");
    machine.logind.announce_sleep(true);
    delay.released();
    assert_eq!(machine.home.json(&["vault", "status", "--json"])["state"], "locked");
    machine.awake();
    machine.logind.delay();
    assert_eq!(machine.home.run(&["get-token"]).code, 14, "waking up unlocks nothing");
    machine.home.ok(&["unlock"]);
    assert!(server.is_live(&machine.home.token()));
}

#[test]
fn a_vault_is_locked_with_its_own_users_screen_only_and_only_if_that_is_wished() {
    for wished in [false, true] {
        let Some(machine) = Machine::start(&format!("[vault]\nlock_on_screen_lock = {wished}\n")) else { return };
        let delay = machine.logind.delay();
        let server = lasting_server();
        machine.log_in(&server, "one");
        machine.logind.announce_screen_lock(OTHERS);
        let delay = machine.heard(delay);
        assert!(server.is_live(&machine.home.token()));
        machine.logind.announce_screen_lock(OWN);
        machine.heard(delay);
        let code = machine.home.run(&["get-token"]).code;
        assert_eq!(code, if wished { 14 } else { 0 });
    }
}

/// Anybody may send anything to anybody on a bus: whose word it is counts.
#[test]
fn a_stranger_on_the_bus_puts_nobody_to_sleep_and_locks_nothing() {
    let config = "[vault]\nlock_on_suspend = true\nlock_on_screen_lock = true\n";
    let Some(mut machine) = Machine::start(config) else { return };
    let held = machine.logind.delay();
    let server = lasting_server();
    machine.log_in(&server, "one");
    assert!(logind::forged(&machine.bus.address) > 1, "sent to all, and to each");
    // What was sent before has been heard by whoever hears that there is another logind.
    drop((held, machine.logind));
    machine.logind = Logind::start(&machine.bus.address);
    let delay = machine.logind.delay();
    assert_eq!(machine.home.json(&["vault", "status", "--json"])["state"], "unlocked");
    machine.home.ok(&["refresh"]);
    assert!(server.is_live(&machine.home.token()));
    // The same words of logind's own are obeyed.
    machine.logind.announce_sleep(true);
    delay.released();
    assert_eq!(machine.home.json(&["vault", "status", "--json"])["state"], "locked");
}

#[test]
fn without_logind_nothing_is_lost_and_the_doctor_says_what_cannot_be_done() {
    let server = lasting_server();
    let home = Home::new();
    home.configure("[vault]\nlock_on_suspend = true\n");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
    let doctor = home.run(&["doctor"]);
    let said = format!("{}{}", doctor.stdout, doctor.stderr);
    assert!(said.contains("not locked on suspend") && said.contains("bus"), "{said}");
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(!log.contains("sleep"), "{log}");
}

//! Desktops as they are on bad days: much to show at once, and a notification service that ends as soon as it is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::clocks::{DAY, FakeClock, LOG};
use crate::home::lasting_server;
use crate::keyring::Session;
use crate::notices::{dies, home_on, signed_in, tells_of_death};
use crate::notifier::{Mood, NAME, Notifier};
use crate::support::programs::missing;

/// More than a D-Bus connection keeps for whoever doesn't read.
const MANY: usize = 70;

#[test]
fn much_at_once_is_all_shown() {
    let Some(session) = Session::start() else { return };
    let home = home_on(&session);
    home.configure("log = 'debug'\n[providers.keyed]\napi.key_header = 'x-api-key'\n");
    home.ok(&["agent", "stop"]);
    let Some(clock) = FakeClock::new(&home) else { return };
    let agent = clock.start_with(&home, &[]);
    for number in 0..MANY {
        let account = format!("keyed/{number}");
        let set = home.run_with(&["api-key", "set", &account, "--expires", "90d", "--no-start"], "a-key");
        assert_eq!(set.code, 0, "{}", set.stderr);
    }
    drop(agent);
    clock.set(80 * DAY);
    let notifier = Notifier::start(&session.address, Mood::Well);
    let agent = clock.start_with(&home, &[("DBUS_SESSION_BUS_ADDRESS", &session.address)]);
    home.ok(&["status", "--no-start"]);
    let mut told: Vec<String> = (0..MANY).map(|_| notifier.next().summary).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), MANY);
    drop(agent);
    let log = fs::read_to_string(home.path().join(LOG)).unwrap();
    assert!(log.contains("the vault is open") && !log.contains("a notification was not shown"), "{log}");
}

#[test]
fn a_service_that_ends_with_a_notification_takes_no_other_with_it() {
    let Some(session) = Session::start() else { return };
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one", "two"], "");
    server.revoke_everything();
    dies(&home, "demo/one");
    dies(&home, "demo/two");
    let mut told = Vec::new();
    for mood in [Mood::Ending, Mood::Well] {
        let notifier = Notifier::start(&session.address, mood);
        told.push(notifier.next());
        drop(notifier);
        // Time enough to show the other one to nobody.
        (0..10).for_each(|_| drop(home.ok(&["status"])));
    }
    told.sort_by(|one, other| one.summary.cmp(&other.summary));
    tells_of_death(&told[0], "demo/one", &server);
    tells_of_death(&told[1], "demo/two", &server);
}

/// A service that takes its name and ends, as one does that finds no display; and the file with a line for each start.
fn crashing(directory: &Path) -> (PathBuf, PathBuf) {
    let (program, starts) = (directory.join("crashes"), directory.join("starts"));
    let request = "/org/freedesktop/DBus org.freedesktop.DBus.RequestName";
    let script = format!(
        "#!/bin/sh\necho started >>'{}'\n\
         exec dbus-send --session --print-reply --dest=org.freedesktop.DBus {request} string:{NAME} uint32:0\n",
        starts.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    (program, starts)
}

#[test]
fn a_service_that_ends_at_once_is_not_started_again_and_again() {
    if missing(&["dbus-send"]) {
        return;
    }
    let Some(session) = Session::start() else { return };
    let (program, starts) = crashing(&session.directory("services"));
    session.starts(NAME, &program);
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one", "two"], "");
    server.revoke_everything();
    dies(&home, "demo/one");
    dies(&home, "demo/two");
    session.starts_no_more(NAME);
    // Whoever comes by themselves is found.
    let notifier = Notifier::start(&session.address, Mood::Well);
    let mut told = [notifier.next(), notifier.next()];
    told.sort_by(|one, other| one.summary.cmp(&other.summary));
    tells_of_death(&told[0], "demo/one", &server);
    tells_of_death(&told[1], "demo/two", &server);
    let starts = fs::read_to_string(starts).unwrap().lines().count();
    // Once for each death, and once for whatever it was that was not heard at the first.
    assert!((1..=3).contains(&starts), "{starts} times");
}

//! A real notification service, on a display that nobody sees: what it makes of what it is sent.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::home::lasting_server;
use crate::keyring::Session;
use crate::notices::signed_in;
use crate::support::programs::missing;

/// A display and a desktop may be slow to start.
const LIMIT: Duration = Duration::from_secs(60);

/// Programs that end with the test.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            // Killed, a display would leave its lock behind.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command.env("XDG_RUNTIME_DIR", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A configuration by which each notification goes to a pipe as it is shown.
fn configuration(home: &Path) -> (PathBuf, PathBuf) {
    let (file, script, pipe) = (home.join("dunstrc"), home.join("shown"), home.join("pipe"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let lines = r#"printf '%s\n' "$DUNST_APP_NAME" "$DUNST_SUMMARY" "$DUNST_BODY" "$DUNST_URGENCY""#;
    fs::write(&script, format!("#!/bin/sh\n{lines} >'{}'\n", pipe.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let rule =
        format!("[global]\n    markup = full\n[every]\n    summary = \"*\"\n    script = {}\n", script.display());
    fs::write(&file, rule).unwrap();
    (file, pipe)
}

#[test]
fn dunst_shows_which_login_is_dead_and_what_to_run() {
    if missing(&["Xvfb", "dunst"]) {
        return;
    }
    let Some(session) = Session::start() else { return };
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one"], "");
    server.revoke_everything();
    assert_eq!(home.run(&["refresh", "demo/one"]).code, 10);

    let directory = home.make_private("desktop");
    let mut display = program("Xvfb", &directory);
    display.args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]).stdout(Stdio::piped());
    let mut running = Running(vec![display.spawn().unwrap()]);
    let mut number = String::new();
    // It says so once it serves.
    BufReader::new(running.0[0].stdout.take().unwrap()).read_line(&mut number).unwrap();
    let (file, pipe) = configuration(&directory);
    let mut dunst = program("dunst", &directory);
    dunst.arg("-conf").arg(file).env("DISPLAY", format!(":{}", number.trim()));
    running.0.push(dunst.env("DBUS_SESSION_BUS_ADDRESS", &session.address).spawn().unwrap());

    // The agent sees it appear. Nothing else is shown before or after.
    let (read, shown) = mpsc::channel();
    thread::spawn(move || read.send(fs::read_to_string(pipe)));
    let shown = shown.recv_timeout(LIMIT).expect("dunst shows something").unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let body = "Its server takes this login no more. To sign in again, run: cred-helper login demo --account one";
    assert_eq!(lines, ["cred-helper", "demo/one is signed out", body, "NORMAL"]);
}

//! Successors that don't come up, either half killed at each step, and agents that are succeeded by themselves.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::home::{Home, ended, lasting_server, server};
use super::tokens::wait_for_expiry;
use super::upgrades::{Raw, signed_in};

#[test]
fn the_old_agent_goes_on_if_no_new_one_comes_up() {
    let server = lasting_server();
    let mut home = signed_in(&server, "0.2.0");
    let (pid, token) = (home.agent_pid(), home.token());
    let mut idle = Raw::connect(&home);
    let cases = [
        ("it ends at once", "exit 0"),
        ("it knows nothing of this", "echo 'usage: ...' >&2; exit 2"),
        ("it talks nonsense", "head -c 100000 /dev/zero >&0"),
        ("it says it serves and does not", "printf '\\022\\000\\000\\000{\"step\":\"serving\"}' >&0; read line"),
        ("it dies of a signal", "kill -9 $$"),
        ("it can't be run", "#"),
    ];
    for (name, script) in cases {
        home.install_script(script);
        if script == "#" {
            fs::write(home.path().join("bin/agent"), "\u{7f}ELF nonsense").unwrap();
        }
        let refused = home.run(&["agent", "restart"]);
        assert_eq!(refused.code, 1, "{name}: {}", refused.stderr);
        assert_eq!((home.agent_pid(), home.token().as_str()), (pid, token.as_str()), "{name}");
        assert!(idle.ask("agent.hello", &json!({}))["result"].is_object(), "{name}");
    }
    let place = home.path().join("bin/agent");
    home.install("0.3.0");
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (file, directory) in [(0o757, 0o755), (0o755, 0o777), (0o644, 0o755)] {
        allow(&place, file);
        allow(place.parent().unwrap(), directory);
        let refused = home.run(&["agent", "restart"]);
        assert_eq!(refused.code, 1, "{file:o} in {directory:o}: {}", refused.stderr);
        assert_eq!(home.agent_pid(), pid);
    }
    allow(&place, 0o755);
    home.ok(&["refresh"]);
    home.ok(&["agent", "restart"]);
    assert_ne!(home.agent_pid(), pid);
}

#[test]
fn a_hanging_successor_is_given_up() {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        eprintln!("skipped: it takes as long as a successor is waited for");
        return;
    }
    let server = lasting_server();
    let mut home = Home::new().with_faults();
    home.install("0.2.0");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    let pid = home.agent_pid();
    home.install_script("exec sleep 300");
    assert_eq!(home.run(&["agent", "restart"]).code, 1);
    assert_eq!(home.agent_pid(), pid);
    // Stopped with everything in hand, it is killed after a while.
    for point in ["successor.ready", "successor.loaded", "successor.serving"] {
        home.install("0.3.0");
        home.arm(&format!("{point} 1 stop"));
        assert_eq!(home.run(&["agent", "restart"]).code, 1, "{point}");
        home.disarm();
        assert_eq!(home.agent_pid(), pid, "{point}");
    }
    home.ok(&["agent", "restart"]);
    assert!(server.is_live(&home.token()));
}

/// Where the old agent dies, the successor has the word or it ends, too, and `restart` starts another one; where the successor
/// dies, the old one goes on.
#[test]
fn either_half_may_be_killed_at_each_step() {
    let then_one_runs = [
        ("handover.offer", true),
        ("handover.take", true),
        ("handover.go", true),
        ("handover.end", true),
        ("successor.ready", true),
        ("successor.loaded", true),
        ("successor.serving", true),
        ("successor.serve", false),
    ];
    let server = lasting_server();
    let mut home = Home::new().with_faults();
    home.install("0.2.0");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    for (point, one_runs) in then_one_runs {
        home.ok(&["agent", "start"]);
        let (pid, token) = (home.agent_pid(), home.token());
        home.arm(&format!("{point} 1 kill"));
        let restart = home.run(&["agent", "restart"]);
        // It has said that it serves, and dies only then.
        let pid_of = |said: &str| said.split_once("(pid ")?.1.split(')').next()?.parse().ok();
        if let Some(pid) = pid_of(&restart.stderr).filter(|_| point == "successor.serve") {
            wait_for_end(pid);
        }
        assert_eq!(home.happened().len(), 1, "{point} was reached: {restart:?}");
        home.disarm();
        let running = home.run(&["agent", "status", "--json", "--no-start"]);
        assert_eq!(running.code == 0, one_runs, "{point}: {running:?}, the log: {}", log(&home));
        if one_runs {
            let goes_on = point.starts_with("successor");
            assert_eq!((home.agent_pid() == pid, restart.code != 0), (goes_on, goes_on), "{point}: {restart:?}");
        }
        assert_eq!(home.token(), token, "{point}");
        home.ok(&["refresh"]);
        assert!(server.is_live(&home.token()), "{point}");
    }
    let log = server.log();
    assert!(log.iter().all(|entry| !entry.is_grant("refresh_token") || entry.succeeded()));
    assert!(server.families().iter().all(|family| family.ended.is_none()));
    assert_eq!(log.iter().filter(|entry| entry.is_grant("refresh_token")).count(), then_one_runs.len(), "each once");
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.state().join("agent.log")).unwrap_or_default()
}

/// Waits for that process's end.
fn wait_for_end(pid: i32) {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    if let Ok(handle) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        rustix::event::poll(&mut [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)], None).unwrap();
    }
}

#[test]
fn a_newer_client_brings_the_newer_agent_that_was_installed() {
    let server = server(std::time::Duration::from_secs(1));
    let mut home = signed_in(&server, "0.2.0");
    let pid = home.agent_pid();
    // The client is newer, what lies in the agent's place is not: nothing happens.
    home.set("CRED_HELPER_PRETENDED_VERSION", "0.3.0");
    wait_for_expiry(&home);
    assert!(server.is_live(&home.token()));
    assert_eq!(home.agent_pid(), pid);
    home.install("0.3.0");
    assert!(server.is_live(&home.token()));
    wait_for_end(pid);
    let status = home.json(&["agent", "status", "--json", "--no-start"]);
    assert_eq!(status["version"], "0.3.0");
    assert!(server.is_live(&home.token()));
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn what_is_not_newer_is_tried_once() {
    let server = lasting_server();
    let mut home = signed_in(&server, "0.2.0");
    let pid = home.agent_pid();
    home.set("CRED_HELPER_PRETENDED_VERSION", "0.3.0");
    let (tries, fifo) = (home.path().join("tries"), home.path().join("begun"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let agent = std::path::absolute(env!("CARGO_BIN_EXE_cred-helper-agent")).unwrap();
    home.install_script(&format!(
        "echo >> '{}'; echo > '{}'; CRED_HELPER_PRETENDED_VERSION=0.1.0 exec '{}' \"$@\"",
        tries.display(),
        fifo.display(),
        agent.display()
    ));
    home.token();
    // It was tried when this has been read.
    fs::File::open(&fifo).unwrap().read_to_end(&mut Vec::new()).unwrap();
    let clients: Vec<_> = (0..5).map(|_| home.start(&["get-token"])).collect();
    for client in clients {
        assert_eq!(ended(client.wait_with_output().unwrap()).code, 0);
    }
    assert_eq!(home.agent_pid(), pid);
    home.ok(&["agent", "stop"]);
    assert_eq!(fs::read_to_string(&tries).unwrap(), "\n", "once");
}

/// As a client of the first release says it, letter for letter.
const FROZEN_HELLO: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"agent.hello\",\
    \"params\":{\"protocol\":[1],\"client\":\"cred-helper/0.1.0\"}}\n";

#[test]
fn a_client_of_the_first_release_is_understood() {
    let home = Home::new();
    home.ok(&["agent", "start"]);
    let mut old = Raw::connect(&home);
    old.send(FROZEN_HELLO);
    let answer = old.line();
    assert_eq!((&answer["id"], &answer["result"]["protocol"]), (&json!(1), &json!(1)));
    let later = old.ask("agent.hello", &json!({"protocol": [1, 2], "client": "cred-helper/0.1.0", "more": {}}));
    assert_eq!(later["result"]["protocol"], 1, "a later client speaks this version, too");
    let strange = old.ask("agent.hello", &json!({"protocol": [7]}));
    assert_eq!(strange["error"]["data"]["kind"], "invalid_params");
}

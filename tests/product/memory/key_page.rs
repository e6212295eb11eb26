//! The key to the secrets in memory: hidden from root where that is asked for, and an agent that works where the system
//! refuses what protects it.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use serde_json::Value;

use super::super::home::{Home, ended, lasting_server};
use super::super::programs;

/// Runs a command with no right to lock memory; the agent that it starts has none either.
fn without_locked_memory(home: &Home, arguments: &[&str]) -> String {
    let command = home.command(arguments);
    // Root locks what it likes, unless it gives that up.
    let capabilities = ["--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"];
    let mut limited = Command::new("prlimit");
    limited.arg("--memlock=0:0");
    if rustix::process::geteuid().is_root() {
        limited.arg("setpriv").args(capabilities);
    }
    limited.arg(command.get_program()).args(command.get_args()).env_clear().current_dir(home.path());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ended = ended(limited.output().unwrap());
    assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

/// The doctor's checks of that name.
fn checks(home: &Home, name: &str) -> Vec<(String, String)> {
    let answer: Value = home.json(&["doctor", "--json"]);
    let of_name = |check: &&Value| check["name"] == name;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = answer["checks"].as_array().unwrap().iter().filter(of_name);
    found.map(|check| (text(&check["result"]), text(&check["message"]))).collect()
}

#[test]
fn an_agent_that_may_not_lock_memory_works_and_doctor_says_what_is_missing() {
    if programs::missing(&["prlimit", "setpriv"]) {
        return;
    }
    let server = lasting_server();
    let home = Home::new();
    home.configure("hide_memory_key = true\n");
    without_locked_memory(&home, &["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    assert!(server.is_live(&home.token()));
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
    let missing = checks(&home, "protection");
    assert!(missing.iter().all(|(result, _)| result == "warning"), "{missing:?}");
    for what in ["kept from the swap (`ulimit -l`): refused", "hidden from root: refused"] {
        assert!(missing.iter().any(|(_, message)| message.contains(what)), "{what}: {missing:?}");
    }
    assert_eq!(checks(&home, "memory").len(), 1);
}

#[test]
fn a_hidden_key_is_read_by_nobody_and_doctor_says_what_it_costs() {
    let home = Home::new();
    home.configure("hide_memory_key = true\n");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    if !checks(&home, "protection").is_empty() {
        return programs::skip("this kernel has no memfd_secret");
    }
    let memory = checks(&home, "memory");
    assert!(memory[0].1.contains("hidden from root") && memory[0].1.contains("can't hibernate"), "{memory:?}");
    if !rustix::process::geteuid().is_root() {
        return programs::skip("only root may try to read the agent's memory");
    }
    let pid = home.agent_pid();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let line = maps.lines().find(|line| line.contains("secretmem")).expect("a hidden page");
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let read = fs::File::open(format!("/proc/{pid}/mem")).unwrap().read_at(&mut [0; 32], start);
    assert!(read.is_err(), "root read the hidden page");
}

//! The HTTP door held to its description, contrib/openapi.yaml, by schemathesis: every address with what is right and with
//! what is wrong, with the secret and without.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::home::{Home, ended};
use super::super::programs::say_and_skip;
use super::{configuration, server};

fn of_this_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_door_does_what_its_description_says_and_nothing_else() {
    let program = of_this_project("target/schemathesis/bin/schemathesis");
    if !program.is_file() && say_and_skip("schemathesis is not installed in target/schemathesis: tests/run does that") {
        return;
    }
    let server = server();
    let home = Home::new();
    home.configure(&configuration(&server, ""));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    for provider in ["free", "fixed"] {
        assert_eq!(home.log_in_with(&["login", provider, "--no-browser"]).code, 0);
    }
    assert_eq!(home.run_with(&["api-key", "set", "fixed"], "key-canary-door").code, 0);
    let (door, pid) = (home.door(), home.agent_pid());
    let mut command = Command::new(program);
    // What it keeps for itself goes with the home.
    command.current_dir(home.path()).env("HOME", home.path()).env("DOOR_SECRET", &door.secret).stdin(Stdio::null());
    command.arg("--config-file").arg(of_this_project("tests/door/schemathesis.toml"));
    command.arg("run").arg(of_this_project("contrib/openapi.yaml"));
    command.args(["--url", &format!("http://127.0.0.1:{}", door.port), "--no-color", "--generation-database", "none"]);
    match std::env::var_os("CRED_HELPER_TESTS_LONG") {
        Some(_) => command.args(["--max-examples", "100"]),
        None => command.args(["--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1"]),
    };
    let ended = ended(command.output().unwrap());
    let from = ended.stdout.find("= FAILURES =").unwrap_or(0);
    assert_eq!(ended.code, 0, "{}{}", &ended.stdout[from..], ended.stderr);
    assert_eq!(home.agent_pid(), pid, "the agent lives");
    assert!(server.is_live(door.get("/v1/token/free").json()["token"].as_str().unwrap()));
}

//! An agent of another version takes over while it serves: nobody is refused, cut off or asked to log in, and there is one
//! owner at every moment.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::home::{Home, lasting_server};

const PATIENCE: Duration = Duration::from_secs(60);

impl Home {
    /// Puts an agent of that version where this home's clients, and its agent itself, find it.
    pub(crate) fn install(&mut self, version: &str) {
        let agent = std::path::absolute(env!("CARGO_BIN_EXE_cred-helper-agent")).unwrap();
        let line = format!("CRED_HELPER_PRETENDED_VERSION={version} exec '{}' \"$@\"", agent.display());
        self.install_script(&line);
    }

    /// Puts a program there that does something else.
    pub(crate) fn install_script(&mut self, line: &str) {
        let place = self.path().join("bin/agent");
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let new = place.with_extension("new");
        fs::write(&new, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &place).unwrap();
        self.set("CRED_HELPER_AGENT", place.to_str().unwrap());
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/cred-helper/agent.sock")
    }

    fn agent_version(&self) -> String {
        self.json(&["agent", "status", "--json", "--no-start"])["version"].as_str().unwrap().to_owned()
    }
}

/// A home with one login, whose agent is of that version.
pub(crate) fn signed_in(server: &cred_helper::demo::server::Server, version: &str) -> Home {
    let mut home = Home::new();
    home.install(version);
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(server, &[]);
    home
}

/// A program's own connection.
pub(crate) struct Raw(BufReader<UnixStream>);

impl Raw {
    pub(crate) fn connect(home: &Home) -> Self {
        Self::at(&home.socket())
    }

    pub(crate) fn at(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn line(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the connection was closed");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(&format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})));
        self.line()
    }
}

#[test]
fn connections_and_subscriptions_go_on_with_the_new_agent() {
    let server = lasting_server();
    let mut home = signed_in(&server, "0.2.0");
    let (pid, token) = (home.agent_pid(), home.token());
    let (mut silent, mut idle, mut subscribed, mut half) =
        (Raw::connect(&home), Raw::connect(&home), Raw::connect(&home), Raw::connect(&home));
    idle.ask("agent.hello", &json!({}));
    subscribed.ask("events.subscribe", &json!({}));
    half.ask("agent.hello", &json!({}));
    half.send("{\"jsonrpc\":\"2.0\",\"id\":7,");
    home.install("0.3.0");
    home.ok(&["agent", "restart"]);
    assert_eq!(home.agent_version(), "0.3.0");
    assert_ne!(home.agent_pid(), pid);
    assert_eq!(home.token(), token);
    assert_eq!(silent.ask("agent.hello", &json!({}))["result"]["version"], "0.3.0");
    assert_eq!(idle.ask("agent.hello", &json!({}))["result"]["version"], "0.3.0");
    half.send("\"method\":\"agent.hello\",\"params\":{}}\n");
    let answer = half.line();
    assert_eq!((&answer["id"], &answer["result"]["version"]), (&json!(7), &json!("0.3.0")));
    home.ok(&["refresh"]);
    assert_eq!(subscribed.line()["params"]["change"], "refreshed");
    assert!(server.is_live(&home.token()));
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap() || is_zombie(pid), "the old agent has ended");
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("State:\tZ"))
}

//! The npm package `oidc-provider`, a certified OpenID Connect server, run under node.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http;

/// Starting node and its modules on a busy machine.
const START: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    lines: Receiver<Value>,
    pub issuer: String,
    seen: Vec<Value>,
}

impl OidcProvider {
    /// Starts it with the members that `server.mjs` describes.
    pub fn start(options: &Value) -> Self {
        // Node hung at its start once in some hundred runs.
        (0..3).find_map(|_| Self::try_to_start(options)).expect("server.mjs starts")
    }

    fn try_to_start(options: &Value) -> Option<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/oidc-provider");
        assert!(
            directory.join("node_modules/oidc-provider").is_dir(),
            "the npm packages under tests/servers/oidc-provider are not installed: run tests/run (or npm ci there)"
        );
        let mut command = Command::new("node");
        command.current_dir(directory).args(["server.mjs", &options.to_string()]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("node is not installed: run tests/run");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("server.mjs prints JSON lines"));
            }
        });
        let mut provider = Self { child, lines, issuer: String::new(), seen: Vec::new() };
        let first = provider.lines.recv_timeout(START).ok()?;
        provider.issuer = first["issuer"].as_str().expect("an issuer").to_owned();
        Some(provider)
    }

    /// Its metadata.
    pub fn metadata(&self) -> Value {
        http::get(&format!("{}/.well-known/openid-configuration", self.issuer)).json()
    }

    /// Waits until so many requests of a grant type were answered; they are returned.
    pub fn wait_for_grants(&mut self, grant_type: &str, count: usize, limit: Duration) -> Vec<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let is_grant = |line: &&Value| line["endpoint"] == "token" && line["grant_type"] == grant_type;
            let found: Vec<Value> = self.seen.iter().filter(is_grant).cloned().collect();
            if found.len() >= count {
                return found;
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{} of {count} `{grant_type}` requests came", found.len()),
                Err(RecvTimeoutError::Disconnected) => panic!("oidc-provider has ended"),
            }
        }
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! `agent.*`: the agent itself.

use serde::{Deserialize, Serialize};

use super::vault::VaultState;
use super::{Done, Method, PROTOCOL, Repeated, spoken};
use crate::version;

/// `agent.hello`: who is there; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol versions the caller speaks.
    #[serde(default)]
    pub protocol: Vec<u32>,
    /// The caller's name and version.
    #[serde(default)]
    pub client: String,
}

impl Method for Hello {
    const NAME: &'static str = "agent.hello";
    type Answer = Welcome;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

impl Hello {
    /// This program's own.
    pub fn ours() -> Self {
        Self { protocol: spoken(PROTOCOL), client: format!("cred-helper/{}", version::own()) }
    }
}

/// The agent's side of a hello.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both speak.
    pub protocol: u32,
    /// The agent's version.
    pub version: String,
}

/// `agent.status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {}

impl Method for AgentStatus {
    const NAME: &'static str = "agent.status";
    type Answer = AgentReport;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// What `agent status` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentReport {
    /// Process id.
    pub pid: u32,
    /// Version.
    pub version: String,
    /// Seconds since it started.
    pub uptime: u64,
    /// The socket or pipe it listens on.
    pub socket: String,
    /// The vault's directory.
    pub vault: String,
    /// The vault's state.
    pub vault_state: VaultState,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many connections are open.
    pub connections: usize,
    /// How many exchanges with authorization servers are under way.
    #[serde(default)]
    pub exchanges: usize,
    /// Its own memory: it is not dumpable, so nobody else can read it.
    pub memory: Memory,
    /// The HTTP door, where the configuration wishes for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpDoor>,
    /// The configuration's fault, if it has one; the agent then runs on its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_error: Option<String>,
}

/// Where the HTTP door is. Its secret is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpDoor {
    /// Its base URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The file that holds the URL and the secret; only its owner may read it.
    pub file: String,
    /// Why it isn't open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Memory in KiB, from /proc/self/smaps_rollup; zero where the system doesn't say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident set.
    pub rss_kib: u64,
    /// Proportional set.
    pub pss_kib: u64,
    /// Private, clean and dirty.
    pub private_kib: u64,
}

/// `agent.stop`: ends the agent once the exchanges under way are safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StopAgent {}

impl Method for StopAgent {
    const NAME: &'static str = "agent.stop";
    type Answer = Done;
    const REPEATED: Repeated = Repeated::Never;
}

/// `agent.restart`: the executable in the agent's place takes over, which may be another version. No request fails by it; an
/// error says why the agent goes on as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestartAgent {}

impl Method for RestartAgent {
    const NAME: &'static str = "agent.restart";
    type Answer = Restarted;
    const REPEATED: Repeated = Repeated::Never;
}

/// Who serves now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restarted {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// `agent.doctor`: checks that only the agent can make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Doctor {}

impl Method for Doctor {
    const NAME: &'static str = "agent.doctor";
    type Answer = Checks;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// In the order to show.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked, in a few words.
    pub name: String,
    /// How it went.
    pub result: CheckResult,
    /// What was found, and what to do if it is not well.
    pub message: String,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// Well.
    Ok,
    /// Works, but could be better.
    Warning,
    /// Does not work.
    Failed,
    /// A result that this version doesn't know.
    #[serde(other)]
    Unknown,
}

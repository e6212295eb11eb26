//! The connection to the agent, and the only place that knows what its errors are called.

use std::path::PathBuf;
use std::time::Duration;

use super::exit::Failure;
use crate::account::AccountName;
use crate::ipc::client::{CallError, Client};
use crate::ipc::message::{ErrorKind, Method};
use crate::ipc::start::{self, Start};
use crate::paths::{AGENT_VARIABLE, Paths};

/// How long a command waits for the agent, where it has no deadline of its own.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

const AGENT: &str = if cfg!(windows) { "cred-helper-agent.exe" } else { "cred-helper-agent" };

/// How this call may connect.
#[derive(Debug)]
pub(super) struct Connect {
    start: Start,
}

impl Connect {
    pub(super) fn new(no_start: bool) -> Self {
        Self { start: if no_start { Start::Never } else { Start::IfNeeded } }
    }

    /// Connects, starting the agent where none runs and one may be started.
    pub(super) fn open(&self) -> Result<Client, Failure> {
        Self::to(&paths()?, self.start, DEADLINE)
    }

    /// As [`Self::open`], in at most so long.
    pub(super) fn open_within(&self, paths: &Paths, deadline: Duration) -> Result<Client, Failure> {
        Self::to(paths, self.start, deadline)
    }

    /// Connects to an agent that runs; starts none.
    pub(super) fn existing() -> Result<Client, Failure> {
        Self::to(&paths()?, Start::Never, DEADLINE)
    }

    fn to(paths: &Paths, start: Start, deadline: Duration) -> Result<Client, Failure> {
        start::connect_or_start(paths, start, deadline).map_err(Failure::from)
    }
}

/// Where things are.
pub(super) fn paths() -> Result<Paths, Failure> {
    Paths::from_env().map_err(|error| Failure::new(ErrorKind::Misconfigured, error.to_string()))
}

/// The agent's executable, found as it is found to be started.
pub(super) fn agent_executable() -> Result<PathBuf, Failure> {
    let agent = match std::env::var_os(AGENT_VARIABLE).map(PathBuf::from) {
        Some(given) if given.is_absolute() => given,
        Some(_) => {
            return Err(Failure::new(ErrorKind::Misconfigured, format!("{AGENT_VARIABLE} has to be an absolute path")));
        }
        None => std::env::current_exe()
            .and_then(|program| program.canonicalize())
            .map(|program| program.with_file_name(AGENT))
            .map_err(|error| Failure::System(format!("this program's own directory cannot be found: {error}")))?,
    };
    if agent.is_file() {
        return Ok(agent);
    }
    let message = format!("there is no {}: install it beside cred-helper, or set {AGENT_VARIABLE}", agent.display());
    Err(Failure::new(ErrorKind::AgentUnreachable, message))
}

/// One question, one answer.
pub(super) fn call<M: Method>(client: &mut Client, params: &M) -> Result<M::Answer, Failure> {
    client.call(params).map_err(Failure::from)
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        error.into_error().into()
    }
}

/// An account's name, checked before anything is started. The text is not repeated: it may be a token.
pub(super) fn account(name: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(name) = name else { return Ok(None) };
    match name.parse::<AccountName>() {
        Ok(name) => Ok(Some(name.to_string())),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

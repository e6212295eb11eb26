//! The connection to the agent, and the only place that knows what its errors are called.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::exit::Failure;
use crate::account::AccountName;
use crate::ipc::client::{CallError, Client};
use crate::ipc::message::agent::Hello;
use crate::ipc::message::{ErrorKind, Method};
use crate::ipc::start::{self, Start};
use crate::paths::Paths;

/// How long a command waits for the agent, where it has no deadline of its own.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// How this call may connect.
#[derive(Debug)]
pub(super) struct Connect {
    start: Start,
}

impl Connect {
    pub(super) fn new(no_start: bool) -> Self {
        Self { start: if no_start { Start::Never } else { Start::IfNeeded } }
    }

    /// Has an agent that is needed started by a process of its own: one that we start ourselves is our child, and stays
    /// the child of the command that takes our place. Whatever goes wrong, the next question says.
    pub(super) fn start_apart(&self) {
        let never = Self { start: Start::Never };
        if self.start == Start::IfNeeded
            && never.ask(&Hello::ours()).is_err()
            && let Ok(own) = std::env::current_exe()
        {
            let mut start = Command::new(own);
            start.args(["agent", "start"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let _ = start.status();
        }
    }

    /// One question, one answer; starts the agent where none runs and one may be started.
    pub(super) fn ask<M: Method>(&self, params: &M) -> Result<M::Answer, Failure> {
        self.ask_within(&paths()?, DEADLINE, params)
    }

    /// As [`Self::ask`], in at most so long.
    pub(super) fn ask_within<M: Method>(
        &self,
        paths: &Paths,
        deadline: Duration,
        params: &M,
    ) -> Result<M::Answer, Failure> {
        start::ask(paths, self.start, deadline, params).map(|(_, answer)| answer).map_err(Failure::from)
    }

    /// A connection for several questions, to an agent that has answered on it.
    pub(super) fn open(&self) -> Result<Client, Failure> {
        self.open_within(&paths()?, DEADLINE)
    }

    /// As [`Self::open`], in at most so long.
    pub(super) fn open_within(&self, paths: &Paths, deadline: Duration) -> Result<Client, Failure> {
        let (mut client, _) = start::ask(paths, self.start, deadline, &Hello::ours())?;
        client.set_deadline(deadline);
        Ok(client)
    }
}

/// Where things are.
pub(super) fn paths() -> Result<Paths, Failure> {
    Paths::from_env().map_err(|error| Failure::new(ErrorKind::Misconfigured, error.to_string()))
}

/// The agent's executable, found as it is found to be started.
pub(super) fn agent_executable() -> Result<PathBuf, Failure> {
    start::agent_executable(&paths()?).map_err(Failure::from)
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

//! How a client finds the agent, or starts one.
use super::client::Client;
use super::message;
use crate::paths::Paths;
use std::time::Duration;

/// Whether an agent may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// If none runs.
    IfNeeded,
    /// Not at all (builds, CI).
    Never,
}

/// A connection to this user's agent, which is started if that is allowed and needed.
pub fn connect_or_start(paths: &Paths, start: Start, deadline: Duration) -> Result<Client, message::Error> {
    let _ = (start, deadline);
    Client::connect(&paths.socket)
        .map_err(|error| message::Error::new(message::ErrorKind::AgentUnreachable, error.to_string()))
}

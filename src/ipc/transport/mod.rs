//! How bytes get from one process to the other: Unix sockets, or named pipes on Windows. One file per system with the
//! same surface; nothing above this knows which it is.
//!
//! Each end learns who the other is from the system, never from what it says.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(feature = "agent")]
pub(crate) use system::{AgentStream, Caller, Socket};
pub(crate) use system::{Stream, connect};

/// Why there is no connection to an agent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("no agent answers")]
    NotRunning,
    /// Somebody listens there who is neither this user nor root, or the place is not safe. Nothing was sent.
    #[error("{0}")]
    Refused(String),
    /// The system's own error.
    #[error("cannot connect to the agent: {0}")]
    Io(io::Error),
}

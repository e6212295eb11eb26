//! What the two agents of a handover say to each other, in this order. Both may be of any version: unknown fields are
//! ignored, and [`FORMAT`] changes only if an older successor or predecessor could not make sense of it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ipc::frame::Framing;
use crate::ipc::message::Error;
use crate::secret::{self, Secret};
use crate::vault::Passed;

/// The format spoken.
pub(super) const FORMAT: u32 = 1;

/// From the agent that serves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum FromOld {
    /// First: may you succeed me?
    Offer {
        /// [`FORMAT`].
        format: u32,
        /// Its version, for the log.
        version: String,
    },
    /// Everything that makes an owner; the vault's lock and the listening socket come with it. Nothing is written from here
    /// until [`FromOld::Go`].
    Take(Box<Take>),
    /// Connections, one descriptor each.
    Connections {
        /// In the descriptors' order.
        connections: Vec<PassedConnection>,
    },
    /// You are the owner. There is no way back but the successor's end before it has said that it serves.
    Go,
    /// A step of another version.
    #[serde(other)]
    Unknown,
}

/// What makes an owner.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Take {
    /// Where it listens.
    pub(super) socket: PathBuf,
    /// The vault's directory: both have to mean the same.
    pub(super) vault_dir: PathBuf,
    /// What an owner knows of the vault.
    pub(super) vault: Passed,
}

/// A connection between two messages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PassedConnection {
    /// When its caller was met, on the boot clock.
    #[serde(default)]
    pub(super) met: Option<Duration>,
    /// Lines, or with Content-Length; nothing if nobody has spoken yet.
    #[serde(default)]
    pub(super) framing: Option<Framing>,
    /// Base64 of what was read and not answered.
    #[serde(serialize_with = "secret::exposed_option", default)]
    pub(super) unread: Option<Secret>,
    /// Requests, answered already, that hold for the rest of the connection.
    #[serde(default)]
    pub(super) standing: Vec<Standing>,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Standing(#[serde(serialize_with = "secret::exposed")] pub(super) Secret);

/// From the agent that succeeds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum FromNew {
    /// It runs, and waits for what makes an owner.
    Ready {
        /// Its version.
        version: String,
    },
    /// It has read the vault; from `Go` on it serves.
    Loaded,
    /// It serves.
    Serving,
    /// It doesn't, and ends.
    Failed {
        /// Why.
        error: Error,
    },
    /// A step of another version.
    #[serde(other)]
    Unknown,
}

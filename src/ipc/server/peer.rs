//! Who is at the other end of a connection, as the system says, never as it says itself.
//!
//! The program behind it is looked for when somebody first wants to know, and once for each connection: most connections
//! never need it. That has to be before the answer: a `cred-helper get-token` that has its answer is gone in less than a
//! millisecond, and the shell that called it may be, too.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::origin::{self, Origin};
use crate::clock::{Clock as _, SystemClock};

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The user.
    pub uid: Option<u32>,
    /// The process that connected.
    pub pid: Option<u32>,
    /// When it was met, on the boot clock: a process that began later is another one with its number.
    met: Duration,
    /// Whether it came to the HTTP door rather than the socket.
    at_door: bool,
    /// Boxed: most connections never need it.
    origin: Arc<OnceLock<Box<Origin>>>,
}

impl Peer {
    /// A peer that has connected now.
    pub fn new(uid: Option<u32>, pid: Option<u32>) -> Self {
        // Zero is how another namespace's process looks from here.
        let pid = pid.filter(|pid| *pid != 0);
        Self { uid, pid, met: SystemClock.boot(), at_door: false, origin: Arc::default() }
    }

    /// The same, at the HTTP door.
    pub(crate) fn at_door(uid: Option<u32>, pid: Option<u32>) -> Self {
        Self { at_door: true, ..Self::new(uid, pid) }
    }

    /// Whether it came to the HTTP door.
    pub(crate) fn is_at_door(&self) -> bool {
        self.at_door
    }

    /// When it was met, on the boot clock.
    pub(super) fn met(&self) -> Duration {
        self.met
    }

    /// It was met earlier, by an agent that handed its connection over.
    pub(super) fn met_at(mut self, met: Option<Duration>) -> Self {
        self.met = met.unwrap_or(self.met);
        self
    }

    /// The program that asks. It takes a few reads of /proc, which never wait for the process they are about.
    pub fn origin(&self) -> &Origin {
        self.origin.get_or_init(|| Box::new(self.pid.map(|pid| origin::of(pid, self.met)).unwrap_or_default()))
    }

    /// The terminal that the process has in its foreground, for questions to the person there.
    pub fn terminal(&self) -> Option<std::path::PathBuf> {
        origin::terminal(self.pid?)
    }
}

/// One who may not be served.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) peer: Peer,
    /// One line for it.
    pub(crate) reason: String,
}

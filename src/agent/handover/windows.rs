//! No handover: handles of pipes and their instances don't pass to another process as they stand. Stop and start.

use std::sync::Arc;

use super::super::Agent;
use crate::ipc::message::agent::Restarted;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::Mover;
use crate::paths::Paths;

/// Nothing to keep.
#[derive(Debug)]
pub struct Seat(());

impl Seat {
    /// As on other systems.
    pub fn new(_paths: &Paths, _mover: Mover, _detached: bool) -> Self {
        Self(())
    }

    /// Never.
    pub(in crate::agent) fn is_left(&self) -> bool {
        false
    }
}

impl Agent {
    /// Refused: the caller stops and starts it.
    pub(in crate::agent) async fn restart(self: &Arc<Self>) -> Result<Restarted, Error> {
        let message = "an agent can't hand over to another one on this system: stop it and start it";
        Err(Error::new(ErrorKind::MethodNotFound, message))
    }

    /// Nothing comes of it.
    pub(in crate::agent) fn meet(self: &Arc<Self>, _client: &str) {}
}

//! Systems without systemd.

use std::sync::Arc;

use crate::agent::Agent;
use crate::paths::Paths;

/// No socket.
pub(in super::super) struct Units;

impl Units {
    pub(super) fn none() -> Self {
        Self
    }

    pub(super) fn open(_paths: &Paths) -> Result<Self, String> {
        Err("[systemd] is enabled in the configuration, and this system has no systemd".to_owned())
    }

    /// Nothing to serve.
    pub(in super::super) async fn serve(self, _agent: Arc<Agent>) {}
}

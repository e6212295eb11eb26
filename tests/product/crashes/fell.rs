//! Where a kill fell, by the server's own clock: shared by the tests and the figures.
//!
//! The server rotates when a request arrives and answers some milliseconds later. A login that is lost by a kill between the
//! two could not be saved by anybody.

use std::time::Duration;

use cred_helper::demo::server::Entry;

/// Where it fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fell {
    /// The request never reached the server.
    Before,
    /// The server had rotated, or was still to, and had not answered: for nobody.
    InTheWindow,
    /// So long after the server handed its answer to the connection; what the network takes is in that.
    After(Duration),
}

/// Where it fell for the request that was under way, if one reached the server. Both clocks count from the server's start.
pub(crate) fn fell(request: Option<&Entry>, killed: Duration) -> Fell {
    let Some(request) = request else { return Fell::Before };
    match request.answered_at.and_then(|answered| killed.checked_sub(answered)) {
        Some(after) => Fell::After(after),
        None => Fell::InTheWindow,
    }
}

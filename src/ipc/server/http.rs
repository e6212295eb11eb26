//! HTTP/1.1 on the agent's socket.
use super::{Peer, Service};
use crate::ipc::transport::AgentStream;
use std::sync::Arc;
use tokio::sync::watch;
use zeroize::Zeroizing;
pub(super) async fn run(
    _s: AgentStream,
    _b: Zeroizing<Vec<u8>>,
    _v: Arc<dyn Service>,
    _p: Peer,
    _w: watch::Receiver<bool>,
) {
}

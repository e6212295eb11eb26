//! No way to tell on this system that is worth its price.

use std::net::SocketAddr;

/// Nobody.
pub(in super::super) fn find(_theirs: SocketAddr, _ours: SocketAddr, _likely: &[u32]) -> (Option<u32>, Option<u32>) {
    (None, None)
}

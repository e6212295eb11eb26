//! Connections that change hands: to a successor, or back if it doesn't come up.
//!
//! No connection is cut by that. What was read and not answered goes along as the bytes it was, so that a request is
//! answered once, by the one or the other; a subscription goes along as the request that made it.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

use crate::ipc::frame::Framing;
use crate::ipc::transport::AgentStream;
use crate::secret::Secret;

/// What a server's connections are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Settle: be moved, or say that you stay to the end of what is under way.
    Moving,
    /// Answer what is under way and end.
    Stopping,
}

/// Bytes that may hold a secret.
pub type Bytes = Zeroizing<Vec<u8>>;

/// A connection between two messages.
#[derive(Debug)]
pub struct Moved {
    pub(super) stream: AgentStream,
    /// When its caller was met, on the boot clock; `None` if it is new.
    pub met: Option<Duration>,
    /// How its messages are framed; `None` if nobody has spoken yet.
    pub framing: Option<Framing>,
    /// What was read and not answered.
    pub unread: Bytes,
    /// Requests, answered already, that hold for the rest of the connection.
    pub standing: Vec<Secret>,
}

impl Moved {
    pub(super) fn new(stream: AgentStream) -> Self {
        Self { stream, met: None, framing: None, unread: Bytes::default(), standing: Vec::new() }
    }

    /// One that arrived. Needs a runtime.
    #[cfg(unix)]
    pub fn arrived(
        descriptor: OwnedFd,
        met: Option<Duration>,
        framing: Option<Framing>,
        unread: Bytes,
        standing: Vec<Secret>,
    ) -> std::io::Result<Self> {
        Ok(Self { stream: AgentStream::inherit(descriptor)?, met, framing, unread, standing })
    }
}

#[cfg(unix)]
impl AsFd for Moved {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Where a connection says, once for each [`Phase::Moving`], what becomes of it.
pub(super) struct Settling {
    phase: watch::Receiver<Phase>,
    settled: mpsc::UnboundedSender<Option<Moved>>,
    done: bool,
}

impl Settling {
    pub(super) fn new(phase: watch::Receiver<Phase>, settled: mpsc::UnboundedSender<Option<Moved>>) -> Self {
        Self { phase, settled, done: false }
    }

    /// It stays.
    pub(super) fn stays(&mut self) {
        self.settle(None);
    }

    /// It goes.
    pub(super) fn goes(mut self, moved: Moved) {
        self.settle(Some(moved));
    }

    fn settle(&mut self, moved: Option<Moved>) {
        if !self.done && *self.phase.borrow() == Phase::Moving {
            self.done = true;
            let _ = self.settled.send(moved);
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.settle(None);
    }
}

/// Asks a server for its connections.
#[derive(Clone, Debug)]
pub struct Mover(pub(super) mpsc::Sender<oneshot::Sender<Paused>>);

impl Mover {
    /// A server that does nothing until the answer is dropped or [`Paused::for_good`]; `None` if it has ended.
    pub async fn pause(&self) -> Option<Paused> {
        let (sender, paused) = oneshot::channel();
        self.0.send(sender).await.ok()?;
        paused.await.ok()
    }
}

/// A server that stands still: who connects waits in the socket's backlog. Dropped, it goes on.
#[derive(Debug)]
pub struct Paused {
    connections: Vec<Moved>,
    #[cfg(unix)]
    listener: OwnedFd,
    outcome: Option<oneshot::Sender<Option<Vec<Moved>>>>,
}

impl Paused {
    pub(super) fn new(
        connections: Vec<Moved>,
        #[cfg(unix)] listener: OwnedFd,
        outcome: oneshot::Sender<Option<Vec<Moved>>>,
    ) -> Self {
        Self {
            connections,
            #[cfg(unix)]
            listener,
            outcome: Some(outcome),
        }
    }

    /// The connections that can go.
    pub fn connections(&self) -> &[Moved] {
        &self.connections
    }

    /// The listening socket.
    #[cfg(unix)]
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// A successor serves them now: this server ends, and leaves the socket's file to that one.
    pub fn for_good(mut self) {
        if let Some(outcome) = self.outcome.take() {
            let _ = outcome.send(None);
        }
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            let _ = outcome.send(Some(std::mem::take(&mut self.connections)));
        }
    }
}

//! The connection as hyper reads and writes it: first what was read already, and a deadline on every write that has to wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use zeroize::Zeroizing;

use super::super::connection::WRITE_DEADLINE;
use crate::ipc::transport::AgentStream;

/// A connection whose first bytes were read to tell its protocol.
pub(super) struct Http {
    stream: AgentStream,
    read: Zeroizing<Vec<u8>>,
    taken: usize,
    /// Everything that was read, as long as nothing was answered.
    unanswered: Zeroizing<Vec<u8>>,
    answered: Arc<AtomicBool>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Http {
    pub(super) fn new(stream: AgentStream, read: Zeroizing<Vec<u8>>, answered: Arc<AtomicBool>) -> Self {
        Self { stream, unanswered: read.clone(), read, taken: 0, answered, stalled: None }
    }

    /// The connection, and everything that was read from it, if nothing was answered.
    pub(super) fn into_parts(self) -> (AgentStream, Zeroizing<Vec<u8>>) {
        (self.stream, self.unanswered)
    }

    /// A caller that takes nothing for too long is an error, not a wait.
    fn bounded<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_DEADLINE)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Http {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = &this.read[this.taken..];
        if rest.is_empty() {
            let before = buffer.filled().len();
            let poll = Pin::new(this.stream.inner()).poll_read(context, buffer);
            if !this.answered.load(Ordering::Relaxed) {
                this.unanswered.extend_from_slice(&buffer.filled()[before..]);
            }
            return poll;
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        this.taken += length;
        if this.taken == this.read.len() {
            (this.read, this.taken) = (Zeroizing::default(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answered.store(true, Ordering::Relaxed);
        self.unanswered = Zeroizing::default();
        let poll = Pin::new(self.stream.inner()).poll_write(context, bytes);
        self.bounded(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.inner()).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.inner()).poll_shutdown(context)
    }
}

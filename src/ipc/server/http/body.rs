//! What HTTP answers carry: one text, or a stream of lines that ends with the answer. Dropping a stream drops its call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, SizeHint};

use super::super::Answer;
use super::super::dispatch::{self, Id};
use super::super::outbox::{CloseOnDrop, Entry, Outbox};
use super::Caller;
use crate::ipc::frame::{Framing, encode};
use crate::ipc::message::Error;
use crate::secret::Secret;

/// An answer's body.
pub(super) enum Body {
    /// All of it, or nothing any more.
    Whole(Option<Bytes>),
    /// Line by line: the next one is being waited for.
    Lines(Step),
}

type Step = Pin<Box<dyn Future<Output = Option<(Lines, Bytes)>> + Send>>;
type Pending = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// A call whose notifications and answer are written as they come.
pub(super) struct Lines {
    id: Id,
    outbox: CloseOnDrop,
    call: Option<Pending>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Whole(None)
    }

    /// A JSON text, with a newline for terminals.
    pub(super) fn text(text: &str) -> Self {
        Self::parts(&[text.as_bytes()])
    }

    /// A JSON-RPC response.
    pub(super) fn response(id: &Id, outcome: &Result<Answer, Error>) -> Self {
        dispatch::respond(id, outcome, Self::parts)
    }

    pub(super) fn stream(caller: Caller, id: Id, method: String, params: Secret) -> Self {
        let Caller { service, peer, guest, .. } = caller;
        let outbox = Outbox::new(Framing::Lines, guest);
        let call = dispatch::call(service, method, params, peer, outbox.clone());
        let lines = Lines { id, outbox: CloseOnDrop(outbox), call: Some(Box::pin(call)) };
        Self::Lines(Box::pin(lines.step()))
    }

    fn parts(parts: &[&[u8]]) -> Self {
        Self::Whole(Some(take(encode(Framing::Lines, parts))))
    }
}

/// Without a copy; the agent's allocator wipes it when it is freed.
fn take(mut bytes: zeroize::Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from(std::mem::take(&mut *bytes))
}

impl Lines {
    /// The next line; `None` after the answer, or if the caller has been too slow.
    async fn step(mut self) -> Option<(Self, Bytes)> {
        loop {
            if let Some(Entry { bytes, .. }) = self.outbox.0.pop() {
                return Some((self, take(bytes)));
            }
            let call = self.call.as_mut()?;
            tokio::select! {
                biased;
                open = self.outbox.0.changed() => if !open { return None },
                outcome = call => {
                    self.call = None;
                    dispatch::respond(&self.id, &outcome, |parts| self.outbox.0.push(parts, None));
                }
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        let bytes = match body {
            Self::Whole(bytes) => bytes.take(),
            Self::Lines(step) => match ready!(step.as_mut().poll(context)) {
                Some((lines, bytes)) => {
                    *body = Self::Lines(Box::pin(lines.step()));
                    Some(bytes)
                }
                None => {
                    *body = Self::Whole(None);
                    None
                }
            },
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}

//! From a request to a call, and from an outcome to an answer's bytes (JSON-RPC 2.0). The one dispatcher behind lines, LSP
//! framing and HTTP.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::outbox::{Notifier, Outbox};
use super::{Answer, Call, Peer, Service, WhenMoved};
use crate::ipc::message::{Error, ErrorKind};
pub(super) use crate::ipc::request::{Asked, Id, read};
use crate::secret::Secret;

/// Asks the service.
pub(super) async fn call(
    service: Arc<dyn Service>,
    method: String,
    params: Secret,
    peer: Peer,
    outbox: Arc<Outbox>,
) -> Result<Answer, Error> {
    service.call(Call { method, params, peer, notifier: Notifier::new(outbox) }).await
}

/// Hands the response object's parts to `take`: the answer itself is not copied on the way.
pub(super) fn respond<T>(id: &Id, outcome: &Result<Answer, Error>, take: impl FnOnce(&[&[u8]]) -> T) -> T {
    let id = id.as_str();
    match outcome {
        Ok(answer) => {
            take(&[br#"{"jsonrpc":"2.0","id":"#, id.as_bytes(), br#","result":"#, answer.expose().as_bytes(), b"}"])
        }
        Err(error) => {
            // A struct of strings and numbers serializes.
            let error = serde_json::to_string(error).unwrap_or_else(|_| "null".to_owned());
            take(&[br#"{"jsonrpc":"2.0","id":"#, id.as_bytes(), br#","error":"#, error.as_bytes(), b"}"])
        }
    }
}

/// An answer that is owed. If the call dies without one, its request is given back to a connection that moves; else that was
/// a bug (it panicked), and the caller is told so.
pub(super) struct Owed {
    outbox: Arc<Outbox>,
    id: Id,
    request: Option<Secret>,
    when_moved: WhenMoved,
    permit: Option<OwnedSemaphorePermit>,
}

impl Owed {
    pub(super) fn new(outbox: Arc<Outbox>, id: Id, request: Secret, permit: OwnedSemaphorePermit) -> Self {
        Self { outbox, id, request: Some(request), when_moved: WhenMoved::AskedAgain, permit: Some(permit) }
    }

    pub(super) fn when_moved(mut self, when_moved: WhenMoved) -> Self {
        self.when_moved = when_moved;
        self.outbox.count_staying(when_moved == WhenMoved::Stays, 1);
        self
    }

    pub(super) fn pay(mut self, outcome: &Result<Answer, Error>) {
        self.push(outcome);
        if self.when_moved == WhenMoved::Stands
            && outcome.is_ok()
            && let Some(request) = self.request.take()
        {
            self.outbox.stand(request);
        }
    }

    fn push(&mut self, outcome: &Result<Answer, Error>) {
        if let Some(permit) = self.permit.take() {
            respond(&self.id, outcome, |parts| self.outbox.push(parts, Some(permit)));
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.outbox.count_staying(self.when_moved == WhenMoved::Stays, -1);
        let Some(request) = self.request.take().filter(|_| self.permit.is_some()) else { return };
        if !self.outbox.give_back(request) {
            self.push(&Err(Error::new(ErrorKind::Internal, "the agent failed over this request: see its log")));
        }
    }
}

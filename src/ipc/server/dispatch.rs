//! From a message's bytes to a call, and from an outcome to an answer's bytes (JSON-RPC 2.0). The one dispatcher behind
//! lines, LSP framing and HTTP.

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use std::sync::Arc;

use super::outbox::{Notifier, Outbox};
use super::{Answer, Call, Peer, Service};
use crate::ipc::message::{Error, ErrorKind, Request};

/// JSON-RPC 2.0 section 5.1: not JSON at all.
const PARSE_ERROR: i32 = -32700;

/// A request that wants an answer.
pub(super) struct Asked {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Value,
}

/// Reads a message: a request, a notification (`None`: nothing to answer), or an error to answer with its id.
pub(super) fn read(message: &[u8]) -> Result<Option<Asked>, (Value, Error)> {
    if message.trim_ascii_start().first() == Some(&b'[') {
        return Err((Value::Null, invalid("batches are not supported: send one request per message")));
    }
    // serde_json's own words may quote the message.
    let request: Request = serde_json::from_slice(message).map_err(|error| {
        if error.is_data() {
            (
                readable_id(message),
                invalid("not a JSON-RPC 2.0 request: it takes jsonrpc \"2.0\", id, method and params"),
            )
        } else {
            (Value::Null, Error { code: PARSE_ERROR, ..invalid("not valid JSON") })
        }
    })?;
    let Some(id) = request.id else { return Ok(None) };
    if !(id.is_string() || id.is_number()) {
        return Err((Value::Null, invalid("a request's id is a string or a number")));
    }
    let params = match request.params {
        Value::Null => Value::Object(serde_json::Map::new()),
        params @ Value::Object(_) => params,
        _ => return Err((id, Error::new(ErrorKind::InvalidParams, "parameters go by name, in an object"))),
    };
    Ok(Some(Asked { id, method: request.method, params }))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

/// The id of what is no request otherwise, so that its sender can tell.
fn readable_id(message: &[u8]) -> Value {
    #[derive(Deserialize)]
    struct Identified {
        id: Value,
    }
    let id = serde_json::from_slice(message).map_or(Value::Null, |found: Identified| found.id);
    if id.is_string() || id.is_number() { id } else { Value::Null }
}

/// Asks the service.
pub(super) async fn call(
    service: Arc<dyn Service>,
    method: String,
    params: Value,
    peer: Peer,
    outbox: Arc<Outbox>,
) -> Result<Answer, Error> {
    service.call(Call { method, params, peer, notifier: Notifier::new(outbox) }).await
}

/// Hands the response object's parts to `take`: the answer itself is not copied on the way.
pub(super) fn respond<T>(id: &Value, outcome: &Result<Answer, Error>, take: impl FnOnce(&[&[u8]]) -> T) -> T {
    let id = id.to_string();
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

/// An answer that is owed. If the call dies without one (a bug: it panicked), the caller is told so.
pub(super) struct Owed {
    outbox: Arc<Outbox>,
    id: Value,
    permit: Option<OwnedSemaphorePermit>,
}

impl Owed {
    pub(super) fn new(outbox: Arc<Outbox>, id: Value, permit: OwnedSemaphorePermit) -> Self {
        Self { outbox, id, permit: Some(permit) }
    }

    pub(super) fn pay(mut self, outcome: &Result<Answer, Error>) {
        self.push(outcome);
    }

    fn push(&mut self, outcome: &Result<Answer, Error>) {
        if let Some(permit) = self.permit.take() {
            respond(&self.id, outcome, |parts| self.outbox.push(parts, Some(permit)));
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.push(&Err(Error::new(ErrorKind::Internal, "the agent failed over this request: see its log")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_answered_as_json_rpc_says() {
        let cases = [
            ("nonsense", PARSE_ERROR, "null"),
            (r#"{"jsonrpc":"2.0","#, PARSE_ERROR, "null"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, -32600, "null"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, -32600, "1"),
            (r#"{"jsonrpc":"2.0","id":"x"}"#, -32600, "\"x\""),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":3,"method":"m","params":[1]}"#, -32602, "3"),
            (r#"{"jsonrpc":"2.0","id":3,"method":"m","params":"text"}"#, -32602, "3"),
            ("3", -32600, "null"),
            ("{\"id\":\"\u{0}\"}", PARSE_ERROR, "null"),
        ];
        for (message, code, id) in cases {
            let (found, error) = read(message.as_bytes()).err().expect("refused");
            assert_eq!((error.code, found.to_string().as_str()), (code, id), "{message}");
        }
    }

    #[test]
    fn a_notification_wants_no_answer_and_missing_params_are_empty() {
        assert!(read(br#"{"jsonrpc":"2.0","method":"m","params":{}}"#).expect("valid").is_none());
        let asked = read(br#"{"jsonrpc":"2.0","id":1,"method":"m"}"#).expect("valid").expect("a request");
        assert!(asked.params.as_object().is_some_and(serde_json::Map::is_empty));
    }
}

//! HTTP/1.1 on the agent's socket, for tools that speak nothing else: `curl --unix-socket`.
//!
//! `POST /` (or `/rpc`) carries a JSON-RPC request; with `Accept: application/x-ndjson` the notifications come before the
//! answer, one per line. Two addresses spare a shell the JSON: `GET /v1/token/PROVIDER[/LABEL]` and `GET /v1/status`.

mod body;
mod io;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::{Method as Verb, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::READ_DEADLINE;
use super::dispatch::{self, Asked};
use super::moving::{Moved, Phase, Settling};
use super::outbox::{CloseOnDrop, Outbox};
use super::room::Guest;
use super::{Answer, Peer, Service, WhenMoved};
use crate::ipc::door::route::decoded;
use crate::ipc::frame::Framing;
use crate::ipc::message::account::ListAccounts;
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind, MAX_MESSAGE, Method};
use crate::secret::Secret;
use body::Body;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// Far more than any client of a local service sends.
const MAX_HEADERS: usize = 64;
/// Bytes of one header block.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Serves one connection, whose first bytes were read to tell the protocol. Until something was answered it can be moved.
pub(super) async fn run(
    connection: Moved,
    service: Arc<dyn Service>,
    peer: Peer,
    guest: Arc<Guest>,
    mut phase: watch::Receiver<Phase>,
    mut settling: Settling,
) {
    guest.takes_another_descriptor();
    let Moved { stream, met, unread, .. } = connection;
    let mut gone = pin!(stream.gone());
    let caller = Caller { service, peer, guest: Arc::clone(&guest), stays: Arc::default() };
    let stays = Arc::clone(&caller.stays);
    let serve = hyper::service::service_fn(move |request| {
        let caller = caller.clone();
        async move { Ok::<_, Infallible>(answer(caller, request).await) }
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_DEADLINE)
        .half_close(true)
        // Its buffers hold tokens for as long as the connection lasts: they go with the answer.
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(io::Http::new(stream, unread, Arc::clone(&stays))), serve);
    let phase = tokio::select! {
        served = &mut connection => {
            if served.is_err_and(|error| error.is_parse()) {
                guest.makes_no_sense();
            }
            return;
        }
        () = &mut gone => return,
        phase = phase.wait_for(|phase| *phase != Phase::Serving) => phase.map_or(Phase::Stopping, |phase| *phase),
    };
    // What was answered once stays: HTTP's clients expect such a connection to end after an answer.
    if phase == Phase::Moving && !stays.load(Ordering::Relaxed) {
        let (stream, unread) = connection.into_parts().io.into_inner().into_parts();
        return settling.goes(Moved { stream, met, framing: None, unread, standing: Vec::new() });
    }
    Pin::new(&mut connection).graceful_shutdown();
    settling.stays();
    tokio::select! {
        _ = connection => {}
        () = gone => {}
    }
}

/// Who asks, and whom.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) service: Arc<dyn Service>,
    pub(super) peer: Peer,
    pub(super) guest: Arc<Guest>,
    /// Set by the first answer, and by a request that is answered here whatever comes.
    pub(super) stays: Arc<AtomicBool>,
}

async fn answer(caller: Caller, request: Request<Incoming>) -> Response<Body> {
    // A browser's page has no business here, however it got hold of the socket: some program may pass a port on to it.
    if request.headers().contains_key(ORIGIN) || !is_addressed_here(&request) {
        return refused(StatusCode::FORBIDDEN, ErrorKind::Refused, "this service answers no web pages");
    }
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Verb::POST, "/" | "/rpc") => rpc(caller, request).await,
        (&Verb::GET, "/v1/status") => ask(caller, ListAccounts::NAME, &json!({})).await,
        (&Verb::GET, path) if path.starts_with("/v1/token/") => match decoded(&path["/v1/token/".len()..]) {
            Some(account) => ask(caller, GetToken::NAME, &json!({ "account": account })).await,
            None => refused(StatusCode::BAD_REQUEST, ErrorKind::InvalidParams, "not a valid account name"),
        },
        (_, "/" | "/rpc" | "/v1/status") => {
            refused(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::InvalidRequest, "POST to / and GET from /v1")
        }
        _ => refused(StatusCode::NOT_FOUND, ErrorKind::MethodNotFound, "no such address: see cred-helper-protocol(7)"),
    }
}

/// Whether the address was this machine's: a page can make a name of its own resolve to it (DNS rebinding), and sends that
/// name as Host, and where the page came from the same name, no Origin.
fn is_addressed_here(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(is_here) && request.uri().authority().is_none_or(|authority| is_here(authority.as_str()))
}

fn is_here(authority: &str) -> bool {
    let without_port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = without_port.map_or(authority, |(host, _)| host);
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|here| host.eq_ignore_ascii_case(here))
}

/// A JSON-RPC request in a body. What goes wrong inside JSON-RPC is told there, with status 200.
async fn rpc(caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let streams = accept.contains("application/x-ndjson");
    let length = request.body().size_hint().upper().and_then(|length| usize::try_from(length).ok());
    // What it is going to send is counted before it is there.
    let room = caller.guest.is_reading(length.unwrap_or(MAX_MESSAGE).min(MAX_MESSAGE));
    let body = match room {
        true => timeout(READ_DEADLINE, Limited::new(request.into_body(), MAX_MESSAGE).collect()).await,
        false => {
            caller.guest.is_reading(0);
            return refused(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::TemporarilyUnavailable,
                super::connection::FULL,
            );
        }
    };
    caller.guest.is_reading(0);
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("the message is longer than {MAX_MESSAGE} bytes");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::InvalidRequest, &what);
        }
        _ => return refused(StatusCode::REQUEST_TIMEOUT, ErrorKind::InvalidRequest, "the message did not end"),
    };
    let read = dispatch::read(&body);
    drop(body);
    let Asked { id, method, params } = match read {
        Ok(Some(asked)) => asked,
        Ok(None) => return respond(StatusCode::NO_CONTENT, JSON, Body::empty()),
        Err((id, error)) => return respond(StatusCode::OK, JSON, Body::response(&id, &Err(error))),
    };
    if caller.service.when_moved(&method) == WhenMoved::Stays {
        caller.stays.store(true, Ordering::Relaxed);
    }
    if streams {
        return respond(StatusCode::OK, LINES, Body::stream(caller, id, method, params));
    }
    let outcome = call(caller, method, params).await;
    respond(StatusCode::OK, JSON, Body::response(&id, &outcome))
}

/// A plain question with a plain answer: the result alone, or the error with a status that fits.
async fn ask(caller: Caller, method: &str, params: &Value) -> Response<Body> {
    match call(caller, method.to_owned(), Secret::from(params.to_string())).await {
        Ok(answer) => respond(StatusCode::OK, JSON, Body::text(&answer.expose())),
        Err(error) => failed(status(error.kind()), &error),
    }
}

/// Calls the service; nobody listens for notifications.
async fn call(caller: Caller, method: String, params: Secret) -> Result<Answer, Error> {
    let Caller { service, peer, guest, .. } = caller;
    let outbox = Outbox::new(Framing::Lines, guest);
    let _close = CloseOnDrop(outbox.clone());
    let dropped = async {
        while outbox.next().await.is_some() {}
        std::future::pending().await
    };
    tokio::select! {
        outcome = dispatch::call(service, method, params, peer, outbox.clone()) => outcome,
        never = dropped => never,
    }
}

/// The status that says what an error's kind says.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UnknownAccount | ErrorKind::NoSuchToken | ErrorKind::MethodNotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidParams
        | ErrorKind::InvalidRequest
        | ErrorKind::InvalidPaste
        | ErrorKind::AmbiguousAccount => StatusCode::BAD_REQUEST,
        ErrorKind::Cancelled | ErrorKind::OtherPerson => StatusCode::CONFLICT,
        ErrorKind::Misconfigured => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NoticeRequired => StatusCode::PRECONDITION_REQUIRED,
        ErrorKind::LoginRequired
        | ErrorKind::Denied
        | ErrorKind::Refused
        | ErrorKind::NotAllowed
        | ErrorKind::NotConfirmed => StatusCode::FORBIDDEN,
        ErrorKind::UnknownTarget => StatusCode::NOT_FOUND,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::VaultLocked => StatusCode::LOCKED,
        ErrorKind::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refused(status: StatusCode, kind: ErrorKind, what: &str) -> Response<Body> {
    failed(status, &Error::new(kind, what))
}

fn failed(status: StatusCode, error: &Error) -> Response<Body> {
    respond(status, JSON, Body::text(&json!({ "error": error }).to_string()))
}

fn respond(status: StatusCode, content: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    // RFC 6749 section 5.1: tokens are not stored on the way.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_are_addresses_of_the_service() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:1", "localhost:"] {
            assert!(is_here(host), "{host}");
        }
        for host in
            ["", "x", "evil.example", "localhost.evil.example", "evil.example:80", "localhost:80:80", "::1", "127.1"]
        {
            assert!(!is_here(host), "{host}");
        }
    }
}

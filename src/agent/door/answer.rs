//! One request at the door: judged, passed to the agent's dispatcher, answered. What a stranger sent is in no answer and no
//! log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{Open, caller};
use crate::agent::{Agent, blocking};
use crate::ipc::door::route::{NoRoute, Route, route};
use crate::ipc::door::{Admitted, Given, Head, Refused};
use crate::ipc::message::{Error, ErrorKind, Method};
use crate::ipc::server::{Answer, Call, Inbox, Peer, Service as _, status};
use crate::secret::Secret;

/// The longest body: a reported token fits.
const MAX_BODY: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long whoever has the wrong secret waits, one after the other: guessing is hopeless anyway, this keeps it quiet.
const WRONG_SECRET_PAUSE: Duration = Duration::from_millis(200);
/// What is served, as programs read it.
const DESCRIPTION: &str = include_str!("../../../contrib/openapi.yaml");

pub(super) type Reply = Response<Full<Bytes>>;

/// One connection's request.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) agent: Arc<Agent>,
    pub(super) open: Arc<Open>,
    pub(super) remote: SocketAddr,
    /// Set once it has shown the secret, or brought a login's redirect.
    pub(super) known: Arc<AtomicBool>,
}

impl Visit {
    pub(super) async fn answer(self, request: Request<Incoming>, local: Option<SocketAddr>) -> Reply {
        let judged = head(&request);
        let origin = match judged.origin {
            Given::One(origin) if self.open.keeper.is_named(origin) => HeaderValue::from_str(origin).ok(),
            _ => None,
        };
        let mut reply = match self.open.keeper.admit(&judged) {
            Ok(Admitted::Asked) => {
                self.known.store(true, Ordering::Release);
                let peer = self.peer(local).await;
                self.ask(peer, request).await
            }
            Ok(Admitted::Callback) => self.open.callbacks.page(&request, &self.known).await,
            Ok(Admitted::Preflight) => preflight(),
            Err(refused) => self.refuse(refused, local).await,
        };
        let headers = reply.headers_mut();
        // RFC 6749 section 5.1: tokens are not stored on the way.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        reply
    }

    /// Whose connection it is, as far as the system says.
    async fn peer(&self, local: Option<SocketAddr>) -> Peer {
        let (remote, likely) = (self.remote, Vec::from(self.open.callers().clone()));
        let found = blocking(move || local.map(|local| caller::find(remote, local, &likely)).unwrap_or_default()).await;
        let (uid, pid) = found.unwrap_or_default();
        pid.into_iter().for_each(|pid| self.open.remember(pid));
        Peer::at_door(uid, pid)
    }

    async fn refuse(&self, refused: Refused, local: Option<SocketAddr>) -> Reply {
        let what = match refused {
            Refused::Host => "this address answers to 127.0.0.1 and localhost with its port only",
            Refused::Origin => "web pages may ask only if `origins` under [http] of the configuration names theirs",
            Refused::NoSecret => "an Authorization header with the Bearer secret is needed: see cred-helper-http(7)",
            Refused::WrongSecret => {
                "that is not the secret: it changes with every start of the agent, read the file anew"
            }
        };
        let wrong = refused == Refused::WrongSecret;
        if wrong {
            let _turn = self.open.wrong.lock().await;
            sleep(WRONG_SECRET_PAUSE).await;
            self.agent.refused(&self.peer(local).await);
        }
        let status = match refused {
            Refused::Host | Refused::Origin => StatusCode::FORBIDDEN,
            Refused::NoSecret | Refused::WrongSecret => StatusCode::UNAUTHORIZED,
        };
        let mut reply = failed(status, &Error::new(ErrorKind::Refused, what));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = if wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        reply
    }

    async fn ask(&self, peer: Peer, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let route = match route(head.method.as_str(), head.uri.path(), head.uri.query()) {
            Ok(route) => route,
            Err(no) => return no_route(no),
        };
        if route == Route::Description {
            return reply(
                StatusCode::OK,
                HeaderValue::from_static("application/yaml"),
                Bytes::from_static(DESCRIPTION.as_bytes()),
            );
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        match self.agent.at_door(&peer, route, &body).await {
            Ok(answer) => json_reply(StatusCode::OK, &answer.expose()),
            Err(error) => failed(status(error.kind()), &error),
        }
    }
}

impl Agent {
    /// Asks the dispatcher, as a connection to the socket does.
    pub(super) async fn ask<M: Method>(self: &Arc<Self>, peer: &Peer, method: &M) -> Result<Answer, Error> {
        let inbox = Inbox::new();
        let call =
            Call { method: M::NAME.to_owned(), params: text(method)?, peer: peer.clone(), notifier: inbox.notifier() };
        Arc::clone(self).call(call).await
    }
}

/// A message as JSON; it may hold a secret.
pub(super) fn text(message: &impl Serialize) -> Result<Secret, Error> {
    let text = serde_json::to_string(message).map(Secret::from);
    text.map_err(|_| Error::new(ErrorKind::Internal, "an answer could not be written"))
}

fn head(request: &Request<Incoming>) -> Head<'_> {
    let given = |name: HeaderName| {
        let mut values = request.headers().get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Given::Absent,
            (Some(one), None) => one.to_str().map_or(Given::Odd, Given::One),
            _ => Given::Odd,
        }
    };
    Head {
        method: request.method().as_str(),
        authority: request.uri().authority().map(|authority| authority.as_str()),
        path: request.uri().path(),
        host: given(HOST),
        origin: given(ORIGIN),
        authorization: given(AUTHORIZATION),
    }
}

async fn read(body: Incoming) -> Result<Bytes, Reply> {
    let refused = |status, what: &str| Err(failed(status, &Error::new(ErrorKind::InvalidRequest, what)));
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            refused(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {MAX_BODY} bytes"))
        }
        _ => refused(StatusCode::REQUEST_TIMEOUT, "the body did not end"),
    }
}

/// What a page of a named origin may do (Fetch, section 4.8); whether it may is asked again with the request.
fn preflight() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    reply.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    reply
}

fn no_route(no: NoRoute) -> Reply {
    match no {
        NoRoute::NotFound => {
            let error = Error::new(ErrorKind::MethodNotFound, "no such address: see cred-helper-http(7)");
            failed(StatusCode::NOT_FOUND, &error)
        }
        NoRoute::Method(allowed) => {
            let error = Error::new(ErrorKind::InvalidRequest, format!("this address takes {allowed} only"));
            let mut reply = failed(StatusCode::METHOD_NOT_ALLOWED, &error);
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            reply
        }
        NoRoute::Wrong(what) => failed(StatusCode::BAD_REQUEST, &Error::new(ErrorKind::InvalidParams, what)),
    }
}

fn failed(status: StatusCode, error: &Error) -> Reply {
    json_reply(status, &json!({ "error": error }).to_string())
}

fn json_reply(status: StatusCode, text: &str) -> Reply {
    reply(status, HeaderValue::from_static("application/json"), Bytes::from(format!("{text}\n")))
}

fn reply(status: StatusCode, content: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content);
    reply
}

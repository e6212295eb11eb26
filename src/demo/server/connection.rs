//! One connection: hyper reads requests, the endpoints answer them, and what the test ordered happens to the answer.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::behaviour::{Delivery, Fate, Raw};
use super::http::{Answer, Parameters, Request};
use super::log::{Endpoint, Outcome};
use super::site::Site;

/// The longest request body that is read.
const MAX_BODY: usize = 64 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(move |request| -> Answering { Box::pin(respond(site.clone(), request)) });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = poll_fn(|context| connection.poll_without_shutdown(context)).await else { return };
    let mut stream = connection.into_parts().io.into_inner();
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(Unanswered::Raw(raw)) => {
            // A client may leave in the middle of it.
            let _ = send(&mut stream, raw).await;
        }
        // A fate that a test ordered, or a client that left: either way nothing polite follows.
        Some(Unanswered::Reset) | None => drop(stream.set_zero_linger()),
    }
}

async fn send(stream: &mut TcpStream, raw: &Raw) -> std::io::Result<()> {
    stream.write_all(&raw.head).await?;
    for _ in 0..raw.times {
        stream.write_all(&raw.block).await?;
    }
    stream.shutdown().await
}

type Answering = Pin<Box<dyn Future<Output = Result<hyper::Response<Script>, Unanswered>> + Send>>;

/// How a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the connection is reset")]
    Reset,
    #[error("something else than HTTP is sent")]
    Raw(Raw),
}

async fn respond(site: Arc<Site>, incoming: hyper::Request<Incoming>) -> Result<hyper::Response<Script>, Unanswered> {
    let (head, body) = incoming.into_parts();
    let endpoint = site.endpoint(head.uri.path());
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Unanswered::Reset)?.to_bytes().to_vec();
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: Parameters::parse(head.uri.query().unwrap_or_default().as_bytes()),
        headers: head.headers,
        body,
        rotation: site.options.rotation,
    };
    let grant_type = match endpoint {
        Endpoint::Token => request.form(site.options.bodies).ok(),
        _ => None,
    };
    let grant_type = grant_type.and_then(|form| form.get("grant_type").ok().flatten().map(str::to_owned));
    let number = site.arrived(endpoint, grant_type, request.header("user-agent").map(str::to_owned));
    if endpoint == Endpoint::Token {
        tokio::time::sleep(site.options.token_delay).await;
    }
    let fate = site.next_behaviour(endpoint).answer(|rotation| {
        let rotation = rotation.unwrap_or(request.rotation);
        site.answer(endpoint, &Request { rotation, ..request })
    });
    match fate {
        Fate::Silence => std::future::pending().await,
        Fate::Reset => {
            site.ended(number, Outcome::Dropped);
            Err(Unanswered::Reset)
        }
        Fate::Raw(raw) => {
            site.ended(number, Outcome::Dropped);
            Err(Unanswered::Raw(raw))
        }
        Fate::Answer(answer, delivery) => {
            if let Delivery::Late(delay) = delivery {
                tokio::time::sleep(delay).await;
            }
            site.ended(number, outcome(&answer, delivery));
            Ok(response(answer, delivery))
        }
    }
}

fn outcome(answer: &Answer, delivery: Delivery) -> Outcome {
    match &answer.error {
        _ if delivery == Delivery::Half => Outcome::Dropped,
        Some(error) => Outcome::Refused(answer.status, error.clone()),
        None => Outcome::Answered(answer.status),
    }
}

fn response(answer: Answer, delivery: Delivery) -> hyper::Response<Script> {
    let mut response = hyper::Response::builder().status(answer.status).header("content-length", answer.body.len());
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let left = Bytes::from(answer.body);
    let script = match delivery {
        Delivery::Whole | Delivery::Late(_) => Script { left, cut: false, pause: None },
        Delivery::Half => Script { left: left.slice(..left.len() / 2), cut: true, pause: None },
        Delivery::ByteByByte(pause) => Script { left, cut: false, pause: Some((pause, None)) },
    };
    // What the endpoints put into headers are URLs and constants; anything else is a test's own Retry-After.
    response.body(script).unwrap_or_else(|_| {
        let mut failed = hyper::Response::new(Script { left: Bytes::new(), cut: false, pause: None });
        *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

/// A body that is sent as ordered.
struct Script {
    left: Bytes,
    /// Ends with a broken connection instead of the rest.
    cut: bool,
    /// Sends a byte, waits, sends the next.
    pause: Option<(Duration, Option<Pin<Box<Sleep>>>)>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = Unanswered;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unanswered>>> {
        if self.left.is_empty() {
            return Poll::Ready(std::mem::take(&mut self.cut).then_some(Err(Unanswered::Reset)));
        }
        let Some((pause, sleeping)) = &mut self.pause else {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.left)))));
        };
        let sleep = sleeping.get_or_insert_with(|| Box::pin(tokio::time::sleep(*pause)));
        if sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        *sleeping = None;
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(1)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && !self.cut
    }
}

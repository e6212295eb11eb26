//! A server for tests on loopback that gives canned answers and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A parameter of a form.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, v)| v.into_owned())
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A JSON answer.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_owned() }
}

/// The server; dropping it closes it.
pub(crate) struct Canned {
    origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Canned {
    pub(crate) async fn start(respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(|_| respond).await
    }

    /// For answers that hold the server's own address.
    pub(crate) async fn start_with<R: Fn(&Seen) -> Answer + Send + Sync + 'static>(
        make: impl FnOnce(&str) -> R,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let origin = format!("http://{}", listener.local_addr().expect("address"));
        let (respond, seen) = (Arc::new(make(&origin)), Arc::new(Mutex::new(Vec::new())));
        let log = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (respond, log) = (respond.clone(), log.clone());
                let service = hyper::service::service_fn(move |request| {
                    let (respond, log) = (respond.clone(), log.clone());
                    async move { Ok::<_, Infallible>(serve(request, &*respond, &log).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { origin, seen, task: task.abort_handle() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    request: hyper::Request<Incoming>,
    respond: &(impl Fn(&Seen) -> Answer + ?Sized),
    log: &Mutex<Vec<Seen>>,
) -> hyper::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (method, path) = (head.method.to_string(), head.uri.to_string());
    let seen = Seen { method, path, headers, body: String::from_utf8_lossy(&bytes).into_owned() };
    let answer = respond(&seen);
    log.lock().expect("lock").push(seen);
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(Bytes::from(answer.body))).expect("response")
}

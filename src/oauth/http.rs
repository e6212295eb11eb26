//! HTTP to authorization servers: every request goes out here. It and its parts alone name the HTTP crate.
//!
//! Solves one question above all: may the server have seen the request? A refresh token that was certainly not sent can be
//! sent again without a thought; one whose answer was lost may have been rotated. So nothing is retried, redirected or
//! pooled behind our back, and [`HttpError`] says which of the two it was.

mod certificate;
mod passage;
mod trouble;
mod walk;
mod witness;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use self::passage::{Passage, Route};
use self::trouble::Bound;
pub use self::trouble::Hop;
pub use self::walk::{Step, Walked};
use super::proxy::Proxies;
use super::retry_after;
use crate::clock::Timestamp;
use crate::fault;
use crate::redact;
use crate::secret::Secret;

/// The longest answer that is read: a token answer with the largest tokens seen is under 32 KiB.
const MAX_BODY: usize = 256 * 1024;

/// How often a connection on which nothing comes is asked whether its other end is still there.
const PULSE: Duration = Duration::from_secs(5);
/// How many of these questions in a row go unanswered before it is given up; on Linux the library's own limit for what is not
/// acknowledged, half a minute, comes before. A server that thinks answers them: it is only
/// one that is gone (its machine, or the way to it) that is told by this.
const PULSES: u32 = 3;
/// Of the time that an exchange may take, the part within which an answer to a repeatable request has to begin.
const BEGINNING: u32 = 4;

/// What the HTTP client is made of.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Certificate authorities beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// What stands between this machine and the servers.
    pub proxies: Proxies,
    /// The version in the User-Agent.
    pub version: String,
    /// How long name resolution, connection and TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How long the whole exchange may take.
    pub exchange_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            ca_file: None,
            proxies: Proxies::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connect_timeout: Duration::from_secs(10),
            exchange_timeout: Duration::from_secs(60),
        }
    }
}

/// Why there is no answer, by whether the server may have seen the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Certainly not sent: a URL that may not be used, or a client that cannot be made.
    #[error("{0}")]
    Refused(String),
    /// Certainly not sent: no name, no connection, no TLS.
    #[error("{0}")]
    NotSent(String),
    /// It may have reached the server; the answer did not come whole.
    #[error("{0}")]
    AnswerLost(String),
}

/// A request.
#[derive(Debug, Default)]
pub struct Request {
    /// Where to: https, or http on this machine.
    pub url: String,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// The `Authorization` header.
    pub authorization: Option<Secret>,
    /// What is posted; without it, it is a GET.
    pub body: Option<Body>,
    /// DELETE rather than POST.
    pub delete: bool,
    /// Another limit than the usual for the whole exchange.
    pub timeout: Option<Duration>,
    /// Whether it may be sent again without harm while the server has not answered it: one whose answer has not begun
    /// after a quarter of the time is then given up.
    pub repeatable: bool,
}

/// What is posted.
pub struct Body {
    /// Its media type.
    pub content_type: &'static str,
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

/// An answer that came whole.
pub struct Response {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// `Location`, as it came: redirects are not followed.
    pub location: Option<String>,
    /// `Date`: the server's clock (RFC 9110 section 6.6.1), by which its absolute times are to be read.
    pub date: Option<Timestamp>,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// The HTTP client.
pub struct Http {
    options: HttpOptions,
    authorities: Vec<CertificateDer<'static>>,
    passage: Arc<Passage>,
    /// Made when first needed: the system's trust store takes time to read and memory to keep.
    clients: [OnceLock<Result<reqwest::Client, String>>; 3],
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Http {
    /// Reads the extra certificate authorities; everything else waits until it is needed.
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        // reqwest asks rustls for the process's provider. It may be installed already, then by us: nobody else does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = options.ca_file.as_deref().map_or(Ok(Vec::new()), read_authorities)?;
        let passage = Arc::new(Passage::new(&options.proxies));
        Ok(Self { options, authorities, passage, clients: Default::default() })
    }

    /// The proxy that configuration or environment name, for people; an error if it cannot be used.
    pub fn proxy(&self) -> Result<Option<String>, String> {
        let named = self.passage.named()?;
        Ok(named.map(|passage::Through { address, origin, .. }| format!("{address} ({origin})")))
    }

    /// Sends a request, once, and reads its answer to the end.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let limit = request.timeout.unwrap_or(self.options.exchange_timeout);
        let host = host(&request.url);
        // A limit that passes while the connection is still being made counts as lost too: the careful guess.
        let begins = if request.repeatable { limit / BEGINNING } else { limit };
        let exchange = tokio::time::timeout(limit, self.exchange(request, &host, begins)).await;
        exchange.unwrap_or_else(|_| Err(too_late(&host, limit)))
    }

    async fn exchange(&self, request: Request, host: &str, begins: Duration) -> Result<Response, HttpError> {
        let url = parsed(&request.url)?;
        let through = self.passage.through(&url).map_err(HttpError::Refused)?;
        let bound = Bound { host, through: through.as_ref(), connect_timeout: self.options.connect_timeout };
        let client = self.client(route(&url)?)?;
        let built = build(client, request, url)?;
        fault::point("http.send");
        let sent = tokio::time::timeout(begins, built.send()).await.map_err(|_| too_late(host, begins))?;
        read(sent.map_err(|error| bound.ended(&error).1)?, &bound).await
    }

    fn client(&self, route: Route) -> Result<&reqwest::Client, HttpError> {
        let made = self.clients[route as usize].get_or_init(|| {
            self.make(route).map_err(|error| format!("no HTTPS on this machine: {}", trouble::innermost(&error)))
        });
        made.as_ref().map_err(|message| HttpError::Refused(message.clone()))
    }

    fn make(&self, route: Route) -> reqwest::Result<reqwest::Client> {
        let builder = self.common();
        let authorities = self.authorities.iter().map(|der| reqwest::Certificate::from_der(der));
        let authorities = authorities.collect::<reqwest::Result<Vec<_>>>()?;
        match route {
            Route::Local => builder.no_proxy().tls_certs_only([]),
            Route::LocalTls => builder.no_proxy().tls_certs_merge(authorities),
            Route::Remote => builder.proxy(passage::proxy(&self.passage)).tls_certs_merge(authorities),
        }
        .build()
    }

    /// What every client has.
    fn common(&self) -> reqwest::ClientBuilder {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("accept", reqwest::header::HeaderValue::from_static("application/json"));
        // A connection that carried a token is not kept: its buffers are freed, and with that wiped, at once.
        headers.insert("connection", reqwest::header::HeaderValue::from_static("close"));
        reqwest::Client::builder()
            .user_agent(format!("cred-helper/{}", self.options.version))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(self.options.connect_timeout)
            .tcp_keepalive(PULSE)
            .tcp_keepalive_interval(PULSE)
            .tcp_keepalive_retries(PULSES)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
    }
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let refused = |reason: String| HttpError::Refused(format!("the CA file {}: {reason}", path.display()));
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(refused("no certificate in it can be read (PEM is needed)".to_owned())),
    }
}

fn build(client: &reqwest::Client, request: Request, url: url::Url) -> Result<reqwest::RequestBuilder, HttpError> {
    let method = match &request.body {
        _ if request.delete => reqwest::Method::DELETE,
        Some(_) => reqwest::Method::POST,
        None => reqwest::Method::GET,
    };
    let mut builder = client.request(method, url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(authorization) = request.authorization {
        let mut value = reqwest::header::HeaderValue::from_str(&authorization.expose())
            .map_err(|_| HttpError::Refused("the client's credentials don't fit into a header".to_owned()))?;
        value.set_sensitive(true);
        builder = builder.header(reqwest::header::AUTHORIZATION, value);
    }
    if let Some(mut body) = request.body {
        let bytes = std::mem::take(&mut *body.bytes);
        builder = builder.header(reqwest::header::CONTENT_TYPE, body.content_type).body(bytes);
    }
    Ok(builder)
}

/// An answer, to its end.
async fn read(sent: reqwest::Response, bound: &Bound<'_>) -> Result<Response, HttpError> {
    let header = |name| sent.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = sent.status().as_u16();
    let (content_type, retry_after) = (header("content-type"), header("retry-after"));
    let (location, date) = (header("location"), header("date").and_then(|date| retry_after::date(&date)));
    fault::point("http.read");
    let body = read_body(sent, bound).await?;
    fault::point("http.answer");
    Ok(Response { status, content_type, retry_after, location, date, body })
}

/// Reads to the end or to the cap, and leaves no outgrown copy behind.
async fn read_body(mut response: reqwest::Response, bound: &Bound<'_>) -> Result<Zeroizing<Vec<u8>>, HttpError> {
    let announced = usize::try_from(response.content_length().unwrap_or(16 * 1024)).unwrap_or(usize::MAX);
    let too_long = || HttpError::AnswerLost(format!("{} answered with more than {} KiB", bound.host, MAX_BODY / 1024));
    if announced > MAX_BODY {
        return Err(too_long());
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(|error| bound.ended(&error).1)? {
        let length = body.len() + chunk.len();
        if length > MAX_BODY {
            return Err(too_long());
        }
        if length > body.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length.max(body.capacity() * 2)));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_late(host: &str, limit: Duration) -> HttpError {
    HttpError::AnswerLost(format!("{host} did not answer within {} seconds", limit.as_secs()))
}

fn parsed(url: &str) -> Result<url::Url, HttpError> {
    url::Url::parse(url).map_err(|_| HttpError::Refused(format!("{} is no URL", redact::url(url))))
}

fn route(url: &url::Url) -> Result<Route, HttpError> {
    Route::of(url).ok_or_else(|| {
        let shown = redact::url(url.as_str());
        HttpError::Refused(format!("{shown} is not asked: it has to be https (http is for this machine only)"))
    })
}

/// A URL's host and port, for messages.
pub fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port())));
    match host {
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.to_owned(),
        None => redact::url(url),
    }
}

#[cfg(test)]
mod tests;

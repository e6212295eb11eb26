//! The loopback redirect (RFC 8252 section 7.3): a listener for one request among whatever else knocks.
//!
//! Every program and every web page on this machine can reach it. So only a GET with the right path, Host and state ends
//! the login, once; everything else gets a page of its own and changes nothing, and a client that is slow or talks
//! without end takes no place away from the browser.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::WaitingPage;
use super::page::Page;
use super::sockets::{accept, bind, is_taken};
use crate::oauth::authorization::{self, Outcome, Redirected};
use crate::oauth::redirect::{Knock, Refused, judge, judge_place};
use crate::provider::schema::Redirect;
use crate::secret::Secret;

/// Connections at once; when it is full, the oldest that hasn't brought the redirect makes room.
const MAX_CONNECTIONS: usize = 256;
/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A redirect with a long code fits; more is nobody's redirect.
const MAX_REQUEST: usize = 64 * 1024;
/// How long a browser is kept waiting for the page that ends the login.
const PAGE_TIMEOUT: Duration = Duration::from_secs(180);

/// Ports bound and not served yet.
pub(super) struct Loopback {
    sockets: Vec<TcpListener>,
    redirect_uri: String,
    authority: String,
    path: String,
}

/// What a redirect has to bring.
pub(super) struct Expected {
    pub(super) state: Secret,
    /// Whether the state is part of the path, and nowhere else.
    pub(super) state_in_path: bool,
    pub(super) issuer: Option<String>,
    pub(super) iss_promised: bool,
    /// The provider's name for people.
    pub(super) provider: String,
}

/// A redirect that belongs to the login, and the browser that waits for its page.
pub(super) struct Arrived {
    pub(super) redirected: Redirected,
    pub(super) page: Option<WaitingPage>,
}

impl Loopback {
    /// Binds the first port that can be had.
    pub(super) async fn bind(redirect: &Redirect, fixed: Option<u16>) -> Result<Self, String> {
        let ports = match fixed {
            Some(port) => vec![port],
            None if redirect.ports.is_empty() => vec![0],
            None => redirect.ports.clone(),
        };
        for port in &ports {
            match bind(&redirect.host, *port).await {
                Ok((sockets, port)) => {
                    let authority = format!("{}:{port}", redirect.host);
                    let redirect_uri = format!("http://{authority}{}", redirect.path);
                    return Ok(Self { sockets, redirect_uri, authority, path: redirect.path.clone() });
                }
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(format!("no redirect to {} can be received: {error}", redirect.host)),
            }
        }
        let named: Vec<String> = ports.iter().map(u16::to_string).collect();
        Err(format!(
            "the redirect needs port {} of this machine, and other programs have it: close one of them, or sign in \
             with --device or --redirect-port",
            named.join(" or ")
        ))
    }

    /// The same with the state in its path, for servers that give back nothing that they were sent.
    pub(super) fn tied_to(mut self, state: &Secret) -> Self {
        let tie = format!("/{}", &*state.expose());
        self.path.push_str(&tie);
        self.redirect_uri.push_str(&tie);
        self
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Starts to listen for the redirect.
    pub(super) fn serve(self, expected: Expected) -> Serving {
        let (arrivals, arrived) = mpsc::channel(1);
        let Loopback { sockets, redirect_uri: _, authority, path } = self;
        let door = Arc::new(Door { authority, path, expected, taken: AtomicBool::new(false), arrivals });
        Serving { sockets, door, arrived, open: VecDeque::new() }
    }
}

impl Serving {
    /// Without a listener of its own: whoever has one brings the requests to the door.
    pub(super) fn elsewhere(authority: String, path: String, expected: Expected) -> (Self, Arc<Door>) {
        let (arrivals, arrived) = mpsc::channel(1);
        let door = Arc::new(Door { authority, path, expected, taken: AtomicBool::new(false), arrivals });
        (Self { sockets: Vec::new(), door: Arc::clone(&door), arrived, open: VecDeque::new() }, door)
    }
}

/// The listener at work. Dropping it closes the ports at once, and every connection but the one whose page is due.
pub(super) struct Serving {
    sockets: Vec<TcpListener>,
    door: Arc<Door>,
    arrived: mpsc::Receiver<Arrived>,
    open: VecDeque<Open>,
}

struct Open {
    task: AbortHandle,
    brought_redirect: Arc<AtomicBool>,
}

impl Serving {
    /// Serves until the redirect arrives. Afterwards it never ends: what still comes gets its page.
    pub(super) async fn redirect(&mut self) -> Arrived {
        loop {
            tokio::select! {
                Some(arrived) = self.arrived.recv() => return arrived,
                accepted = accept(&self.sockets) => match accepted {
                    Ok((stream, _)) => self.admit(stream).await,
                    // Out of descriptors, most likely: not a reason to spin.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
            }
        }
    }

    /// The login was decided another way: a redirect comes too late.
    pub(super) fn close_door(&self) {
        self.door.taken.store(true, Ordering::Release);
    }

    /// What decided it was nothing: a redirect may come again.
    pub(super) fn open_door(&self) {
        self.door.taken.store(false, Ordering::Release);
    }

    async fn admit(&mut self, stream: TcpStream) {
        if self.open.len() >= MAX_CONNECTIONS {
            // What has come already is read first: a crowd right behind the browser must not push it out.
            tokio::task::yield_now().await;
            self.open.retain(|open| !open.task.is_finished());
        }
        if self.open.len() >= MAX_CONNECTIONS {
            let idle = self.open.iter().position(|open| !open.brought_redirect.load(Ordering::Acquire));
            match idle.and_then(|at| self.open.remove(at)) {
                Some(open) => open.task.abort(),
                None => return,
            }
        }
        let brought_redirect = Arc::new(AtomicBool::new(false));
        let (door, brought) = (self.door.clone(), brought_redirect.clone());
        let service = service_fn(move |request| {
            let (door, brought) = (door.clone(), brought.clone());
            async move { Ok::<_, Infallible>(door.page(&request, &brought).await.response()) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .max_buf_size(MAX_REQUEST)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        let task = tokio::spawn(async move {
            // Whatever is wrong with a connection concerns nobody else.
            let _ = connection.await;
        });
        self.open.push_back(Open { task: task.abort_handle(), brought_redirect });
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let idle = self.open.iter().filter(|open| !open.brought_redirect.load(Ordering::Acquire));
        idle.for_each(|open| open.task.abort());
    }
}

/// What every connection is judged by.
pub(super) struct Door {
    authority: String,
    pub(super) path: String,
    expected: Expected,
    taken: AtomicBool,
    arrivals: mpsc::Sender<Arrived>,
}

impl Door {
    /// Judges a request; nothing comes of it.
    pub(super) fn judge(&self, request: &Request<Incoming>) -> Result<Redirected, Refused> {
        let uri = request.uri();
        let mut hosts = request.headers().get_all(hyper::header::HOST).iter();
        let host = match (hosts.next(), hosts.next(), uri.authority()) {
            (Some(host), None, None) => host.to_str().ok(),
            _ => None,
        };
        let knock = Knock { method: request.method().as_str(), host, path: uri.path(), query: uri.query() };
        match self.expected.state_in_path {
            true => judge_place(knock, &self.authority, &self.path),
            false => judge(knock, &self.authority, &self.path, &self.expected.state),
        }
    }

    /// The page for a request, which may be the redirect that ends the login.
    pub(super) async fn page(&self, request: &Request<Incoming>, brought: &AtomicBool) -> Page {
        let redirected = match self.judge(request) {
            Ok(redirected) => redirected,
            Err(reason) => return turned_away(reason),
        };
        if self.taken.swap(true, Ordering::AcqRel) {
            return Page::AlreadyUsed;
        }
        brought.store(true, Ordering::Release);
        self.hand_over(redirected).await
    }

    /// Hands the redirect to the login; the page of a code waits for how the login ends.
    async fn hand_over(&self, redirected: Redirected) -> Page {
        let Expected { state: _, state_in_path: _, issuer, iss_promised, provider } = &self.expected;
        let wrong = authorization::check_issuer(issuer.as_deref(), *iss_promised, redirected.issuer.as_deref()).err();
        let at_once = match (&redirected.outcome, wrong) {
            (_, Some(reason)) => Some(Page::Failed(reason.to_owned())),
            (Outcome::Error { error, description }, None) => Some(Page::ProviderError {
                provider: provider.clone(),
                error: error.clone(),
                description: description.clone(),
            }),
            (Outcome::Code(_), None) => None,
        };
        let (sender, ended) = oneshot::channel();
        let page = at_once.is_none().then_some(WaitingPage(sender));
        // The login that is gone shows in the page: its sender is dropped.
        let _ = self.arrivals.try_send(Arrived { redirected, page });
        if let Some(page) = at_once {
            return page;
        }
        match tokio::time::timeout(PAGE_TIMEOUT, ended).await {
            Ok(Ok(Ok(account))) => Page::SignedIn(account),
            Ok(Ok(Err(message))) => Page::Failed(message),
            Ok(Err(_)) => Page::NotCompleted,
            Err(_) => Page::TimedOut,
        }
    }
}

pub(super) fn turned_away(reason: Refused) -> Page {
    match reason {
        Refused::NotFound => Page::NotFound,
        Refused::Method => Page::MethodNotAllowed,
        Refused::NotARedirect => Page::NotARedirect,
        Refused::OtherLogin => Page::OtherLogin,
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;

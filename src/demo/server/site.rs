//! What the endpoints share: the options, what was granted, what is under way, and the log; and which endpoint a path
//! belongs to. Every endpoint is a function of this and a request, under one short lock.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::authorization::{self, Code, Pending};
use super::behaviour::{Behaviour, RedirectBehaviour};
use super::device::{self, Device};
use super::grants::Grants;
use super::http::{Answer, OAuthError, Request};
use super::log::{Endpoint, Entry, Outcome};
use super::options::{Options, User};
use super::{metadata, pages, random, resource, revocation, second_step, token};

/// One server.
#[derive(Debug)]
pub(super) struct Site {
    /// `http://127.0.0.1:PORT`, or what it is known by.
    pub origin: String,
    port: u16,
    pub options: Options,
    /// Signs what public clients get.
    pub key: String,
    pub started: Instant,
    state: Mutex<State>,
    changed: Condvar,
    version: watch::Sender<u64>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    pub log: Vec<Entry>,
    pub grants: Grants,
    pub pending: HashMap<String, Pending>,
    pub codes: HashMap<String, Code>,
    pub devices: HashMap<String, Device>,
    /// The `jti` of every client assertion that was taken.
    pub assertions: HashSet<String>,
    /// What the second step gave, and when that ends.
    pub second_tokens: HashMap<String, Instant>,
    pub behaviours: Vec<(Endpoint, Behaviour, usize)>,
    pub redirect: RedirectBehaviour,
    pub user: User,
}

impl Site {
    pub(super) fn new(address: SocketAddr, options: Options) -> Self {
        let origin = options.public_origin.clone().unwrap_or_else(|| format!("http://{address}"));
        let state = State {
            log: Vec::new(),
            grants: Grants::default(),
            pending: HashMap::new(),
            codes: HashMap::new(),
            devices: HashMap::new(),
            assertions: HashSet::new(),
            second_tokens: HashMap::new(),
            behaviours: Vec::new(),
            redirect: RedirectBehaviour::Decent,
            user: options.user.clone(),
        };
        Self {
            origin,
            port: address.port(),
            options,
            key: random::value(""),
            started: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            version: watch::Sender::new(0),
        }
    }

    /// The issuer identifier.
    pub(super) fn issuer(&self) -> String {
        format!("{}{}", self.origin, self.options.issuer_path)
    }

    /// The state; a test that panicked while it held the lock left nothing half done.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request; the number finds it again.
    pub(super) fn arrived(&self, endpoint: Endpoint, grant_type: Option<String>, user_agent: Option<String>) -> usize {
        let mut state = self.state();
        let at = self.started.elapsed();
        state.log.push(Entry { endpoint, grant_type, user_agent, at, answered_at: None, outcome: Outcome::Pending });
        let number = state.log.len() - 1;
        drop(state);
        self.tell();
        number
    }

    /// Takes note of how it ended.
    pub(super) fn ended(&self, number: usize, outcome: Outcome) {
        let answered_at = Some(self.started.elapsed());
        let mut state = self.state();
        state.log[number].outcome = outcome;
        state.log[number].answered_at = answered_at;
        drop(state);
        self.tell();
    }

    fn tell(&self) {
        self.changed.notify_all();
        self.version.send_modify(|version| *version += 1);
    }

    /// Waits on this thread until the log satisfies a condition; `false` when the time is up.
    pub(super) fn wait(&self, deadline: Instant, condition: impl Fn(&[Entry]) -> bool) -> bool {
        let mut state = self.state();
        loop {
            if condition(&state.log) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The number of changes so far, to be waited on by a task.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What the next request to an endpoint gets.
    pub(super) fn next_behaviour(&self, endpoint: Endpoint) -> Behaviour {
        let mut state = self.state();
        let Some(position) = state.behaviours.iter().position(|(at, _, left)| *at == endpoint && *left > 0) else {
            return Behaviour::Decent;
        };
        let (_, behaviour, left) = &mut state.behaviours[position];
        *left -= 1;
        behaviour.clone()
    }

    /// The endpoint of a path.
    pub(super) fn endpoint(&self, path: &str) -> Endpoint {
        if metadata::is_document(path) {
            return Endpoint::Metadata;
        }
        match path.strip_prefix(self.options.issuer_path.as_str()).unwrap_or_default() {
            "/authorize" | "/authorize/decision" => Endpoint::Authorization,
            "/token" => Endpoint::Token,
            "/device_authorization" => Endpoint::DeviceAuthorization,
            "/device" | "/device/decision" => Endpoint::Verification,
            "/revoke" => Endpoint::Revocation,
            "/userinfo" => Endpoint::Userinfo,
            "/resource" => Endpoint::Resource,
            "/second" => Endpoint::SecondStep,
            "/key" => Endpoint::Key,
            "/code" => Endpoint::Paste,
            _ => Endpoint::Unknown,
        }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, endpoint: Endpoint, request: &Request) -> Answer {
        // Another Host is a page elsewhere whose name was pointed at this machine (DNS rebinding).
        let host = request.header("host").unwrap_or_default();
        let port = self.port;
        if ![format!("127.0.0.1:{port}"), format!("localhost:{port}")].iter().any(|own| own == host) {
            return OAuthError::invalid_request("this is not the Host of this server").into();
        }
        match endpoint {
            Endpoint::Metadata => metadata::answer(self, request),
            Endpoint::Authorization => authorization::answer(self, request),
            Endpoint::Token => token::answer(self, request).unwrap_or_else(Into::into),
            Endpoint::DeviceAuthorization => device::authorize(self, request).unwrap_or_else(Into::into),
            Endpoint::Verification => device::verify(self, request),
            Endpoint::Revocation => revocation::answer(self, request).unwrap_or_else(Into::into),
            Endpoint::Userinfo => resource::userinfo(self, request).unwrap_or_else(Into::into),
            Endpoint::Resource => resource::resource(self, request).unwrap_or_else(Into::into),
            Endpoint::SecondStep => second_step::answer(self, request).unwrap_or_else(Into::into),
            Endpoint::Key => resource::key(self, request).unwrap_or_else(Into::into),
            Endpoint::Paste => pages::paste(&request.query),
            Endpoint::Unknown => Answer::new(404, "text/plain", "not found\n".to_owned()),
        }
    }
}

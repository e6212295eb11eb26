//! Redirects that arrive at an address of the agent's own, beside those of other logins: each belongs to the login whose
//! state it has, which it ends once. Whoever listens there hands the requests over.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};

use super::loopback::{Door, Expected, Serving, turned_away};
use super::page::Page;
use crate::oauth::redirect::Refused;
use crate::provider::Provider;

/// Logins that are remembered, those that have ended included: what comes for them late gets its page.
const REMEMBERED: usize = 64;

/// The address, and the logins that wait for a redirect to it.
pub struct Callbacks {
    port: u16,
    path: fn(&str) -> String,
    doors: Mutex<VecDeque<Arc<Door>>>,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Callbacks(port {})", self.port)
    }
}

/// Where a login's redirect is to go.
pub(super) struct Address {
    authority: String,
    path: String,
}

impl Address {
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }
}

impl Callbacks {
    /// At a port where all loopback addresses are listened to; `path` is that of a provider's name.
    pub fn new(port: u16, path: fn(&str) -> String) -> Self {
        Self { port, path, doors: Mutex::default() }
    }

    /// The address for a provider; `None` if that one fixes its own.
    pub(super) fn address(&self, provider: &Provider, name: &str) -> Option<Address> {
        let redirect = &provider.redirect;
        let free = redirect.loopback && redirect.any_path && redirect.ports.is_empty();
        free.then(|| Address { authority: format!("{}:{}", redirect.host, self.port), path: (self.path)(name) })
    }

    /// From now on a redirect to that address may be this login's.
    pub(super) fn expect(&self, address: Address, expected: Expected) -> Serving {
        let (serving, door) = Serving::elsewhere(address.authority, address.path, expected);
        let mut doors = self.doors();
        if doors.len() == REMEMBERED {
            doors.pop_front();
        }
        doors.push_back(door);
        serving
    }

    /// The page for a request. It waits for the login whose redirect this is, which is said by `brought`.
    pub async fn page(&self, request: &Request<Incoming>, brought: &AtomicBool) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return Page::MethodNotAllowed.response();
        }
        let found = {
            let doors = self.doors();
            let here = || doors.iter().filter(|door| door.path == request.uri().path());
            match here().find(|door| door.judge(request).is_ok()) {
                Some(door) => Ok(Arc::clone(door)),
                None => Err(here().next_back().and_then(|door| door.judge(request).err())),
            }
        };
        let page = match found {
            Ok(door) => door.page(request, brought).await,
            Err(Some(Refused::OtherLogin)) => Page::NoSuchLogin,
            Err(Some(reason)) => turned_away(reason),
            Err(None) => Page::NotFound,
        };
        page.response()
    }

    fn doors(&self) -> MutexGuard<'_, VecDeque<Arc<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

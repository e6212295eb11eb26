//! An authorization server of our own, on loopback: what the demonstration signs in at and the tests are made with.
//!
//! It checks everything that it is sent, as strictly as the RFCs allow, and remembers every token that it ever issued,
//! so that a test can search memory, disk and logs for them. It is no server for people: it knows one user, who is
//! signed in already, and keeps everything in memory.
//!
//! | path | file |
//! |---|---|
//! | `/.well-known/...` | `metadata` |
//! | `/authorize` | `authorization` |
//! | `/token` | `token` |
//! | `/device_authorization`, `/device` | `device` |
//! | `/revoke` | `revocation` |
//! | `/userinfo`, `/resource`, `/key` | `resource` |
//! | `/second` (the second step of GitHub Copilot) | `second_step` |
//! | `/code` (shows a code for pasting) | `pages` |

mod assertion;
mod authorization;
mod behaviour;
mod client;
mod connection;
mod device;
mod grants;
mod http;
mod keys;
mod log;
mod metadata;
mod options;
mod pages;
mod random;
mod resource;
mod revocation;
mod second_step;
mod site;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub use self::behaviour::{Behaviour, Raw, RedirectBehaviour};
use self::device::Decision;
pub use self::grants::{Ended, Family};
pub use self::keys::{PublicKey, TrustedIssuer};
pub use self::log::{Endpoint, Entry, Outcome};
pub use self::options::{
    Bodies, DEFAULT_CLIENT, DeviceOptions, Metadata, Options, RegisteredClient, RotationMode, User,
};
use self::site::Site;

/// A server that runs on a thread of its own until this is dropped.
#[derive(Debug)]
pub struct Server {
    site: Arc<Site>,
    address: SocketAddr,
    door: mpsc::UnboundedSender<Order>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a free port of 127.0.0.1; it answers as soon as this returns.
    pub fn start(options: Options) -> io::Result<Server> {
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site::new(address, options));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (door, orders) = mpsc::unbounded_channel();
        let served = site.clone();
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let thread = std::thread::Builder::new()
            .name("authorization-server".to_owned())
            .spawn(move || runtime.block_on(accept(listener, served, stopped, orders)))?;
        Ok(Server { site, address, door, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, whatever it is known by.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The issuer identifier: `http://127.0.0.1:PORT`, unless it is known by another, and the issuer's path.
    pub fn issuer(&self) -> String {
        self.site.issuer()
    }

    /// The URL of an endpoint or page, such as `/token`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.issuer())
    }

    /// The first registered client's identifier.
    pub fn client_id(&self) -> String {
        self.site.options.clients.first().map(|client| client.id.clone()).unwrap_or_default()
    }

    /// What this server signs the tokens of public clients with, for another one that trusts it.
    pub fn shared_key(&self) -> PublicKey {
        PublicKey::Shared(self.site.key.clone())
    }

    /// A JWT of this server's with any claims: what a cluster or a CI service mounts as a file.
    pub fn mint(&self, claims: &serde_json::Value) -> String {
        let jwt = random::jwt(&self.site.key, "JWT", claims);
        self.site.state().grants.remember(&jwt);
        jwt
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Entry> {
        self.site.state().log.clone()
    }

    /// How many requests an endpoint had.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.site.state().log.iter().filter(|entry| entry.endpoint == endpoint).count()
    }

    /// How many token requests of a grant type there were, whatever became of them.
    pub fn count_grant(&self, grant_type: &str) -> usize {
        self.site.state().log.iter().filter(|entry| entry.is_grant(grant_type)).count()
    }

    /// Every access, refresh and ID token ever issued.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.site.state().grants.issued().to_vec()
    }

    /// Every login ever granted.
    pub fn families(&self) -> Vec<Family> {
        self.site.state().grants.families().cloned().collect()
    }

    /// Whether a refresh token would be accepted.
    pub fn is_active(&self, refresh_token: &str) -> bool {
        self.site.state().grants.is_active(refresh_token)
    }

    /// Whether an access token would be accepted.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.site.state().grants.live_access(access_token, Instant::now()).is_some()
    }

    /// Whether a token of the second step would be accepted.
    pub fn is_live_second(&self, token: &str) -> bool {
        self.site.state().second_tokens.get(token).is_some_and(|end| Instant::now() < *end)
    }

    /// Makes every access token expire now; clients that trust `expires_in` don't know.
    pub fn expire_access_tokens(&self) {
        self.site.state().grants.expire_access(Instant::now());
    }

    /// Ends every login, as an administrator would.
    pub fn revoke_everything(&self) {
        let grants = &mut self.site.state().grants;
        (0..grants.len()).for_each(|family| grants.end(family, Ended::Revoked));
    }

    /// Another person signs in at the server; who logged in before stays who they were.
    pub fn set_user(&self, user: User) {
        self.site.state().user = user;
    }

    /// What the next token requests get; further orders queue up behind it.
    pub fn set_behaviour(&self, behaviour: Behaviour, requests: usize) {
        self.set_behaviour_at(Endpoint::Token, behaviour, requests);
    }

    /// The same for another endpoint.
    pub fn set_behaviour_at(&self, endpoint: Endpoint, behaviour: Behaviour, requests: usize) {
        self.site.state().behaviours.push((endpoint, behaviour, requests));
    }

    /// Drops every order that is left: requests are answered decently again.
    pub fn behave(&self) {
        let mut state = self.site.state();
        state.behaviours.clear();
        state.redirect = RedirectBehaviour::Decent;
    }

    /// Whether it listens: while it doesn't, connections are refused. It is so when this returns; `false` where another
    /// program has taken the port meanwhile.
    pub fn listen(&self, open: bool) -> bool {
        let (done, is_so) = std::sync::mpsc::channel();
        let ordered = self.door.send(Order { open, done }).is_ok();
        ordered && is_so.recv().unwrap_or(false)
    }

    /// What browsers bring back from now on.
    pub fn set_redirect(&self, behaviour: RedirectBehaviour) {
        self.site.state().redirect = behaviour;
    }

    /// The person allows the device with this user code; `false` where none waits.
    pub fn approve_device(&self, user_code: &str) -> bool {
        device::decide(&mut self.site.state(), user_code, Decision::Approved)
    }

    /// The person refuses it.
    pub fn deny_device(&self, user_code: &str) -> bool {
        device::decide(&mut self.site.state(), user_code, Decision::Denied)
    }

    /// Every device code expires now.
    pub fn expire_devices(&self) {
        let now = Instant::now();
        self.site.state().devices.values_mut().for_each(|device| device.expires = now);
    }

    /// Waits on this thread until the log satisfies a condition; `false` when the time is up.
    pub fn wait_for(&self, time_limit: Duration, condition: impl Fn(&[Entry]) -> bool) -> bool {
        self.site.wait(Instant::now() + time_limit, condition)
    }

    /// The same for a task: without a limit, which is the caller's to set.
    pub async fn until(&self, condition: impl Fn(&[Entry]) -> bool) {
        let mut changes = self.site.changes();
        while !condition(&self.site.state().log) {
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was shown on its own thread.
            let _ = thread.join();
        }
    }
}

/// Whether to listen.
#[derive(Debug)]
struct Order {
    open: bool,
    done: std::sync::mpsc::Sender<bool>,
}

async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    mut stopped: oneshot::Receiver<()>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = &mut stopped => return,
            Some(order) = orders.recv() => {
                // What is there already stays; a closed port is bound anew.
                listener = match (order.open, listener.take()) {
                    (false, _) => None,
                    (true, Some(open)) => Some(open),
                    (true, None) => TcpListener::bind(address).await.ok(),
                };
                let _ = order.done.send(listener.is_some() == order.open);
            }
            accepted = next => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(connection::serve(stream, site.clone()))),
                // Out of descriptors, or a client that left at once: neither gets better by trying at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

//! The agent's end of the wire: who may speak, how much, and for how long. What is asked for is the [`Service`]'s business.
//!
//! A connection is one task. While nothing is said it holds no buffer and no timer, so thousands of idle ones cost others
//! nothing, and when there is no place left the quietest makes room; a caller that hangs up takes its pending calls with it; one that doesn't read, or never ends its message, is
//! cut off. Nothing that a stranger sent is ever logged or sent back, but a request's `id`.

mod connection;
mod dispatch;
mod guests;
mod http;
mod origin;
mod outbox;
mod peer;
mod room;

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::message;
use super::transport::Socket;
use crate::secret::Secret;
use guests::Guests;
use room::Room;

pub use origin::Origin;
pub use outbox::Notifier;
pub use peer::Peer;
pub(crate) use peer::Stranger;

/// After a failed accept that nothing could be done about: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long requests under way may take once the agent is to stop; exchanges with servers are waited for elsewhere.
const DRAIN: Duration = Duration::from_secs(10);

/// One request.
pub struct Call {
    /// The method's name.
    pub method: String,
    /// Its parameters: the JSON text of an object, empty if none were sent. A passphrase may be among them.
    pub params: Secret,
    /// Who asks.
    pub peer: Peer,
    /// For notifications to the caller, before and after the answer.
    pub notifier: Notifier,
}

/// The result as serialized JSON text on one line; it may hold a token.
pub type Answer = Secret;

/// What answers requests. A call's future is dropped when its caller hangs up.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Calls run concurrently.
    fn call(self: Arc<Self>, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, message::Error>> + Send>>;

    /// Somebody connected who may not be served, and was told so.
    fn refused(&self, _peer: &Peer) {}
}

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicUsize>);

impl Connections {
    /// Now.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self.clone())
    }
}

/// Counts as long as it lives.
struct Entered(Connections);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A bound socket (or pipe) whose place has been checked. Dropping it removes the socket's file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    connections: Connections,
}

impl Listener {
    /// Binds the socket: its directory is made 0700 or has to be, and a stale file is replaced. Call it with the vault's lock
    /// held, inside a tokio runtime. The error says what is wrong with which file.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { socket: Socket::bind(path)?, connections: Connections::default() })
    }

    /// The count of open connections.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }
}

/// Serves until `stop` is ready. Then it accepts no more, lets the requests under way finish (for ten seconds at most) and
/// returns.
pub async fn serve(listener: Listener, service: Arc<dyn Service>, stop: impl Future) {
    let Listener { mut socket, connections } = listener;
    let (stopping, stopped) = watch::channel(false);
    let mut guests = Guests::new(Room::new(socket.places()));
    let mut stop = pin!(stop);
    let mut failed = false;
    loop {
        tokio::select! {
            _ = &mut stop => break,
            accepted = socket.accept() => match accepted {
                Ok(stream) if guests.has_place().await => {
                    failed = false;
                    let (service, stopped, entered) = (service.clone(), stopped.clone(), connections.enter());
                    guests.admit(|guest| async move {
                        connection::run(stream, service, guest, stopped).await;
                        drop(entered);
                    });
                }
                Ok(stream) => connection::turn_away(&stream),
                Err(error) => {
                    // Once for each time, not five times a second.
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(%error, "a connection could not be accepted");
                    }
                    // No descriptor is left, mostly.
                    if !guests.make_place().await {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
            _ = guests.ended(), if !guests.is_empty() => {}
        }
    }
    drop(socket);
    stopping.send_replace(true);
    // What is left after that is dropped with the set.
    let _ = tokio::time::timeout(DRAIN, async { while guests.ended().await {} }).await;
}

//! The agent's end of the wire: who may speak, how much, and for how long. What is asked for is the [`Service`]'s business.
//!
//! A connection is one task. While nothing is said it holds no buffer and no timer, so thousands of idle ones cost others
//! nothing, and when there is no place left the quietest makes room; a caller that hangs up takes its pending calls with it; one that doesn't read, or never ends its message, is
//! cut off. Nothing that a stranger sent is ever logged or sent back, but a request's `id`.

mod connection;
mod dispatch;
mod door;
mod guests;
mod http;
mod moving;
mod newcomers;
mod origin;
mod outbox;
mod pace;
mod peer;
mod room;

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::message;
use super::transport::{Caller, Socket};
use crate::secret::Secret;
use guests::Guests;
use pace::Fines;
use room::Room;

pub(crate) use http::status;
pub use moving::{Bytes, Moved, Mover, Paused};
use moving::{Phase, Settling};
use newcomers::Newcomers;
pub use origin::Origin;
pub(crate) use outbox::Inbox;
pub use outbox::Notifier;
pub use peer::Peer;
pub(crate) use peer::Stranger;

/// After a failed accept that nothing could be done about: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// So many callers are let in before those who are in take a turn.
const AT_ONCE: usize = 16;
/// Callers taken out of the system's line before some are let in.
const MET_AT_ONCE: usize = 16;
/// The part of all places that those who wait to be let in may take.
const WAITING: usize = 8;
/// How long requests under way may take once the agent is to stop; exchanges with servers are waited for elsewhere.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the connections of a server that is moved have to settle; a caller that takes its answers more slowly stays.
const SETTLE: Duration = Duration::from_millis(500);

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

    /// What its connection's move means for a request.
    fn when_moved(&self, _method: &str) -> WhenMoved {
        WhenMoved::AskedAgain
    }
}

/// What a connection's move means for one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMoved {
    /// Unanswered, it is dropped here and asked for there; answered, it is over.
    AskedAgain,
    /// Answered, it holds for the rest of the connection, and is asked for there again, without an answer.
    Stands,
    /// It is answered here: its connection stays.
    Stays,
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

/// A server's own ends, made before it so that others can hold theirs.
#[derive(Debug)]
pub struct Reception {
    connections: Connections,
    mover: Mover,
    asked: mpsc::Receiver<oneshot::Sender<Paused>>,
}

impl Default for Reception {
    fn default() -> Self {
        let (sender, asked) = mpsc::channel(1);
        Self { connections: Connections::default(), mover: Mover(sender), asked }
    }
}

impl Reception {
    /// The count of open connections.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// For whoever will hand its connections on.
    pub fn mover(&self) -> Mover {
        self.mover.clone()
    }
}

/// A bound socket (or pipe) whose place has been checked. Dropping it removes the socket's file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    moved: Vec<Moved>,
    /// Its ends.
    pub reception: Reception,
}

impl Listener {
    /// Binds the socket: its directory is made 0700 or has to be, and a stale file is replaced. Call it with the vault's lock
    /// held, inside a tokio runtime. The error says what is wrong with which file.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { socket: Socket::bind(path)?, moved: Vec::new(), reception: Reception::default() })
    }

    /// Goes on with the socket and the connections of another server. Needs a runtime.
    #[cfg(unix)]
    pub fn inherit(
        listener: std::os::fd::OwnedFd,
        path: &Path,
        moved: Vec<Moved>,
        reception: Reception,
    ) -> io::Result<Self> {
        Ok(Self { socket: Socket::inherit(listener, path)?, moved, reception })
    }

    /// The count of open connections.
    pub fn connections(&self) -> Connections {
        self.reception.connections()
    }
}

/// Serves until `stop` is ready. Then it accepts no more, lets the requests under way finish (for ten seconds at most) and
/// returns.
pub async fn serve(listener: Listener, service: Arc<dyn Service>, stop: impl Future) {
    let Listener { mut socket, moved, reception } = listener;
    let Reception { connections, mover: _mover, mut asked } = reception;
    let (report, mut settled) = mpsc::unbounded_channel();
    let waiting = (socket.places() / WAITING).max(1);
    let guests = Guests::new(Room::new(socket.places() - waiting));
    let newcomers = Newcomers::new(waiting);
    let mut open = Open {
        service,
        connections,
        phase: watch::channel(Phase::Serving).0,
        report,
        guests,
        newcomers,
        failed: false,
        let_in: 0,
    };
    moved.into_iter().for_each(|moved| open.serve(moved, Fines::default()));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => break,
            accepted = socket.accept(), if !open.newcomers.is_full() => open.meet(accepted, &mut socket).await,
            () = open.newcomers.ready(), if !open.newcomers.is_empty() => if open.let_in().await { open.guests.look().await },
            Some(asked) = asked.recv() => if open.pause(&mut socket, &mut settled, asked).await { break },
            // One that took its time over a move that was called off.
            Some(settled) = settled.recv() => if let Some(moved) = settled { open.serve(moved, Fines::default()) },
            _ = open.guests.ended(), if !open.guests.is_empty() => {}
        }
    }
    drop(socket);
    let Open { phase, mut guests, .. } = open;
    phase.send_replace(Phase::Stopping);
    // What is left after that is dropped with the set.
    let _ = tokio::time::timeout(DRAIN, async { while guests.ended().await {} }).await;
}

/// The open connections.
struct Open {
    service: Arc<dyn Service>,
    connections: Connections,
    phase: watch::Sender<Phase>,
    report: mpsc::UnboundedSender<Option<Moved>>,
    guests: Guests,
    newcomers: Newcomers,
    /// Whether the last caller could not be accepted.
    failed: bool,
    /// How many were let in.
    let_in: usize,
}

impl Open {
    /// Takes everybody who waits out of the system's one line, and lets in whose turn it is.
    async fn meet(&mut self, first: io::Result<Caller>, socket: &mut Socket) {
        let mut accepted = first.map(Some);
        let mut met = 0;
        loop {
            match accepted {
                // A crowd that comes and goes must not keep the next caller waiting until each of them was served.
                Ok(Some(caller)) if caller.had_gone => socket.saw(true),
                Ok(Some(caller)) => {
                    self.failed = false;
                    let may_come_in = self.newcomers.join(caller);
                    socket.saw(!may_come_in);
                }
                Ok(None) => break,
                Err(error) => return self.not_accepted(&error).await,
            }
            met += 1;
            if met == MET_AT_ONCE || self.newcomers.is_full() {
                break;
            }
            accepted = socket.accept_now();
        }
        let are_due = self.let_in().await;
        // While the system's line is never empty, nothing else would have those who are in take a turn.
        if are_due || met == MET_AT_ONCE {
            self.guests.look().await;
        }
    }

    /// Lets in those who may come, until those who are in are to take a turn; whether they are.
    async fn let_in(&mut self) -> bool {
        while let Some((caller, fines)) = self.newcomers.next() {
            if !self.guests.has_place().await {
                door::turn_away(&caller);
            } else {
                match caller.let_in() {
                    Ok(stream) => self.serve(Moved::new(stream), fines),
                    Err(error) => {
                        self.not_accepted(&error).await;
                        return false;
                    }
                }
            }
            self.let_in += 1;
            if self.let_in.is_multiple_of(AT_ONCE) {
                return true;
            }
        }
        false
    }

    async fn not_accepted(&mut self, error: &io::Error) {
        // Once for each time, not five times a second.
        if !std::mem::replace(&mut self.failed, true) {
            tracing::warn!(%error, "a connection could not be accepted");
        }
        // No descriptor is left, mostly.
        if !self.guests.make_place().await {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn serve(&mut self, connection: Moved, fines: Fines) {
        let (service, entered) = (self.service.clone(), self.connections.enter());
        let phase = self.phase.subscribe();
        let settling = Settling::new(phase.clone(), self.report.clone());
        self.guests.admit(fines, |guest, unseen| async move {
            connection::run(connection, service, (guest, unseen), phase, settling).await;
            drop(entered);
        });
    }

    /// Stands still until whoever asked for that has decided; whether that is the end here.
    async fn pause(
        &mut self,
        socket: &mut Socket,
        settled: &mut mpsc::UnboundedReceiver<Option<Moved>>,
        asked: oneshot::Sender<Paused>,
    ) -> bool {
        #[cfg(unix)]
        let Ok(listener) = socket.duplicate() else { return false };
        #[cfg(windows)]
        let _ = socket;
        self.newcomers
            .all()
            .into_iter()
            .filter_map(|caller| caller.let_in().ok())
            .for_each(|stream| self.serve(Moved::new(stream), Fines::default()));
        let moved = self.gather(settled).await;
        let (sender, outcome) = oneshot::channel();
        let paused = Paused::new(
            moved,
            #[cfg(unix)]
            listener,
            sender,
        );
        // Nobody there any more: what comes back is what was sent.
        drop(asked.send(paused));
        match outcome.await {
            Ok(None) => {
                #[cfg(unix)]
                socket.leave_file();
                true
            }
            Ok(Some(moved)) => {
                self.phase.send_replace(Phase::Serving);
                moved.into_iter().for_each(|moved| self.serve(moved, Fines::default()));
                false
            }
            Err(_) => {
                self.phase.send_replace(Phase::Serving);
                false
            }
        }
    }

    async fn gather(&mut self, settled: &mut mpsc::UnboundedReceiver<Option<Moved>>) -> Vec<Moved> {
        let mut moved: Vec<_> = std::iter::from_fn(|| settled.try_recv().ok()).flatten().collect();
        let count = self.guests.count();
        self.phase.send_replace(Phase::Moving);
        let gathering = async {
            for _ in 0..count {
                moved.extend(settled.recv().await.flatten());
            }
        };
        let _ = tokio::time::timeout(SETTLE, gathering).await;
        moved
    }
}

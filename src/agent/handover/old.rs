//! The agent that serves: it starts its successor itself, gives it everything and ends; or goes on as if nothing had been.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use super::super::gate::Drained;
use super::super::{Agent, detach, to_the_end};
use super::channel::{Channel, MAX_DESCRIPTORS};
use super::place::{Identity, Place};
use super::step::{FORMAT, FromNew, FromOld, PassedConnection, Standing, Take};
use crate::fault;
use crate::ipc::message::agent::Restarted;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::{Moved, Mover, Paused};
use crate::paths::Paths;
use crate::secret::Secret;
use crate::version;

/// How long a successor has for each of its steps.
const STEP: Duration = Duration::from_secs(20);
/// How long an idle moment is waited for, while nobody is held back.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long whoever wants an exchange or a change is held back, if no such moment comes.
const HOLD: Duration = Duration::from_secs(5);
/// How our own clients begin their name.
const OUR_CLIENTS: &str = "cred-helper/";

/// What an agent needs to be succeeded.
#[derive(Debug)]
pub struct Seat {
    place: Option<Place>,
    mover: Mover,
    detached: bool,
    /// Held by a handover; the executable that was tried last because a newer client asked.
    tried: Arc<Mutex<Option<Identity>>>,
    left: AtomicBool,
}

impl Seat {
    /// To be made as the agent starts, while its own executable is in its place.
    pub fn new(paths: &Paths, mover: Mover, detached: bool) -> Self {
        Self { place: Place::find(paths), mover, detached, tried: Arc::default(), left: AtomicBool::new(false) }
    }

    /// Whether a successor serves now.
    pub(in crate::agent) fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

impl Agent {
    /// `agent.restart`: whatever lies in the executable's place succeeds.
    pub(in crate::agent) async fn restart(self: &Arc<Self>) -> Result<Restarted, Error> {
        let seat = self.seat()?;
        let Ok(turn) = Arc::clone(&seat.tried).try_lock_owned() else {
            return Err(unavailable("a successor is taking over just now: ask again"));
        };
        let agent = Arc::clone(self);
        // Nobody's hanging up stops it half-way.
        to_the_end(async move {
            let _turn = turn;
            agent.hand_over(|_| true).await
        })
        .await
    }

    /// A client says who it is. One that is newer makes an agent whose own executable was replaced by a newer one hand over,
    /// once for each such executable.
    pub(in crate::agent) fn meet(self: &Arc<Self>, client: &str) {
        let newer = client.strip_prefix(OUR_CLIENTS).is_some_and(|theirs| version::is_newer(theirs, version::own()));
        let Some(seat) = self.seat.as_ref().filter(|_| newer) else { return };
        let Some(found) = seat.place.as_ref().and_then(Place::replaced) else { return };
        let Ok(mut tried) = Arc::clone(&seat.tried).try_lock_owned() else { return };
        if tried.replace(found) == Some(found) {
            return;
        }
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            match agent.hand_over(|successor| version::is_newer(successor, version::own())).await {
                Ok(_) => {}
                // Busy is no verdict on the executable.
                Err(error) if error.kind() == ErrorKind::TemporarilyUnavailable => *tried = None,
                Err(error) => warn!("no newer agent took over: {error}"),
            }
        });
    }

    fn seat(&self) -> Result<&Seat, Error> {
        self.seat.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "this agent has no successor"))
    }

    /// Hands over to what lies in the executable's place, if its version is wanted. An error says why this one goes on.
    async fn hand_over(self: &Arc<Self>, wanted: fn(&str) -> bool) -> Result<Restarted, Error> {
        let seat = self.seat()?;
        let mut successor = self.begin(seat)?;
        fault::point("handover.offer");
        let offer = FromOld::Offer { format: FORMAT, version: version::own().to_owned() };
        successor.say(&offer, &[]).await?;
        let version = match successor.answer().await? {
            FromNew::Ready { version } if wanted(&version) => version,
            FromNew::Ready { version } => {
                return Err(Error::new(ErrorKind::Internal, format!("{version} lies there, which is not newer")));
            }
            other => return Err(unexpected(other)),
        };
        let drained = self.gate.drain(PATIENCE, HOLD).await;
        let drained = drained.ok_or_else(|| unavailable("a refresh, a login or a change is under way: ask again"))?;
        let opening = timeout(HOLD, self.opening.lock()).await;
        let _opening = opening.map_err(|_| unavailable("the vault is being opened: ask again"))?;
        self.persist_all().await?;
        let handing = self.with_vault(|vault| vault.begin_handing(HOLD)).await?;
        let passing = timeout(HOLD, self.with_vault(|vault| vault.pass_on())).await;
        let (vault, lock) = passing.map_err(|_| unavailable("the vault is in use: ask again"))??;
        fault::point("handover.take");
        let (socket, vault_dir) = (self.paths.socket.clone(), self.paths.vault_dir.clone());
        let take = FromOld::Take(Box::new(Take { socket, vault_dir, vault }));
        successor.say(&take, &[lock.as_fd()]).await?;
        match successor.answer().await? {
            FromNew::Loaded => {}
            other => return Err(unexpected(other)),
        }
        let paused = seat.mover.pause().await.ok_or_else(|| unavailable("the agent is stopping: ask again"))?;
        // It is dead then, and may have written where its door would have been.
        successor.go(&paused).await.inspect_err(|_| self.tell_door_again())?;
        handing.for_good();
        Ok(self.leave(seat, successor, paused, drained, version))
    }

    fn begin(&self, seat: &Seat) -> Result<Successor, Error> {
        if !seat.detached && std::env::var_os("NOTIFY_SOCKET").is_none() {
            let message = "the agent runs in the foreground, under whoever started it: restart it there";
            return Err(Error::new(ErrorKind::Internal, message));
        }
        if self.logins.any() {
            return Err(unavailable("a login is under way: finish or cancel it first"));
        }
        let place = seat.place.as_ref();
        let place = place.ok_or_else(|| Error::new(ErrorKind::Internal, "the agent does not know its executable"))?;
        place.check().and_then(|()| Successor::start(place, seat.detached)).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("{} cannot take over: {error}", place.path().display()))
        })
    }

    /// The successor serves. What is left here are answers on their way.
    fn leave(&self, seat: &Seat, successor: Successor, paused: Paused, drained: Drained, version: String) -> Restarted {
        let pid = successor.child.id();
        seat.left.store(true, Ordering::Relaxed);
        drained.for_good();
        paused.for_good();
        if !seat.detached {
            detach::notify_service_manager(&format!("MAINPID={pid}"));
        }
        info!(pid, version, "a successor serves");
        fault::point("handover.end");
        Restarted { pid, version }
    }
}

/// A successor that was started. Dropped before it owns, it is killed: what it has then is worth nothing.
struct Successor {
    child: Child,
    channel: Channel,
    owns: bool,
}

impl Successor {
    fn start(place: &Place, detached: bool) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let channel = Channel::new(ours)?;
        let mut command = Command::new(place.path());
        command.args(["run", "--successor"]).args(detached.then_some("--detach"));
        // Its line to us, and for the rest what we have: an agent in the foreground logs to where its manager reads.
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).stdout(Stdio::null());
        if detached {
            command.stderr(Stdio::null());
        }
        Ok(Self { child: command.spawn()?, channel, owns: false })
    }

    /// One that takes nothing is given up: everybody waits for it.
    async fn say(&self, step: &FromOld, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        timeout(STEP, self.channel.send(step, descriptors)).await.map_err(|_| slow())?.map_err(gone)
    }

    async fn answer(&self) -> Result<FromNew, Error> {
        let (answer, _) = timeout(STEP, self.channel.receive()).await.map_err(|_| slow())?.map_err(gone)?;
        Ok(answer)
    }

    /// Gives it the connections and the socket, and with its word that it serves everything.
    async fn go(&mut self, paused: &Paused) -> Result<(), Error> {
        for some in paused.connections().chunks(MAX_DESCRIPTORS) {
            let connections = FromOld::Connections { connections: some.iter().map(passed).collect() };
            let descriptors: Vec<_> = some.iter().map(AsFd::as_fd).collect();
            self.say(&connections, &descriptors).await?;
        }
        fault::point("handover.go");
        let listener = [paused.listener()];
        let sent = self.say(&FromOld::Go, &listener).await;
        if sent.is_err() || !matches!(self.answer().await, Ok(FromNew::Serving)) {
            // It may be about to. Once it is dead, it has said so before it did anything, or it did nothing.
            self.kill();
            if !matches!(self.answer().await, Ok(FromNew::Serving)) {
                return Err(slow());
            }
        }
        self.owns = true;
        Ok(())
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.owns {
            self.kill();
        }
    }
}

fn passed(moved: &Moved) -> PassedConnection {
    let unread = (!moved.unread.is_empty()).then(|| Secret::from(STANDARD.encode(&*moved.unread)));
    let standing = moved.standing.iter().map(|request| Standing(request.duplicate())).collect();
    PassedConnection { met: moved.met, framing: moved.framing, unread, standing }
}

fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::TemporarilyUnavailable, message)
}

fn slow() -> Error {
    Error::new(ErrorKind::Internal, "the new agent did not take over in time; this one goes on")
}

fn gone(error: io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::InvalidData => "the new agent says what this one does not understand",
        _ => "the new agent ended before it took over",
    };
    Error::new(ErrorKind::Internal, format!("{what}; this one goes on"))
}

fn unexpected(answer: FromNew) -> Error {
    match answer {
        FromNew::Failed { error } => {
            let message = format!("the new agent could not take over: {}; this one goes on", error.message);
            Error::new(ErrorKind::Internal, message)
        }
        _ => gone(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_successor_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let child = Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let successor = Successor { child, channel: Channel::new(ours).unwrap(), owns: false };
        let vault = serde_json::from_str("{}").unwrap();
        let take = Take { socket: "x".repeat(8 << 20).into(), vault_dir: "/".into(), vault };
        let said = timeout(2 * STEP, successor.say(&FromOld::Take(Box::new(take)), &[])).await;
        assert_eq!(said.expect("in time"), Err(slow()));
    }
}

//! One connection in lines or LSP framing: reads requests, runs them concurrently, writes answers as they finish.
//!
//! Reading and writing are two loops in one task that share the outbox. A caller that has closed its sending half still gets
//! its answers; one that is gone ends the task, and with it the calls it waited for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::dispatch::{self, Owed};
use super::door::{READ_ROOM, first_bytes, refuse};
use super::moving::{Moved, Phase, Settling};
use super::outbox::{CloseOnDrop, Outbox};
use super::room::{Expected, Guest};
use super::{Peer, Service, http};
use crate::fault;
use crate::ipc::frame::{Decoder, Detected, Framing};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::transport::AgentStream;
use crate::secret::Secret;

/// A message once begun has to be complete by then.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(30);
/// A caller that takes nothing for so long is cut off.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Requests of one connection that may be under way; more wait unread.
const MAX_UNDER_WAY: usize = 64;
/// Said to who sends much while others do, too.
pub(super) const FULL: &str = "the agent holds too much of unfinished messages; ask again";

/// Serves one caller from where it stands to its end, or until it is moved.
pub(super) async fn run(
    mut connection: Moved,
    service: Arc<dyn Service>,
    (guest, unseen): (Arc<Guest>, Expected),
    mut phase: watch::Receiver<Phase>,
    settling: Settling,
) {
    let peer = match connection.stream.peer() {
        Ok(Ok(peer)) => peer.met_at(connection.met),
        Ok(Err(stranger)) => {
            service.refused(&stranger.peer);
            return refuse(&connection.stream, &Error::new(ErrorKind::Refused, stranger.reason));
        }
        Err(_) => return,
    };
    connection.met = Some(peer.met());
    if connection.framing.is_none() {
        let first = tokio::select! {
            first = first_bytes(&connection.stream, &mut connection.unread, &guest, unseen) => Some(first),
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
        };
        match first {
            Some(Ok(Detected::Framed(framing))) => connection.framing = Some(framing),
            Some(Ok(Detected::Http)) => {
                return Box::pin(http::run(connection, service, peer, guest, phase, settling)).await;
            }
            Some(Ok(Detected::Unknown | Detected::Undecided)) => {
                guest.makes_no_sense();
                let what = "speak JSON-RPC 2.0 in lines or with Content-Length headers, or HTTP/1.1";
                return refuse(&connection.stream, &Error::new(ErrorKind::InvalidRequest, what));
            }
            Some(Err(_)) => return,
            None => return settling.goes(connection),
        }
    } else {
        drop(unseen);
    }
    // On the heap, so that a silent connection's task stays small.
    Box::pin(converse(connection, service, peer, guest, phase, settling)).await;
}

async fn converse(
    connection: Moved,
    service: Arc<dyn Service>,
    peer: Peer,
    guest: Arc<Guest>,
    phase: watch::Receiver<Phase>,
    settling: Settling,
) {
    let Moved { stream, met, framing, unread, standing } = connection;
    let framing = framing.unwrap_or(Framing::Lines);
    let mut decoder = Decoder::new(framing);
    decoder.feed(&unread);
    drop(unread);
    let outbox = Outbox::new(framing, guest);
    let _close = CloseOnDrop(outbox.clone());
    let mut reader = Reader {
        stream: &stream,
        decoder,
        service,
        peer,
        outbox: outbox.clone(),
        under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
        calls: JoinSet::new(),
        phase,
        settling,
    };
    standing.into_iter().for_each(|request| reader.stand(request));
    let left = tokio::select! {
        () = write_out(&stream, &outbox) => None,
        left = reader.run() => left,
    };
    if let Some((unread, settling)) = left {
        settling.goes(Moved { met, framing: Some(framing), unread, standing: outbox.standing(), stream });
    }
}

/// Writes what comes into the outbox, until the caller is gone or takes nothing any more.
async fn write_out(stream: &AgentStream, outbox: &Outbox) {
    while let Some(entry) = outbox.next().await {
        fault::point("answer.write");
        let mut left = &entry.bytes[..];
        while !left.is_empty() {
            match stream.try_write(left) {
                Ok(length) => left = &left[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !matches!(timeout(WRITE_DEADLINE, stream.writable()).await, Ok(Ok(()))) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        fault::point("answer.written");
        drop(entry);
        if outbox.has_more() {
            outbox.guest().turn().await;
        }
    }
}

/// Why no more is read.
enum End {
    /// The caller is gone, or its bytes made no sense: what is under way is dropped.
    Cut,
    /// The caller has said everything, or the agent stops: what is under way is answered.
    Done,
    /// A successor goes on: what is under way is asked for there.
    Moved,
}

/// What came of waiting for more.
enum More {
    Bytes,
    /// The caller closed its sending half.
    End,
    /// The agent stops, or is succeeded.
    Phase,
}

struct Reader<'a> {
    stream: &'a AgentStream,
    decoder: Decoder,
    service: Arc<dyn Service>,
    peer: Peer,
    outbox: Arc<Outbox>,
    under_way: Arc<Semaphore>,
    /// Dropping it drops the calls.
    calls: JoinSet<()>,
    phase: watch::Receiver<Phase>,
    settling: Settling,
}

impl Reader<'_> {
    /// What was read and not answered, if the connection is to move.
    async fn run(mut self) -> Option<(Zeroizing<Vec<u8>>, Settling)> {
        let end = self.read().await;
        if let End::Cut = end {
            // An error line may be on its way.
            self.outbox.flushed().await;
            return None;
        }
        if let End::Done = end {
            let answered = async {
                while self.calls.join_next().await.is_some() {}
                self.outbox.flushed().await;
            };
            tokio::select! {
                () = answered => return None,
                () = self.stream.gone() => return None,
                _ = self.phase.wait_for(|phase| *phase == Phase::Moving), if !self.outbox.stays() => {}
            }
        }
        self.outbox.give_back_from_now_on();
        self.calls.shutdown().await;
        self.outbox.flushed().await;
        Some((self.outbox.given_back(self.decoder.rest()), self.settling))
    }

    /// An error that belongs to no request.
    fn complain(&self, error: Error) {
        dispatch::respond(&dispatch::Id::default(), &Err(error), |parts| self.outbox.push(parts, None));
    }

    async fn read(&mut self) -> End {
        let mut deadline = None;
        loop {
            match self.answer_what_is_here().await {
                Ok(true) => deadline = None,
                Ok(false) => {}
                Err(end) => return end,
            }
            if !self.outbox.guest().is_reading(self.decoder.held()) {
                self.complain(Error::new(ErrorKind::TemporarilyUnavailable, FULL));
                return End::Cut;
            }
            if self.decoder.is_partial() {
                deadline.get_or_insert_with(|| Instant::now() + READ_DEADLINE);
            }
            match self.more(deadline).await {
                Ok(More::Bytes) => {}
                Ok(More::Phase) => return self.phase_end(),
                Ok(More::End) => {
                    // The last line of a pipe need not end in a newline.
                    self.decoder.end();
                    return self.answer_what_is_here().await.err().unwrap_or(End::Done);
                }
                Err(_) => return End::Cut,
            }
        }
    }

    /// What the end of serving means for this connection.
    fn phase_end(&mut self) -> End {
        if *self.phase.borrow() == Phase::Moving && !self.outbox.stays() {
            return End::Moved;
        }
        self.settling.stays();
        End::Done
    }

    /// Starts every request that has been read whole; whether there was one.
    async fn answer_what_is_here(&mut self) -> Result<bool, End> {
        let mut any = false;
        loop {
            // One question is answered at once; who asks the next one before it has its answer waits for its turn.
            if (any || self.under_way.available_permits() < MAX_UNDER_WAY) && self.decoder.is_partial() {
                self.outbox.guest().turn().await;
            }
            let (read, message) = match self.decoder.next_message() {
                Ok(Some(message)) => {
                    (dispatch::read(message), Secret::from(String::from_utf8_lossy(message).into_owned()))
                }
                Ok(None) => return Ok(any),
                Err(error) => {
                    self.outbox.guest().makes_no_sense();
                    self.complain(Error::new(ErrorKind::InvalidRequest, error.to_string()));
                    return Err(End::Cut);
                }
            };
            any = true;
            // A notification: this protocol has none from clients.
            if let Ok(None) = read {
                continue;
            }
            let permit = match self.place().await {
                Ok(permit) => permit,
                Err(end) => {
                    if let End::Moved = end {
                        self.outbox.give_back_from_now_on();
                        self.outbox.give_back(message);
                    }
                    return Err(end);
                }
            };
            match read {
                Ok(Some(asked)) => self.start(asked, message, permit),
                Ok(None) => {}
                Err((id, error)) => {
                    self.outbox.guest().makes_no_sense();
                    Owed::new(self.outbox.clone(), id, message, permit).pay(&Err(error));
                }
            }
        }
    }

    /// Waits for a place among the requests under way. Nobody reads meanwhile, so a hang-up is watched for.
    async fn place(&mut self) -> Result<OwnedSemaphorePermit, End> {
        if !self.outbox.is_full()
            && let Ok(permit) = self.under_way.clone().try_acquire_owned()
        {
            return Ok(permit);
        }
        let (outbox, under_way) = (self.outbox.clone(), self.under_way.clone());
        let place = async {
            if outbox.is_full() {
                outbox.flushed().await;
            }
            under_way.acquire_owned().await
        };
        tokio::select! {
            permit = place => permit.map_err(|_| End::Cut),
            () = self.stream.gone() => Err(End::Cut),
            _ = self.phase.wait_for(|phase| *phase == Phase::Moving), if !self.outbox.stays() => Err(End::Moved),
        }
    }

    fn start(&mut self, asked: dispatch::Asked, message: Secret, permit: OwnedSemaphorePermit) {
        let when_moved = self.service.when_moved(&asked.method);
        let owed = Owed::new(self.outbox.clone(), asked.id, message, permit).when_moved(when_moved);
        let answer =
            dispatch::call(self.service.clone(), asked.method, asked.params, self.peer.clone(), self.outbox.clone());
        self.calls.spawn(async move { owed.pay(&answer.await) });
    }

    /// Asks for what was answered before the connection came here.
    fn stand(&mut self, message: Secret) {
        let Ok(Some(asked)) = dispatch::read(message.expose().as_bytes()) else { return };
        self.outbox.stand(message);
        let answer =
            dispatch::call(self.service.clone(), asked.method, asked.params, self.peer.clone(), self.outbox.clone());
        self.calls.spawn(async move { drop(answer.await) });
    }

    async fn more(&mut self, deadline: Option<Instant>) -> io::Result<More> {
        loop {
            let readable = async {
                match deadline {
                    Some(deadline) => timeout_at(deadline, self.stream.readable()).await?,
                    None => self.stream.readable().await,
                }
            };
            tokio::select! {
                ready = readable => ready?,
                _ = self.phase.wait_for(|phase| *phase != Phase::Serving) => return Ok(More::Phase),
                Some(_) = self.calls.join_next(), if !self.calls.is_empty() => continue,
            }
            // A small request comes in one piece.
            if self.decoder.is_partial() {
                self.outbox.guest().turn().await;
            }
            let mut buffer = Zeroizing::new([0; READ_ROOM]);
            match self.stream.try_read(&mut buffer[..]) {
                Ok(0) if self.stream.is_gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
                Ok(0) => return Ok(More::End),
                Ok(length) => {
                    self.decoder.feed(&buffer[..length]);
                    return Ok(More::Bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

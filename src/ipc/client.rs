//! The blocking client: standard library I/O over the agent's socket, one message per line.
//!
//! It sends nothing before the system has said that the agent is this user's (or root's). One thread reads; others may
//! send on the same connection through a [`Writer`] (a pasted code while a login is waiting).

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::ConnectError;
use super::frame::{Decoder, Framing};
use super::message::{self, ErrorKind, Method, Version};
use super::transport::{self, Stream};

/// The longest answer: a list of all accounts is longer than any request.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Room for a request with its secret (a paste has 6,000 characters), so that its buffer never moves.
const REQUEST_ROOM: usize = 16 * 1024;
/// What one read takes: a token's answer fits.
const READ_ROOM: usize = 16 * 1024;

/// A connection to the agent.
///
/// ```
/// use std::path::Path;
/// use cred_helper::Client;
/// use cred_helper::ipc::{ConnectError, message::token::GetToken};
///
/// match Client::connect(Path::new("/nowhere/agent.sock")) {
///     Ok(mut agent) => println!("{:?}", agent.call(&GetToken::default())),
///     Err(ConnectError::NotRunning) => println!("start it: cred_helper::ipc::start::connect_or_start"),
///     Err(error) => println!("{error}"),
/// }
/// ```
pub struct Client {
    writer: Writer,
    decoder: Decoder,
    time_limit: Option<Duration>,
    agent_version: Option<String>,
}

/// Sends further requests on a [`Client`]'s connection; their answers come while that client is in a call.
#[derive(Clone)]
pub struct Writer {
    stream: Arc<Stream>,
    next_id: Arc<AtomicU64>,
    /// Lines of several threads don't mix. Not `waiting`: who reads must never wait for who writes.
    turn: Arc<Mutex<()>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Who waits for which answer, beside the thread that reads.
#[derive(Default)]
struct Waiting {
    /// Whether a thread reads at all.
    reading: bool,
    answers: HashMap<u64, mpsc::Sender<Zeroizing<Vec<u8>>>>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The agent's own answer.
    #[error(transparent)]
    Agent(#[from] message::Error),
    /// The agent had no room for this caller and read nothing of the request, which can be made again: [`super::start::ask`].
    #[error(transparent)]
    TurnedAway(message::Error),
    /// The connection failed; `TimedOut` at the time limit.
    #[error("the connection to the agent failed: {0}")]
    Io(#[from] io::Error),
    /// What came is not the protocol.
    #[error("the agent's answer cannot be read: {0}")]
    Protocol(&'static str),
}

impl CallError {
    /// As one of the wire's errors, for callers that treat all alike.
    pub fn into_error(self) -> message::Error {
        match self {
            CallError::Agent(error) | CallError::TurnedAway(error) => error,
            CallError::Io(error) if error.kind() == io::ErrorKind::TimedOut => message::Error::new(
                ErrorKind::TemporarilyUnavailable,
                "the agent did not answer in time: try again, or see `cred-helper agent status`",
            ),
            other => message::Error::new(
                ErrorKind::AgentUnreachable,
                format!("{other}; try again, or see `cred-helper doctor`"),
            ),
        }
    }
}

#[derive(Serialize)]
struct Outgoing<'a, M> {
    jsonrpc: Version,
    id: u64,
    method: &'static str,
    params: &'a M,
}

/// What tells an answer from a notification; the rest is read once its type is known.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned")]
struct Outcome<T> {
    #[serde(default)]
    result: Option<T>,
    #[serde(default)]
    error: Option<message::Error>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its buffers may hold a token.
        f.write_str("Client")
    }
}

impl Client {
    /// Connects to the agent at this socket (or pipe). Doesn't start one: see [`crate::ipc::start::connect_or_start`].
    pub fn connect(socket: &Path) -> Result<Self, ConnectError> {
        let stream = Arc::new(transport::connect(socket)?);
        let writer =
            Writer { stream, next_id: Arc::new(AtomicU64::new(1)), turn: Arc::default(), waiting: Arc::default() };
        let decoder = Decoder::with_limit(Framing::Lines, MAX_ANSWER);
        Ok(Self { writer, decoder, time_limit: None, agent_version: None })
    }

    pub(super) fn of_version(mut self, version: String) -> Self {
        self.agent_version = Some(version);
        self
    }

    /// The agent's version, where it is known without asking.
    pub fn agent_version(&self) -> Option<&str> {
        self.agent_version.as_deref()
    }

    /// How long each following call may take; without it, as long as the agent does.
    pub fn set_deadline(&mut self, limit: Duration) {
        self.time_limit = Some(limit);
    }

    /// Removes what [`Client::set_deadline`] set, e.g. for a login, in which a person takes part.
    pub fn clear_deadline(&mut self) {
        self.time_limit = None;
    }

    /// Asks and waits for the answer. Notifications that come meanwhile are dropped.
    pub fn call<M: Method>(&mut self, params: &M) -> Result<M::Answer, CallError> {
        self.call_with(params, &mut |_, _| {})
    }

    /// Asks and waits for the answer, handing over each notification (its method and parameters) that comes before it.
    pub fn call_with<M: Method>(
        &mut self,
        params: &M,
        on_notification: &mut dyn FnMut(&str, Value),
    ) -> Result<M::Answer, CallError> {
        let deadline = self.time_limit.map(|limit| Instant::now() + limit);
        self.writer.waiting().reading = true;
        let answer = self.exchange(params, deadline, on_notification);
        // Nobody reads from here on: whoever waits for another answer has to know.
        *self.writer.waiting() = Waiting::default();
        answer
    }

    fn exchange<M: Method>(
        &mut self,
        params: &M,
        deadline: Option<Instant>,
        on_notification: &mut dyn FnMut(&str, Value),
    ) -> Result<M::Answer, CallError> {
        let id = match self.writer.send(params) {
            Err(CallError::Io(error)) if hung_up(&error) => return Err(self.last_word(error)),
            sent => sent?,
        };
        loop {
            if let Some(message) = self.receive(deadline, Some(id), on_notification)? {
                return outcome(&message);
            }
        }
    }

    /// Waits for notifications (after `events.subscribe`) until the connection ends or the time limit is over.
    pub fn listen(&mut self, on_notification: &mut dyn FnMut(&str, Value)) -> Result<(), CallError> {
        let deadline = self.time_limit.map(|limit| Instant::now() + limit);
        loop {
            match self.receive(deadline, None, on_notification) {
                Ok(_) => {}
                Err(CallError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// For another thread that has something to say while this client waits.
    pub fn try_clone_writer(&self) -> io::Result<Writer> {
        Ok(self.writer.clone())
    }

    /// Takes one message and hands it to whom it is for; the answer to `expected` is returned.
    fn receive(
        &mut self,
        deadline: Option<Instant>,
        expected: Option<u64>,
        on_notification: &mut dyn FnMut(&str, Value),
    ) -> Result<Option<Zeroizing<Vec<u8>>>, CallError> {
        let message = self.next_message(deadline)?;
        let head: Head = parse(&message)?;
        if let Some(method) = head.method {
            let params: Params = parse(&message)?;
            on_notification(&method, params.params);
            return Ok(None);
        }
        match head.id.as_ref().and_then(Value::as_u64) {
            Some(id) if Some(id) == expected => Ok(Some(message)),
            Some(id) => {
                if let Some(waiter) = self.writer.waiting().answers.remove(&id) {
                    let _ = waiter.send(message);
                }
                Ok(None)
            }
            None => Err(of_no_request(&message)),
        }
    }

    /// What the agent has said before it hung up on us.
    fn last_word(&mut self, hung_up: io::Error) -> CallError {
        match self.receive(None, None, &mut |_, _| {}) {
            Err(error @ (CallError::Agent(_) | CallError::TurnedAway(_))) => error,
            _ => hung_up.into(),
        }
    }

    fn next_message(&mut self, deadline: Option<Instant>) -> Result<Zeroizing<Vec<u8>>, CallError> {
        loop {
            let found = self.decoder.next_message().map_err(|_| CallError::Protocol("it is too long"))?;
            if let Some(message) = found {
                return Ok(Zeroizing::new(message.to_vec()));
            }
            let mut buffer = Zeroizing::new([0; READ_ROOM]);
            let length = self.writer.stream.read(&mut buffer[..], deadline)?;
            if length == 0 {
                return Err(CallError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            self.decoder.feed(&buffer[..length]);
        }
    }
}

impl Writer {
    /// Asks, and waits for the answer, which the thread inside [`Client::call_with`] reads and hands over. An error if that
    /// call ends first.
    pub fn call<M: Method>(&mut self, params: &M) -> Result<M::Answer, CallError> {
        let (sender, answer) = mpsc::channel();
        let id = self.next_id();
        let ended = CallError::Protocol("the call that it belongs to has ended");
        {
            let mut waiting = self.waiting();
            if !waiting.reading {
                return Err(ended);
            }
            waiting.answers.insert(id, sender);
        }
        if let Err(error) = self.send_as(id, params) {
            self.waiting().answers.remove(&id);
            return Err(error);
        }
        let Ok(message) = answer.recv() else { return Err(ended) };
        outcome(&message)
    }

    /// Asks without waiting; the answer is dropped when it comes. Returns the request's id.
    pub fn send<M: Method>(&mut self, params: &M) -> Result<u64, CallError> {
        let id = self.next_id();
        self.send_as(id, params)?;
        Ok(id)
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn send_as<M: Method>(&self, id: u64, params: &M) -> Result<(), CallError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(REQUEST_ROOM));
        let request = Outgoing { jsonrpc: Version::V2, id, method: M::NAME, params };
        serde_json::to_writer(&mut *bytes, &request).map_err(io::Error::from)?;
        if bytes.len() >= message::MAX_MESSAGE {
            return Err(CallError::Protocol("the request is too long"));
        }
        bytes.push(b'\n');
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.stream.write_all(&bytes)?)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the other end is gone, rather than slow.
pub(super) fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// An error before any request was read: the agent doesn't serve this user, has no room, or could not read what came.
fn of_no_request(message: &[u8]) -> CallError {
    match outcome::<Value>(message) {
        Err(CallError::Agent(error)) if error.kind() == ErrorKind::TemporarilyUnavailable => {
            CallError::TurnedAway(error)
        }
        Err(error) => error,
        Ok(_) => CallError::Protocol("it belongs to no request"),
    }
}

fn parse<'de, T: Deserialize<'de>>(message: &'de [u8]) -> Result<T, CallError> {
    // serde_json's own text may quote the message, which may hold a token.
    serde_json::from_slice(message).map_err(|_| CallError::Protocol("it is not what this version expects"))
}

fn outcome<T: serde::de::DeserializeOwned>(message: &[u8]) -> Result<T, CallError> {
    let outcome: Outcome<T> = parse(message)?;
    match (outcome.result, outcome.error) {
        (_, Some(error)) => Err(error.into()),
        (Some(result), None) => Ok(result),
        (None, None) => Err(CallError::Protocol("it has neither result nor error")),
    }
}

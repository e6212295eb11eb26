//! The HTTP door: the agent for programs that cannot open a Unix socket, at a port that only this machine reaches.
//!
//! | file | what it holds |
//! |---|---|
//! | `listen` | connections: how many, for how long, and who is at the other end |
//! | `answer` | one request: judged by `ipc::door`, answered, refused |
//! | `ask` | what it asks for, as questions to the agent's dispatcher, which is that of the socket |
//! | `logins` | logins that were started here and go on while nobody is connected |
//! | `file` | where a program finds the port and the secret |
//! | `caller` | whose connection it is, as the system says |
//!
//! A port has no owner and no permissions: every user, program and web page of the machine can connect. What lets in is the
//! secret, fresh at every start, in a file that nobody else may read.

mod answer;
mod ask;
mod caller;
mod file;
mod listen;
mod logins;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{info, warn};

use super::{Agent, Seat};
use crate::grant::{Callbacks, sockets};
use crate::ipc::door::Keeper;
use crate::ipc::door::route::callback_path;
use crate::ipc::message::agent::{Check, CheckResult, HttpDoor};
use crate::oauth::pkce;

/// How long the port of an agent that was succeeded is waited for, and how often it is tried.
const HANDED_OVER: (Duration, u32) = (Duration::from_millis(250), 80);

/// Processes that are known again quickly.
const CALLERS: usize = 4;

/// What an agent knows of its door.
#[derive(Default)]
pub(super) struct Door {
    state: Mutex<State>,
    logins: logins::Logins,
}

#[derive(Clone, Default)]
enum State {
    /// Nobody wishes for one.
    #[default]
    Off,
    Open(Arc<Open>),
    /// Why there is none.
    Failed(String),
}

/// An open door.
struct Open {
    port: u16,
    keeper: Keeper,
    callbacks: Arc<Callbacks>,
    /// Held by who is told that its secret is wrong: one at a time.
    wrong: tokio::sync::Mutex<()>,
    callers: Mutex<VecDeque<u32>>,
}

impl Open {
    /// The processes that have asked lately, the last one first.
    fn callers(&self) -> MutexGuard<'_, VecDeque<u32>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, caller: u32) {
        let mut callers = self.callers();
        callers.retain(|known| *known != caller);
        callers.truncate(CALLERS - 1);
        callers.push_front(caller);
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Door {
    /// Where the redirects of its logins may arrive.
    pub(super) fn callbacks(&self) -> Option<Arc<Callbacks>> {
        match &*self.state() {
            State::Open(open) => Some(Arc::clone(&open.callbacks)),
            State::Off | State::Failed(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A door that may be open, to be served.
pub(super) struct Opened(Option<Vec<TcpListener>>);

impl Agent {
    /// Opens the door, if the configuration wishes for one. That it can't be opened keeps nobody from the socket.
    pub(super) async fn open_door(&self) -> Opened {
        if !self.config.http.enabled {
            // One that an agent left which was killed.
            file::remove(&self.paths.door_file());
            return Opened(None);
        }
        let opened = self.try_to_open_door().await;
        if opened.is_none()
            && let State::Failed(problem) = &*self.door.state()
        {
            warn!("the HTTP door is shut: {problem}");
        }
        Opened(opened)
    }

    async fn try_to_open_door(&self) -> Option<Vec<TcpListener>> {
        let (state, sockets) = match self.bind_door().await {
            Ok((open, sockets)) => {
                info!(port = open.port, "the HTTP door is open");
                (State::Open(Arc::new(open)), Some(sockets))
            }
            Err(problem) => (State::Failed(problem), None),
        };
        *self.door.state() = state;
        sockets
    }

    async fn bind_door(&self) -> Result<(Open, Vec<TcpListener>), String> {
        let settings = &self.config.http;
        let bound = sockets::bind("localhost", settings.port).await.map_err(|error| match error.kind() {
            _ if sockets::is_taken(&error) => {
                format!("another program has port {}: set another one, or 0 for any, under [http]", settings.port)
            }
            _ => format!("no port can be had: {error}"),
        });
        let (sockets, port) = bound?;
        let secret = pkce::unguessable().map_err(|error| format!("this machine gives no random numbers: {error}"))?;
        let path = self.paths.door_file();
        file::write(&path, port, &secret)
            .map_err(|error: io::Error| format!("{} cannot be written: {error}", path.display()))?;
        let keeper = Keeper::new(port, settings.origins.clone(), secret);
        let callbacks = Arc::new(Callbacks::new(port, callback_path));
        Ok((Open { port, keeper, callbacks, wrong: tokio::sync::Mutex::default(), callers: Mutex::default() }, sockets))
    }

    /// Writes the file anew, where a successor that came to nothing may have written its own.
    #[cfg_attr(windows, expect(dead_code, reason = "nothing is handed over there"))]
    pub(super) fn tell_door_again(&self) {
        let Some(open) = self.door_open() else { return };
        if let Err(error) = file::write(&self.paths.door_file(), open.port, open.keeper.secret()) {
            warn!("programs will not find the HTTP door: {error}");
        }
    }

    /// What may be told of it: not the secret.
    pub(super) fn door_report(&self) -> Option<HttpDoor> {
        let file = self.paths.door_file().display().to_string();
        match &*self.door.state() {
            State::Off => None,
            State::Open(open) => Some(HttpDoor { url: Some(open.url()), file, problem: None }),
            State::Failed(problem) => Some(HttpDoor { url: None, file, problem: Some(problem.clone()) }),
        }
    }

    /// Whether the door is open as wished, for `doctor`.
    pub(super) fn check_door(&self) -> Option<Check> {
        let HttpDoor { url, file, problem } = self.door_report()?;
        let result = if problem.is_some() { CheckResult::Failed } else { CheckResult::Ok };
        let message = problem.unwrap_or_else(|| format!("{}, its secret is in {file}", url.unwrap_or_default()));
        Some(Check { name: "HTTP door".to_owned(), result, message })
    }

    fn door_open(&self) -> Option<Arc<Open>> {
        match &*self.door.state() {
            State::Open(open) => Some(Arc::clone(open)),
            State::Off | State::Failed(_) => None,
        }
    }
}

impl Opened {
    /// Serves until the agent stops or a successor serves; what is under way then is finished, bounded.
    pub(super) async fn serve(self, agent: Arc<Agent>) {
        let sockets = match self.0 {
            None if agent.config.http.enabled => wait_for_port(&agent).await,
            sockets => sockets,
        };
        let (Some(sockets), Some(open)) = (sockets, agent.door_open()) else { return };
        listen::serve(&agent, &open, sockets).await;
        // A successor has written its own.
        if !agent.seat.as_ref().is_some_and(Seat::is_left) {
            file::remove(&agent.paths.door_file());
        }
    }
}

/// A port that is fixed may be free only once the agent before this one has ended.
async fn wait_for_port(agent: &Arc<Agent>) -> Option<Vec<TcpListener>> {
    let (pause, times) = HANDED_OVER;
    for _ in 0..times {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = agent.gate.stopping() => return None,
        }
        let sockets = agent.try_to_open_door().await;
        if sockets.is_some() {
            return sockets;
        }
    }
    None
}

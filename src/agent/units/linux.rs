//! The socket, and one connection of systemd's: judged by the kernel's word on who it is, answered, closed.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{SocketAddrUnix, getpeername};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::agent::audit::Asking;
use crate::agent::{Agent, Seat};
use crate::config::UnitCredential;
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind, Method as _};
use crate::ipc::server::Peer;
use crate::paths::Paths;
use crate::redact;
use crate::secret::Secret;

/// Units that start at once; the others wait for their turn.
const MAX_CONNECTIONS: usize = 32;
/// How long a unit waits for its token, in seconds.
const DEADLINE: u64 = 30;
/// How long an answer may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long those may take that are under way once the agent is to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// No descriptor is left, mostly: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What systemd takes no credential of: more than a mebibyte. The unit fails then (exit status 243, CREDENTIALS).
const TOO_MUCH: usize = 1024 * 1024 + 1;

/// The socket, if there is one.
pub(in super::super) struct Units(Option<UnixListener>);

impl Units {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Makes it. What is there was an agent's that is gone: the vault has one owner.
    pub(super) fn open(paths: &Paths) -> Result<Self, String> {
        let path = paths.units_socket();
        bind(&path)
            .map(|listener| Self(Some(listener)))
            .map_err(|error| format!("the socket {} for systemd cannot be made: {error}", path.display()))
    }

    /// Serves until the agent stops, or a successor serves.
    pub(in super::super) async fn serve(self, agent: Arc<Agent>) {
        let Some(listener) = self.0 else { return };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = agent.gate.stopping() => break,
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(Arc::clone(&agent).serve_unit(stream));
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                _ = connections.join_next(), if !connections.is_empty() => {}
            }
        }
        drop(listener);
        // Who is cut off has an empty credential: each is told that there is none.
        let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
        // A successor has made its own.
        if !agent.seat.as_ref().is_some_and(Seat::is_left) {
            let _ = std::fs::remove_file(agent.paths.units_socket());
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Who connects before is judged all the same.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Agent {
    async fn serve_unit(self: Arc<Self>, mut stream: UnixStream) {
        let Ok(credentials) = stream.peer_cred() else { return };
        let peer = Peer::new(Some(credentials.uid()), credentials.pid().and_then(|pid| u32::try_from(pid).ok()));
        let own = rustix::process::geteuid().as_raw();
        let may_ask = credentials.uid() == own || credentials.uid() == 0 && self.config.systemd.system_units;
        if !may_ask {
            self.log_refused(&peer);
        }
        // What `accept` says leaves out abstract addresses.
        let from = getpeername(&stream).ok().flatten().and_then(|from| SocketAddrUnix::try_from(from).ok());
        let wanted = from.as_ref().and_then(SocketAddrUnix::abstract_name).and_then(UnitCredential::parse);
        let Some(wanted) = wanted.filter(|_| may_ask) else { return };
        let asking = Asking::new(GetToken::NAME, peer, &self.audit, &self.clock);
        let answer = self.unit_token(&wanted, &asking).await;
        asking.end(answer.as_ref().err());
        let written = match &answer {
            Ok(token) => timeout(READ_TIMEOUT, stream.write_all(token.expose().as_bytes())).await,
            Err(error) => {
                let (unit, credential) = (redact::server_text(wanted.unit), redact::server_text(wanted.credential));
                warn!("{unit} does not start, there is nothing for its credential {credential}: {}", error.message);
                timeout(READ_TIMEOUT, stream.write_all(&vec![b'\n'; TOO_MUCH])).await
            }
        };
        // One that reads no more is its own affair.
        let _ = written;
    }

    async fn unit_token(self: &Arc<Self>, wanted: &UnitCredential<'_>, asking: &Asking) -> Result<Secret, Error> {
        asking.detail(format!("unit {}", redact::server_text(wanted.unit)));
        if let Some(error) = &self.config_error {
            let message = format!("the configuration cannot be read: {error}");
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let account = self.config.systemd.account(wanted).ok_or_else(|| {
            let message = "no account is named for it under [systemd.credentials] in the configuration";
            Error::new(ErrorKind::UnknownTarget, message)
        })?;
        self.lock_if_idle().await;
        self.touch();
        let get = GetToken { account: Some(account.to_string()), deadline: Some(DEADLINE), ..GetToken::default() };
        self.get_token(get, asking).await.map(|token| token.token)
    }
}

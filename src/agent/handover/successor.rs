//! The agent that takes over: it gets everything ready, takes what makes an owner, and waits for the word. Until then it
//! writes nothing, and if the other one goes away it just ends.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Agent;
use super::super::door::Opened;
use super::super::units::Units;
use super::channel::Channel;
use super::step::{FORMAT, FromNew, FromOld, PassedConnection, Take};
use crate::fault;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::{Bytes, Listener, Moved, Reception};
use crate::paths::Paths;
use crate::secret::Secret;
use crate::vault::{OpenOptions, Vault};
use crate::version;

/// The line to the agent that hands over.
pub(in crate::agent) struct Line(Channel);

/// Why there is nothing to serve.
pub(in crate::agent) enum Ended {
    /// The other one goes on, or is gone: nobody is to be told.
    Quietly,
    /// This one can't.
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Failed(odd()),
            _ => Self::Quietly,
        }
    }
}

fn odd() -> Error {
    Error::new(ErrorKind::Internal, "the old agent's words make no sense to the new one: stop it and start it")
}

impl Line {
    /// Needs a runtime.
    pub(in crate::agent) fn new(stream: UnixStream) -> io::Result<Self> {
        Channel::new(stream).map(Self)
    }

    /// Says why nothing comes of it.
    pub(in crate::agent) async fn fail(&self, error: Error) {
        let _ = self.0.send(&FromNew::Failed { error }, &[]).await;
    }

    /// Takes over what makes an owner, and where to listen.
    pub(in crate::agent) async fn take(&self, paths: &mut Paths) -> Result<Vault, Ended> {
        match self.0.receive().await? {
            (FromOld::Offer { format: FORMAT, .. }, _) => {}
            _ => return Err(odd().into()),
        }
        fault::point("successor.ready");
        self.0.send(&FromNew::Ready { version: version::own().to_owned() }, &[]).await?;
        let (FromOld::Take(take), descriptors) = self.0.receive().await? else { return Err(odd().into()) };
        let Take { socket, vault_dir, vault } = *take;
        if vault_dir != paths.vault_dir {
            let message = format!("the new agent would use another vault ({})", paths.vault_dir.display());
            return Err(Error::new(ErrorKind::Internal, message).into());
        }
        paths.socket = socket;
        let lock = descriptors.into_iter().next().map(File::from).ok_or_else(odd)?;
        Ok(Vault::take_over(OpenOptions::new(paths), vault, lock).map_err(Error::from)?)
    }

    /// Says that everything is here, and waits for the word. From then on this is the owner.
    pub(in crate::agent) async fn become_owner(
        &self,
        agent: &Arc<Agent>,
        reception: Reception,
    ) -> Result<(Listener, Opened, Units), Ended> {
        agent.load().await?;
        fault::point("successor.loaded");
        self.0.send(&FromNew::Loaded, &[]).await?;
        let mut moved = Vec::new();
        let listener = loop {
            let (step, descriptors): (FromOld, Vec<OwnedFd>) = self.0.receive().await?;
            match step {
                FromOld::Connections { connections } => {
                    // One that can't be taken in is cut, as by any agent's end; it is not worth all others.
                    moved
                        .extend(connections.into_iter().zip(descriptors).filter_map(|(one, fd)| arrived(one, fd).ok()));
                }
                FromOld::Go => break descriptors.into_iter().next().ok_or_else(odd)?,
                _ => return Err(odd().into()),
            }
        };
        let listener = Listener::inherit(listener, &agent.paths.socket, moved, reception);
        let listener = listener.map_err(|_| odd())?;
        agent.vault.own();
        // What was due before could not be written.
        agent.settle_soon();
        // Whoever is told that this one serves finds its door and its units' socket, and not those before.
        let (door, units) = (agent.open_door().await, agent.open_units());
        fault::point("successor.serving");
        // Whether or not the other one is still there to hear it.
        let _ = self.0.send(&FromNew::Serving, &[]).await;
        fault::point("successor.serve");
        Ok((listener, door, units))
    }
}

fn arrived(connection: PassedConnection, descriptor: OwnedFd) -> io::Result<Moved> {
    let PassedConnection { met, framing, unread, standing } = connection;
    let decode = |text: &Secret| STANDARD.decode(text.expose().as_bytes()).map(Bytes::new);
    let unread = unread.as_ref().map_or_else(|| Ok(Bytes::default()), decode);
    let unread = unread.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let standing = standing.into_iter().map(|request| request.0).collect();
    Moved::arrived(descriptor, met, framing, unread, standing)
}

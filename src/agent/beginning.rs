//! How an agent begins: anew, or by taking over from another one.
//!
//! The vault's lock comes before the socket, so that there is one agent; the socket before the vault's key, so that
//! clients never wait for a keyring to be told that the agent is there. A successor has both from the one before.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

use super::alarm::Alarm;
use super::door::Opened;
#[cfg(unix)]
use super::handover::successor::{Ended, Line};
use super::harden::Refused;
use super::sealer::MemorySealer;
use super::units::Units;
use super::{Agent, Parts, Seat, harden};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigError};
use crate::ipc::client::Client;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::{Listener, Reception};
use crate::ipc::start::check_home_owner;
use crate::ipc::{ConnectError, owner};
use crate::oauth::http::{Http, HttpOptions};
use crate::oauth::proxy::Proxies;
use crate::paths::Paths;
use crate::residue;
use crate::vault::{OpenOptions as VaultOptions, Vault, VaultError};

/// How long an owner on its way out is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// A log this long is begun anew.
const MAX_LOG: u64 = 1024 * 1024;

/// An agent that listens.
pub(super) struct Started {
    pub(super) agent: Arc<Agent>,
    pub(super) listener: Listener,
    pub(super) alarm: Alarm,
    pub(super) door: Opened,
    pub(super) units: Units,
}

/// Begins anew.
pub(super) fn start(detached: bool) -> Result<(Runtime, Started), Error> {
    let mut grounds = Grounds::lay()?;
    if Client::connect(&grounds.paths.socket).is_ok() {
        // Somebody serves there: another home's agent, or this vault's, which the vault's lock tells.
        grounds.paths.socket = grounds.paths.own_socket();
    }
    let vault = open_vault(&grounds.paths)?;
    start_log(&grounds, detached);
    if let Err(error) = vault.announce() {
        warn!("clients of other environments will not find this agent: {error}");
    }
    let runtime = runtime()?;
    let inside = runtime.enter();
    let listener = Listener::bind(&grounds.paths.socket)
        .map_err(|error| Error::new(ErrorKind::AgentUnreachable, format!("the socket cannot be made: {error}")))?;
    let (agent, alarm) = grounds.build(vault, &listener.reception, detached)?;
    let units = agent.open_units();
    drop(inside);
    let door = runtime.block_on(agent.open_door());
    Ok((runtime, Started { agent, listener, alarm, door, units }))
}

/// Takes over. Needs a runtime.
#[cfg(unix)]
pub(super) async fn take_over(line: &Line, detached: bool) -> Result<Started, Ended> {
    let mut grounds = Grounds::lay()?;
    start_log(&grounds, detached);
    let vault = line.take(&mut grounds.paths).await?;
    let reception = Reception::default();
    let (agent, alarm) = grounds.build(vault, &reception, detached)?;
    let (listener, door, units) = line.become_owner(&agent, reception).await?;
    Ok(Started { agent, listener, alarm, door, units })
}

/// What everything that waits runs in.
pub(super) fn runtime() -> Result<Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(residue::clear).build();
    runtime.map_err(|error| internal("the runtime", &error))
}

pub(super) fn internal(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{what} could not be made: {error}"))
}

/// What an agent stands on, whether it starts anew or takes over.
struct Grounds {
    paths: Paths,
    config: Config,
    config_error: Option<ConfigError>,
    sealer: Arc<MemorySealer>,
    refused: Vec<Refused>,
}

impl Grounds {
    fn lay() -> Result<Self, Error> {
        // Before anything is read that may be a secret: the configuration is.
        let mut refused = harden::harden();
        let sealed = MemorySealer::install();
        let (sealer, more) = sealed.map_err(|error| internal("the key to the tokens in memory", &error))?;
        refused.extend(more);
        let paths = Paths::from_env().map_err(|error| Error::new(ErrorKind::Misconfigured, error.to_string()))?;
        check_home_owner(&paths)?;
        // A mistake in the configuration must not keep anybody from the logins there are.
        let (config, config_error) = match Config::load(&paths.config_file) {
            Ok(config) => (config, None),
            Err(error) => (Config::without(&paths.config_file), Some(error)),
        };
        refused.extend(sealer.hide(config.hide_memory_key));
        Ok(Self { paths, config, config_error, sealer, refused })
    }

    /// Needs a runtime.
    fn build(self, vault: Vault, reception: &Reception, detached: bool) -> Result<(Arc<Agent>, Alarm), Error> {
        let Self { paths, config, config_error, sealer, refused } = self;
        let alarm = Alarm::new().map_err(|error| internal("the timer", &error))?;
        let options = HttpOptions {
            ca_file: config.ca_file.clone(),
            proxies: config.network.proxies(environment()),
            connect_timeout: config.network.connect_timeout,
            exchange_timeout: config.http_timeout,
            ..HttpOptions::default()
        };
        let http = Http::new(options).map_err(|error| Error::new(ErrorKind::Misconfigured, error.to_string()))?;
        let seat = Seat::new(&paths, reception.mover(), detached);
        let agent = Agent::new(Parts {
            paths,
            config,
            config_error,
            clock: Arc::new(SystemClock),
            http,
            vault,
            unprotected: refused.iter().map(ToString::to_string).collect(),
            sealer: Some(sealer),
            notifies: true,
            connections: reception.connections(),
            seat: Some(seat),
        });
        Ok((agent, alarm))
    }
}

/// Opens the vault; an owner that is on its way out (it listens no more, and may have taken its file away) is waited for.
fn open_vault(paths: &Paths) -> Result<Vault, Error> {
    match Vault::open(VaultOptions::new(paths)) {
        Err(VaultError::InUse { owner, .. }) if is_leaving(owner.as_deref(), paths) => {
            owner::wait_until_free(&paths.owner_file(), PATIENCE);
            Ok(Vault::open(VaultOptions::new(paths))?)
        }
        opened => Ok(opened?),
    }
}

fn is_leaving(owner: Option<&owner::Owner>, paths: &Paths) -> bool {
    let socket = owner.map_or(paths.socket.as_path(), |owner| Path::new(&owner.socket));
    owner.is_none_or(owner::Owner::is_here) && matches!(Client::connect(socket), Err(ConnectError::NotRunning))
}

/// The proxies that the variables name, which the agent keeps from its start.
fn environment() -> Proxies {
    Proxies::from_variables(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
}

/// To standard error in the foreground; else to a file beside the state, which no client reads.
fn start_log(grounds: &Grounds, detached: bool) {
    let Grounds { paths, config, config_error, .. } = grounds;
    let filter = EnvFilter::try_from_env("CRED_HELPER_LOG").unwrap_or_else(|_| EnvFilter::new(&config.log));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false);
    // A log that can't be written is no reason not to serve.
    let _ = match log_file(paths).filter(|_| detached) {
        Some(file) => builder.with_writer(Arc::new(file)).try_init(),
        None => builder.with_writer(io::stderr).try_init(),
    };
    if let Some(error) = config_error {
        error!("{error}; going on with the defaults");
    }
}

fn log_file(paths: &Paths) -> Option<std::fs::File> {
    let path: PathBuf = paths.state_dir.join("agent.log");
    let long = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG);
    OpenOptions::new().create(true).append(!long).write(true).truncate(long).open(path).ok()
}

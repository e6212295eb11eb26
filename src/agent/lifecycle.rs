//! From `main` to the last answer: what the agent's executable does, in order.
//!
//! The vault's lock comes before the socket, so that there is one agent; the socket before the vault's key, so that
//! clients never wait for a keyring to be told that the agent is there.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use super::alarm::Alarm;
use super::detach::{self, Ready};
use super::gate::Closed;
use super::harden::Refused;
use super::sealer::MemorySealer;
use super::{Agent, Parts, harden};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::ipc::client::Client;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::{Listener, serve};
use crate::ipc::start::check_home_owner;
use crate::ipc::{ConnectError, owner};
use crate::oauth::http::{Http, HttpOptions};
use crate::panics;
use crate::paths::Paths;
use crate::residue;
use crate::vault::{OpenOptions as VaultOptions, Vault, VaultError};

/// How long a stop waits for the exchanges under way; what is not done then is on the disk as "sent".
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon the disk is asked again to take the owner's file.
const DISK_PAUSE: Duration = Duration::from_secs(30);
/// A log this long is begun anew.
const MAX_LOG: u64 = 1024 * 1024;

const USAGE: &str = "usage: cred-helper-agent [run | demo | check-config | --version]\n\
Started by cred-helper when it is needed; see cred-helper(1).";

/// The agent's `main`, for its arguments without the program's name.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    panics::tell_where_only(|line| match tracing::dispatcher::has_been_set() {
        true => error!("{line}"),
        false => complain(&format!("cred-helper-agent: {line}")),
    });
    let command = arguments.next();
    match command.as_deref().and_then(|command| command.to_str()) {
        None | Some("run") => run_agent(arguments.next().is_some_and(|flag| flag == "--detach")),
        Some("demo") => crate::demo::run(),
        Some("check-config") => check_config(),
        Some("--version" | "-V") => say(&format!("cred-helper-agent {}", env!("CARGO_PKG_VERSION"))),
        Some("--help" | "-h") => say(USAGE),
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer to --version and --help")]
fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "there is nobody else to tell before the socket is there")]
fn complain(text: &str) {
    eprintln!("{text}");
}

fn check_config() -> ExitCode {
    let checked = Paths::from_env().map_err(|error| error.to_string()).and_then(|paths| {
        let file = paths.config_file.display().to_string();
        Config::load(&paths.config_file).map(|_| file).map_err(|error| error.to_string())
    });
    match checked {
        Ok(file) => say(&format!("{file}: nothing wrong")),
        Err(error) => {
            complain(&format!("cred-helper: {error}"));
            ExitCode::from(ErrorKind::Misconfigured.exit_code())
        }
    }
}

fn run_agent(detached: bool) -> ExitCode {
    let ready = match detached {
        true => detach::prepare_process(),
        false => {
            detach::prepare_foreground();
            Ok(Ready::foreground())
        }
    };
    let ready = match ready {
        Ok(ready) => ready,
        Err(error) => return fail(&internal("a session of its own", &error)),
    };
    // Before anything is read that may be a secret: the configuration is.
    let refused = harden::harden();
    let sealed = MemorySealer::install().map_err(|error| internal("the key to the tokens in memory", &error));
    match sealed.and_then(|(sealer, more)| start(detached, sealer, refused.into_iter().chain(more).collect())) {
        Ok((runtime, started)) => {
            ready.ok(&started.agent.paths.socket);
            runtime.block_on(started.serve());
            ExitCode::SUCCESS
        }
        Err(error) => {
            ready.fail(&error);
            fail(&error)
        }
    }
}

fn fail(error: &Error) -> ExitCode {
    complain(&format!("cred-helper-agent: {error}"));
    ExitCode::from(error.kind().exit_code())
}

/// An agent that listens.
struct Started {
    agent: Arc<Agent>,
    listener: Listener,
    alarm: Alarm,
}

fn start(
    detached: bool,
    sealer: Arc<MemorySealer>,
    mut refused: Vec<Refused>,
) -> Result<(tokio::runtime::Runtime, Started), Error> {
    let mut paths = Paths::from_env().map_err(|error| Error::new(ErrorKind::Misconfigured, error.to_string()))?;
    check_home_owner(&paths)?;
    if Client::connect(&paths.socket).is_ok() {
        // Somebody serves there: another home's agent, or this vault's, which the vault's lock tells.
        paths.socket = paths.own_socket();
    }
    // A mistake in the configuration must not keep anybody from the logins there are.
    let (config, config_error) = match Config::load(&paths.config_file) {
        Ok(config) => (config, None),
        Err(error) => (Config::without(&paths.config_file), Some(error)),
    };
    let vault = open_vault(&paths)?;
    start_log(&paths, &config, detached);
    if let Some(error) = &config_error {
        error!("{error}; going on with the defaults");
    }
    if let Err(error) = vault.announce() {
        warn!("clients of other environments will not find this agent: {error}");
    }
    refused.extend(sealer.hide(config.hide_memory_key));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(residue::clear)
        .build()
        .map_err(|error| internal("the runtime", &error))?;
    let inside = runtime.enter();
    let listener = Listener::bind(&paths.socket)
        .map_err(|error| Error::new(ErrorKind::AgentUnreachable, format!("the socket cannot be made: {error}")))?;
    let alarm = Alarm::new().map_err(|error| internal("the timer", &error))?;
    let options = HttpOptions {
        ca_file: config.ca_file.clone(),
        exchange_timeout: config.http_timeout,
        ..HttpOptions::default()
    };
    let http = Http::new(options).map_err(|error| Error::new(ErrorKind::Misconfigured, error.to_string()))?;
    let clock = Arc::new(SystemClock);
    drop(inside);
    let agent = Agent::new(Parts {
        paths,
        config,
        config_error,
        clock,
        http,
        vault,
        unprotected: refused.iter().map(ToString::to_string).collect(),
        sealer: Some(sealer),
        connections: listener.connections(),
    });
    Ok((runtime, Started { agent, listener, alarm }))
}

/// Opens the vault; an owner that is on its way out (it listens no more) is waited for.
fn open_vault(paths: &Paths) -> Result<Vault, Error> {
    match Vault::open(VaultOptions::new(paths)) {
        Err(VaultError::InUse { owner: Some(owner), .. })
            if owner.is_here()
                && matches!(Client::connect(Path::new(&owner.socket)), Err(ConnectError::NotRunning)) =>
        {
            owner::wait_until_free(&paths.owner_file(), PATIENCE);
            Ok(Vault::open(VaultOptions::new(paths))?)
        }
        opened => Ok(opened?),
    }
}

fn internal(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{what} could not be made: {error}"))
}

impl Started {
    async fn serve(self) {
        let Self { agent, listener, alarm } = self;
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        let opening = Arc::clone(&agent);
        tokio::spawn(async move {
            if let Err(error) = opening.ensure_open().await {
                warn!("the vault did not open by itself: {error}");
            }
        });
        tokio::spawn(Arc::clone(&agent).refresh_ahead(alarm));
        tokio::spawn(Arc::clone(&agent).heed_sleep());
        tokio::spawn(Arc::clone(&agent).announce_until_written());
        let service = Arc::clone(&agent);
        serve(listener, service, agent.told_to_stop()).await;
        agent.logins.cancel_all();
        if !agent.gate.close(Closed::Stopping, PATIENCE).await {
            warn!("stopped while a refresh was still under way; it is tried again at the next start");
        }
        if let Err(error) = agent.persist_all().await {
            error!("stopped although a login's newest state is not on the disk: {error}");
        }
        agent.audit.flush();
        info!("stopped");
    }
}

impl Agent {
    /// Goes on trying to write the owner's file, where the disk refused it at the start.
    async fn announce_until_written(self: Arc<Self>) {
        while !self.paths.owner_file().exists() {
            tokio::time::sleep(DISK_PAUSE).await;
            let _ = self.with_vault(|vault| vault.announce()).await;
        }
    }

    /// Until `agent.stop` or a signal. From then on no exchange starts.
    async fn told_to_stop(&self) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = termination() => {}
        }
        self.gate.close(Closed::Stopping, Duration::ZERO).await;
    }
}

#[cfg(unix)]
async fn termination() {
    use signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else { return std::future::pending().await };
    // A terminal that closes must not take the agent of the whole session with it.
    let mut hangup = signal(SignalKind::hangup()).ok();
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            () = async { match &mut hangup { Some(hangup) => { hangup.recv().await; } None => std::future::pending().await } } => {}
        }
    }
}

#[cfg(windows)]
async fn termination() {
    if signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// To standard error in the foreground; else to a file beside the state, which no client reads.
fn start_log(paths: &Paths, config: &Config, detached: bool) {
    let filter = EnvFilter::try_from_env("CRED_HELPER_LOG").unwrap_or_else(|_| EnvFilter::new(&config.log));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false);
    // A log that can't be written is no reason not to serve.
    let _ = match log_file(paths).filter(|_| detached) {
        Some(file) => builder.with_writer(Arc::new(file)).try_init(),
        None => builder.with_writer(io::stderr).try_init(),
    };
}

fn log_file(paths: &Paths) -> Option<std::fs::File> {
    let path: PathBuf = paths.state_dir.join("agent.log");
    let long = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG);
    OpenOptions::new().create(true).append(!long).write(true).truncate(long).open(path).ok()
}

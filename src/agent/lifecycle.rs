//! From `main` to the last answer: what the agent's executable does, in order. How an agent begins is in `beginning.rs`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal;
use tracing::{error, info, warn};

#[cfg(unix)]
use super::beginning::runtime;
use super::beginning::{self, Started, internal};
use super::detach::{self, Ready};
use super::gate::Closed;
#[cfg(unix)]
use super::handover::successor::{Ended, Line};
use super::{Agent, Seat};
use crate::config::Config;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::owner;
use crate::ipc::server::serve;
use crate::panics;
use crate::paths::Paths;
use crate::version;

/// How long a stop waits for the exchanges under way; what is not done then is on the disk as "sent".
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon the disk is asked again to take the owner's file.
const DISK_PAUSE: Duration = Duration::from_secs(30);

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
        None | Some("run") => run_agent(How::parse(arguments)),
        Some("demo") => crate::demo::run(),
        Some("check-config") => check_config(),
        Some("--version" | "-V") => say(&format!("cred-helper-agent {}", version::own())),
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

/// How `run` was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct How {
    /// Away from whoever started it.
    detached: bool,
    /// Another agent waits to hand over.
    successor: bool,
}

impl How {
    fn parse(arguments: impl Iterator<Item = OsString>) -> Self {
        arguments.fold(Self::default(), |how, argument| Self {
            detached: how.detached || argument == "--detach",
            successor: how.successor || argument == "--successor",
        })
    }
}

fn run_agent(how: How) -> ExitCode {
    if how.successor {
        return succeed(how.detached);
    }
    let ready = match how.detached {
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
    match beginning::start(how.detached) {
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

#[cfg(windows)]
fn succeed(_detached: bool) -> ExitCode {
    complain(USAGE);
    ExitCode::from(2)
}

#[cfg(unix)]
fn succeed(detached: bool) -> ExitCode {
    let Ok(stream) = detach::prepare_successor(detached) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(async {
        let Ok(line) = Line::new(stream) else { return ExitCode::FAILURE };
        match beginning::take_over(&line, detached).await {
            Ok(started) => {
                drop(line);
                started.serve().await;
                ExitCode::SUCCESS
            }
            Err(Ended::Quietly) => ExitCode::SUCCESS,
            Err(Ended::Failed(error)) => {
                line.fail(error.clone()).await;
                fail(&error)
            }
        }
    })
}

fn fail(error: &Error) -> ExitCode {
    complain(&format!("cred-helper-agent: {error}"));
    ExitCode::from(error.kind().exit_code())
}

impl Started {
    async fn serve(self) {
        let Self { agent, listener, alarm, door, units } = self;
        info!(version = version::own(), "started");
        let opening = Arc::clone(&agent);
        tokio::spawn(async move {
            if let Err(error) = opening.ensure_open().await {
                warn!("the vault did not open by itself: {error}");
            }
        });
        tokio::spawn(Arc::clone(&agent).refresh_ahead(alarm));
        tokio::spawn(Arc::clone(&agent).heed_sleep());
        tokio::spawn(Arc::clone(&agent).announce_until_written());
        let door = tokio::spawn(door.serve(Arc::clone(&agent)));
        let units = tokio::spawn(units.serve(Arc::clone(&agent)));
        let service = Arc::clone(&agent);
        serve(listener, service, agent.told_to_stop()).await;
        // They end by the same sign, and bound themselves.
        let _ = (door.await, units.await);
        if agent.seat.as_ref().is_some_and(Seat::is_left) {
            // The vault is a successor's: nothing of it is written here any more.
            return;
        }
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
    /// Goes on trying to write the owner's file, where the disk refused it at the start or it is a predecessor's.
    async fn announce_until_written(self: Arc<Self>) {
        let own = |owner: &owner::Owner| owner.is_here() && owner.pid == std::process::id();
        let is_written = || owner::read_owner(&self.paths.owner_file()).as_ref().is_some_and(own);
        while !is_written() {
            let announced = self.with_vault(|vault| vault.announce()).await;
            // One that was taken and can't be read back is no reason to write it without end.
            if announced.is_err() || !is_written() {
                tokio::time::sleep(DISK_PAUSE).await;
            }
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

//! `agent`: starts, ends and shows the agent itself.

mod http;

use std::process::Command;
use std::time::Duration;

use super::args::AgentCommand;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::table::{self, Cell};
use super::{output, vault, when};
use crate::ipc::client::CallError;
use crate::ipc::message::agent::{AgentReport, AgentStatus, HttpDoor, RestartAgent, Restarted, StopAgent};
use crate::ipc::message::{Error, ErrorKind, Method};
use crate::ipc::owner::Holder;
use crate::ipc::start::{self, Start};
use crate::paths::Paths;

/// An exchange under way is seen to its end before the agent stops.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn run(connect: &Connect, command: &AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::Start => start(connect),
        AgentCommand::Stop => stop(),
        AgentCommand::Restart => restart(connect),
        AgentCommand::Status { json } => {
            let report = put(connect::DEADLINE, &AgentStatus {})?;
            if *json { output::json(&report) } else { output::data(&shown(&report)) }
        }
        AgentCommand::Http { json, secret } => http::run(connect, *json, *secret),
        AgentCommand::Run => become_agent(),
    }
}

fn start(connect: &Connect) -> Result<(), Failure> {
    let report = connect.ask(&AgentStatus {})?;
    output::tell(&format!("The agent runs (pid {}, {}).", report.pid, report.socket));
    Ok(())
}

/// Asks an agent that runs, about itself: starts none, and tells it nothing else.
fn put<M: Method>(deadline: Duration, params: &M) -> Result<M::Answer, CallError> {
    let paths = Paths::from_env().map_err(|error| Error::new(ErrorKind::Misconfigured, error.to_string()))?;
    start::put(&paths, Start::Never, deadline, params).map(|(_, answer)| answer)
}

/// Has an agent that runs read its configuration.
pub(super) fn read_again() -> Result<(), Failure> {
    match put(PATIENCE, &RestartAgent {}) {
        Ok(_) => Ok(()),
        Err(CallError::Agent(error)) if error.kind() == ErrorKind::MethodNotFound => stop(),
        Err(error) if is_gone(&error) => Ok(()),
        // It ended meanwhile, by somebody else's doing.
        Err(CallError::Io(error)) if error.kind() != std::io::ErrorKind::TimedOut => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether none runs.
fn is_gone(error: &CallError) -> bool {
    matches!(error, CallError::Agent(error) if error.kind() == ErrorKind::AgentUnreachable)
}

fn restart(connect: &Connect) -> Result<(), Failure> {
    match put(PATIENCE, &RestartAgent {}) {
        Ok(Restarted { pid, version }) => {
            output::tell(&format!("Version {version} has taken over (pid {pid})."));
            Ok(())
        }
        // An older agent, or a system without handover: requests under way are finished, and others start the new one.
        Err(CallError::Agent(error)) if error.kind() == ErrorKind::MethodNotFound => {
            stop()?;
            start(connect)
        }
        Err(error) if is_gone(&error) => start(connect),
        // It ended meanwhile, by somebody else's doing.
        Err(CallError::Io(error)) if error.kind() != std::io::ErrorKind::TimedOut => start(connect),
        Err(error) => Err(error.into()),
    }
}

fn stop() -> Result<(), Failure> {
    let paths = connect::paths()?;
    let holder = Holder::of(&paths.owner_file());
    match put(PATIENCE, &StopAgent {}) {
        Err(error) if is_gone(&error) => {
            output::tell("No agent runs.");
            return Ok(());
        }
        // It was ending already.
        Err(CallError::Io(error)) if error.kind() != std::io::ErrorKind::TimedOut => {}
        told => drop(told?),
    }
    // It answers before it ends: whoever comes next must find it gone, not ending.
    // What a forwarded agent holds can't be seen from here.
    if !paths.socket_given && !holder.wait_for_end(PATIENCE) {
        let message = "the agent was told to stop and has not ended yet: see `cred-helper agent status`";
        return Err(Failure::new(ErrorKind::TemporarilyUnavailable, message));
    }
    output::tell("The agent has stopped.");
    Ok(())
}

fn shown(report: &AgentReport) -> String {
    let style = output::Style::stdout();
    let memory = report.memory;
    let kib = format!("{} KiB resident, {} KiB private", memory.rss_kib, memory.private_kib);
    let fault = report.configuration_error.as_deref().map(|text| Cell::new(text, output::Tone::Bad));
    table::facts(
        style,
        vec![
            ("pid", Some(report.pid.to_string().into())),
            ("version", Some(report.version.as_str().into())),
            ("up for", Some(when::span(Duration::from_secs(report.uptime)).into())),
            ("socket", Some(report.socket.as_str().into())),
            ("vault", Some(report.vault.as_str().into())),
            ("vault state", Some(vault::state(report.vault_state))),
            ("accounts", Some(report.accounts.to_string().into())),
            ("connections", Some(report.connections.to_string().into())),
            ("memory", (memory.rss_kib > 0).then(|| kib.into())),
            ("HTTP door", report.http.as_ref().map(door)),
            ("configuration", fault),
        ],
    )
}

fn door(door: &HttpDoor) -> Cell {
    match (&door.url, &door.problem) {
        (_, Some(problem)) => Cell::new(problem, output::Tone::Bad),
        (url, None) => url.as_deref().unwrap_or_default().into(),
    }
}

/// Runs it here, in the foreground, as the service manager's child.
#[cfg(unix)]
fn become_agent() -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    let agent = connect::agent_executable()?;
    let error = Command::new(&agent).arg("run").exec();
    Err(Failure::new(ErrorKind::AgentUnreachable, format!("{} cannot be run: {error}", agent.display())))
}

#[cfg(windows)]
fn become_agent() -> Result<(), Failure> {
    pass_through(Command::new(connect::agent_executable()?).arg("run"))
}

/// Runs a program with our standard streams and ends as it ends.
pub(super) fn pass_through(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        Failure::new(ErrorKind::AgentUnreachable, format!("{program} cannot be run: {error}"))
    })?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::Quiet(u8::try_from(code).unwrap_or(1))),
        None => Err(Failure::System(format!("the agent's program ended early: {status}"))),
    }
}

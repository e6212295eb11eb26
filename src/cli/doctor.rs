//! `doctor`: what the caller's side can check, then what only the agent can; each with what to do. With a provider, the way to
//! it, which the agent walks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::args::DoctorArgs;
use super::connect::{self, Connect, paths};
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::{browser, connect::DEADLINE, setup};
use crate::ipc::client::Client;
use crate::ipc::message::agent::{Check, CheckResult, Checks, Doctor, Hello};
use crate::ipc::message::provider::CheckProvider;
use crate::paths::Paths;

/// What the file's check is called, here and by the agent.
const CONFIGURATION: &str = "configuration";
/// How long the way to a server may take: each of its hops has a limit of its own.
const WALK: Duration = Duration::from_secs(300);

pub(super) fn run(connect: &Connect, args: &DoctorArgs) -> Result<(), Failure> {
    let checks = match &args.provider {
        Some(provider) => connect.ask_within(&paths()?, WALK, &CheckProvider { provider: provider.clone() })?,
        None => Checks { checks: checks(connect) },
    };
    if args.json {
        output::json(&checks)?;
    } else {
        output::data(&shown(&checks, Style::stdout()))?;
    }
    let failed = checks.checks.iter().any(|check| check.result == CheckResult::Failed);
    if failed { Err(Failure::Quiet(1)) } else { Ok(()) }
}

fn checks(connect: &Connect) -> Vec<Check> {
    let paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(error) => return vec![check("home", CheckResult::Failed, error.to_string())],
    };
    let mut checks = vec![home(&paths.home), configuration(&paths), program()];
    checks.push(desktop());
    let passed_over = Paths::runtime_passed_over().filter(|_| !paths.socket_given);
    checks.extend(passed_over.map(|why| check("runtime directory", CheckResult::Warning, why)));
    match connect.open_within(&paths, DEADLINE) {
        Ok(mut client) => {
            let via = if paths.socket_given { " (named by CRED_HELPER_SOCK)" } else { "" };
            checks.push(check("socket", CheckResult::Ok, format!("{}{via}", paths.socket.display())));
            checks.push(version(&mut client));
            // Both have looked at the file: of a fault the agent says more.
            let told = from_agent(&mut client);
            let fault = told.iter().any(|check| check.name == CONFIGURATION && check.result == CheckResult::Failed);
            checks.retain(|check| !(fault && check.name == CONFIGURATION));
            checks.extend(told.into_iter().filter(|check| fault || check.name != CONFIGURATION));
            checks.extend(setup::checks(&paths, Some(&mut client)));
        }
        Err(failure) => {
            checks.push(check("socket", CheckResult::Failed, failure.message().unwrap_or("no agent")));
            checks.extend(setup::checks(&paths, None));
        }
    }
    checks
}

fn check(name: &str, result: CheckResult, message: impl Into<String>) -> Check {
    Check { name: name.to_owned(), result, message: message.into() }
}

fn home(home: &Path) -> Check {
    match owned_by_us(home) {
        Ok(true) => check("home", CheckResult::Ok, home.display().to_string()),
        Ok(false) => {
            let message = format!("{} belongs to another user: don't use sudo, or set HOME with it", home.display());
            check("home", CheckResult::Failed, message)
        }
        Err(error) => check("home", CheckResult::Failed, format!("{} cannot be read: {error}", home.display())),
    }
}

#[cfg(unix)]
fn owned_by_us(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(path.metadata()?.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(windows)]
fn owned_by_us(path: &Path) -> std::io::Result<bool> {
    path.metadata().map(|_| true)
}

/// The agent reads it; here it is asked to.
fn configuration(paths: &Paths) -> Check {
    let name = CONFIGURATION;
    if !paths.config_file.exists() {
        return check(name, CheckResult::Ok, format!("{}: none, which is fine", paths.config_file.display()));
    }
    let Ok(agent) = connect::agent_executable() else {
        return check(name, CheckResult::Warning, "not checked: there is no agent's program to read it");
    };
    match Command::new(agent).arg("check-config").output() {
        Ok(output) if output.status.success() => check(name, CheckResult::Ok, paths.config_file.display().to_string()),
        Ok(_) => check(name, CheckResult::Failed, "it has a fault: `cred-helper config check` says which"),
        Err(error) => check(name, CheckResult::Warning, format!("not checked: {error}")),
    }
}

fn program() -> Check {
    match connect::agent_executable() {
        Ok(path) => check("agent's program", CheckResult::Ok, path.display().to_string()),
        Err(failure) => check("agent's program", CheckResult::Failed, failure.message().unwrap_or("not found")),
    }
}

fn desktop() -> Check {
    if browser::available() {
        check("browser", CheckResult::Ok, "login can open one ($BROWSER, or a display)")
    } else {
        let message = "none here: login offers a code for another device, or a paste; $BROWSER names a program";
        check("browser", CheckResult::Warning, message)
    }
}

fn version(client: &mut Client) -> Check {
    let ours = crate::version::own();
    let hello = Hello::ours();
    match connect::call(client, &hello) {
        Ok(welcome) if welcome.version == ours => check("version", CheckResult::Ok, format!("{ours} at both ends")),
        Ok(welcome) => {
            let message = format!(
                "the agent is {}, this is {ours}: `cred-helper agent stop` lets the next command start the new one",
                welcome.version
            );
            check("version", CheckResult::Warning, message)
        }
        Err(failure) => check("version", CheckResult::Failed, failure.message().unwrap_or("no answer")),
    }
}

fn from_agent(client: &mut Client) -> Vec<Check> {
    match connect::call(client, &Doctor {}) {
        Ok(answer) => answer.checks,
        Err(failure) => vec![check("agent", CheckResult::Failed, failure.message().unwrap_or("no answer"))],
    }
}

fn shown(checks: &Checks, style: Style) -> String {
    let width = checks.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for Check { name, result, message } in &checks.checks {
        let (mark, tone) = match result {
            CheckResult::Ok => ("✓", Tone::Good),
            CheckResult::Warning => ("!", Tone::Warning),
            CheckResult::Failed => ("✗", Tone::Bad),
            CheckResult::Unknown => ("?", Tone::Warning),
        };
        out.push_str(&format!("{} {name:<width$}  {message}\n", style.paint(tone, mark)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_its_mark() {
        let checks = Checks {
            checks: vec![
                check("home", CheckResult::Ok, "fine"),
                check("clock", CheckResult::Warning, "set it"),
                check("socket", CheckResult::Failed, "start it"),
            ],
        };
        assert_eq!(shown(&checks, Style::default()), "✓ home    fine\n! clock   set it\n✗ socket  start it\n");
    }
}

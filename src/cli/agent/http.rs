//! `agent http`: where the HTTP door is. Its secret is printed only when it is asked for.

use std::fs;

use serde::Deserialize;

use super::super::connect::{self, Connect};
use super::super::exit::Failure;
use super::super::output;
use super::super::table::{self, Cell};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::agent::{AgentStatus, HttpDoor};
use crate::secret::Secret;

/// What is needed of the door's file.
#[derive(Deserialize)]
struct Contents {
    secret: Secret,
}

pub(super) fn run(connect: &Connect, json: bool, secret: bool) -> Result<(), Failure> {
    let door = connect.ask(&AgentStatus {})?.http.ok_or_else(off)?;
    if secret {
        return match &door.problem {
            None => output::secret(&read(&door.file)?),
            Some(problem) => Err(shut(problem)),
        };
    }
    if json {
        return output::json(&door);
    }
    match &door.problem {
        None => output::data(&shown(&door)),
        Some(problem) => Err(shut(problem)),
    }
}

fn shown(door: &HttpDoor) -> String {
    let HttpDoor { url, file, problem: _ } = door;
    let rows = vec![("url", url.as_deref().map(Cell::from)), ("secret in", Some(file.as_str().into()))];
    table::facts(output::Style::stdout(), rows)
}

/// The secret.
fn read(file: &str) -> Result<Secret, Failure> {
    let text = fs::read(file).map_err(|error| Failure::System(format!("{file} cannot be read: {error}")))?;
    let contents: Contents = serde_json::from_slice(&text)
        .map_err(|_| Failure::System(format!("{file} is not the agent's: run `cred-helper agent restart`")))?;
    Ok(contents.secret)
}

fn off() -> Failure {
    let file = connect::paths()
        .map_or_else(|_| "the configuration".to_owned(), |paths| paths.config_file.display().to_string());
    let message = format!(
        "the HTTP door is off: set `enabled = true` under [http] in {file} and run `cred-helper agent restart`"
    );
    Failure::new(ErrorKind::Misconfigured, message)
}

fn shut(problem: &str) -> Failure {
    Failure::new(ErrorKind::Misconfigured, format!("the HTTP door is shut: {problem}"))
}

//! What keeps a tool from asking us although all that it needs is there: what it asks or takes first. Each says what to do, and
//! nothing of what stands there.

use std::process::Command;

use super::machine::Machine;

/// One such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The URL that it holds for, if for one alone: a mistake only if an account answers there.
    pub(super) at: Option<String>,
    /// What it is, and what to do.
    pub(super) what: String,
}

impl From<String> for Doubt {
    fn from(what: String) -> Self {
        Self { at: None, what }
    }
}

impl Doubt {
    /// One that holds for a URL alone.
    pub(super) fn at(url: impl Into<String>, what: String) -> Self {
        Self { at: Some(url.into()), what }
    }

    /// Of variables of the environment that outrank a tool's file, the first that is set.
    pub(super) fn variable(machine: &Machine<'_>, names: &[&str], outranked: &str) -> Option<Self> {
        let set = names.iter().find(|name| machine.variable(name).is_some())?;
        Some(format!("{set} is set, and {outranked}: unset it").into())
    }
}

/// What the program of that name in the PATH says of itself.
pub(super) fn said(machine: &Machine<'_>, program: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(machine.find(program)?);
    // Go would fetch the version that a file of the home names.
    let said = command.args(words).current_dir(&machine.home).env("GOTOOLCHAIN", "local").output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

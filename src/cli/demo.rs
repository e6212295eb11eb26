//! `demo`: the story is told by the agent's binary, which has the demonstration server in it.

use std::process::Command;

use super::agent;
use super::connect;
use super::exit::Failure;

pub(super) fn run() -> Result<(), Failure> {
    agent::pass_through(Command::new(connect::agent_executable()?).arg("demo"))
}

//! `config`: where the configuration file is, and whether the agent understands it.

use std::process::Command;

use super::args::ConfigCommand;
use super::connect;
use super::exit::Failure;
use super::{agent, output};

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Path => output::line(&connect::paths()?.config_file.display().to_string()),
        // Reading it is the agent's business: one reader, one meaning.
        ConfigCommand::Check => agent::pass_through(Command::new(connect::agent_executable()?).arg("check-config")),
    }
}

//! `agent`, `config`.

use clap::Subcommand;

/// `agent ...`
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Start the agent, if none runs
    Start,
    /// End the agent once the exchanges under way are safe
    Stop,
    /// Put the installed version in the running agent's place; no request fails meanwhile
    Restart,
    /// Show the agent's process, socket, vault and memory; starts none
    Status {
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the agent in the foreground, for a service manager
    Run,
}

/// `config ...`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print where the configuration file is looked for
    Path,
    /// Check the configuration file; says file, line and what to mend
    Check,
}

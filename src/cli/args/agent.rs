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
    /// Show where the HTTP door is, for programs that cannot open a Unix socket
    Http {
        /// Print it as JSON; the secret is not in it
        #[arg(long)]
        json: bool,
        /// Print the secret that opens it, and nothing else
        #[arg(long, conflicts_with = "json")]
        secret: bool,
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

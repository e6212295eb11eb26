//! What can be typed: the definitions that the parser, the help, the man pages and the completions are made from.
//!
//! Definitions only, one file per family; what a command does is in the file of its name.

mod agent;
mod api_key;
mod exec;
mod file;
mod helper;
mod import;
mod log;
mod login;
mod password;
mod setup;
mod token;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use agent::{AgentCommand, ConfigCommand};
pub use api_key::ApiKeyCommand;
pub use exec::ExecArgs;
pub use file::FileArgs;
pub use helper::{HelperArgs, help_of_one};
pub use import::{ExportArgs, ExportFormat, FileFormat, ImportArgs, MapField};
pub use log::LogArgs;
pub use login::{LoginArgs, LogoutArgs};
pub use password::PasswordCommand;
pub use setup::SetupArgs;
pub use token::{Format, GetTokenArgs, RefreshArgs, RejectArgs};
pub use vault::{PassphraseArgs, SlotCommand, SlotKindArg, VaultCommand};

/// The OAuth token agent of a machine: log in once, and every program gets a fresh token.
#[derive(Debug, Parser)]
#[command(
    name = "cred-helper",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Start with `cred-helper login PROVIDER`, then `cred-helper get-token`. `cred-helper demo` shows the \
                  whole story without an account."
)]
pub struct Cli {
    /// Fail (exit code 18) rather than start the agent: for builds and CI
    #[arg(long, global = true)]
    pub no_start: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a fresh token, and nothing else, on standard output
    GetToken(GetTokenArgs),
    /// Run a command with accounts' tokens in its environment
    Exec(ExecArgs),
    /// Keep a token in a file, or give one to whoever opens a FIFO
    File(FileArgs),
    /// Speak another program's credential protocol, as git's helpers do
    Helper(HelperArgs),
    /// Make another tool ask us for its credentials, or show which do
    Setup(SetupArgs),
    /// Sign in at a provider
    Login(LoginArgs),
    /// Revoke a login at its server, where that is possible, and forget it
    Logout(LogoutArgs),
    /// Keep API keys beside the logins, for where those can't answer
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// The passwords that other programs' helpers keep here
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Bring in a login that another program made
    Import(ImportArgs),
    /// Print an access token with its times, for another program
    Export(ExportArgs),
    /// Show every account, how long its token lasts and what is wrong
    Status(StatusArgs),
    /// List, show, rename accounts and choose the default one
    #[command(subcommand)]
    Account(AccountCommand),
    /// Refresh a token now, however fresh it is
    Refresh(RefreshArgs),
    /// Report a token that a server refused, read from standard input
    Reject(RejectArgs),
    /// Make the agent forget the vault's key; holds until `unlock`, restarts included
    Lock,
    /// Open the vault
    Unlock(PassphraseArgs),
    /// Where logins rest, and the keys that open it
    #[command(subcommand)]
    Vault(VaultCommand),
    /// The authorization servers that can be signed in to by name
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// The configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The agent itself
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Show who asked for which token, and what came of it
    Log(LogArgs),
    /// Check this installation, or the way to a provider, and say what to do
    Doctor(DoctorArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Print the manual page, or write every page into a directory
    Man(ManArgs),
    /// Tell the whole story against a server on this machine; touches nothing of yours
    Demo,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Below the table is what is wrong, and what will end: a refresh token whose server says when (refresh_token_expires_in or \
refresh_expires_in of its answer) and an API key stored with --expires are warned of 14 and 3 days before, at the earliest \
in the second half of their life. With --json these are refresh_expires_at and ends_within of an account, expires_at and \
ends_within of its api_key. `doctor` warns of the same.")]
pub struct StatusArgs {
    /// Print the agent's answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Stay and show changes as they happen; q or Ctrl-C ends it
    #[arg(long)]
    pub watch: bool,
}

/// `account ...`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List accounts
    List {
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show everything that may be told of an account
    Show {
        /// The account; without it, the default one
        account: Option<String>,
        /// The account that answers for this URL, as a tool's helper would ask for it
        #[arg(long, value_name = "URL", conflicts_with = "account")]
        target: Option<String>,
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an account the one that is meant when none, or its provider alone, is named
    Default {
        /// The account
        account: String,
    },
    /// Let this project's .cred-helper.toml name the account that is meant in it
    Trust,
    /// Give an account another name
    Rename {
        /// Its name now
        account: String,
        /// Its new label (`work`) or whole name (`anthropic/work`)
        to: String,
    },
}

/// `provider ...`
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// List presets and your own providers
    List {
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a provider's endpoints, scopes and notice
    Show {
        /// The provider's name
        provider: String,
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without a provider it checks this installation, and for each tool that `cred-helper setup` knows to be set up \
                        whether it still asks here, whether somebody answers it, and what it would take first: another helper, \
                        a variable, a login of its own. ✓ is well, ! is worth knowing, ✗ has to be mended."
)]
pub struct DoctorArgs {
    /// A provider, an account, or an issuer's URL: check the way to it
    ///
    /// The agent walks the way that its requests go, hop by hop: the name's address, the connection or the proxy's answer,
    /// whose certificate it is, the metadata, the token endpoint, the clock. It names the hop that fails and says what
    /// to do. No credential is sent but the proxy's own. The exit status is 1 if a check failed, else 0.
    pub provider: Option<String>,
    /// Print the checks as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "For bash: cred-helper completions bash > ~/.local/share/bash-completion/completions/cred-helper; for zsh, as \
                  _cred-helper in a directory of $fpath; for fish, as ~/.config/fish/completions/cred-helper.fish. The names \
                  of accounts and providers are asked of the agent at each key press, if one runs and its vault is open: \
                  none is started for it."
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write every page into this directory; without it, cred-helper(1) goes to standard output
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_help() {
        fn check(command: &Command) {
            assert!(command.get_about().is_some(), "{}: help", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}: help", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}

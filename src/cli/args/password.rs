//! `password`.

use clap::Subcommand;

/// `password ...`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Tools store them through their helpers (see `cred-helper helper`), as git does with a password that was \
                  typed and that the server took. One answers for its URL and what is below, for its user, and only where \
                  no account answers; once the server refuses it, it is forgotten. Nothing here prints one."
)]
pub enum PasswordCommand {
    /// List the passwords that are kept for tools, without the passwords themselves
    List {
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget what is kept for a URL; at the server it goes on working
    Remove {
        /// The URL, as `list` shows it
        url: String,
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        username: Option<String>,
        /// Print those that are gone as JSON
        #[arg(long)]
        json: bool,
    },
}

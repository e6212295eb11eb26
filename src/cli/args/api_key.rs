//! `api-key`.

use clap::Subcommand;

use crate::cli::when;
use crate::clock::Timestamp;

/// `api-key ...`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Keep an account's API key, asked for or read from standard input
    Set {
        /// The account: PROVIDER or PROVIDER/LABEL; it need not have a login
        account: String,
        /// When the key ends: a date, a date and time (RFC 3339), or in how long, e.g. 90d
        #[arg(long, value_name = "DATE", value_parser = when::parse_end)]
        expires: Option<Timestamp>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
        /// Nothing: a key is never an argument. What is here is refused without being repeated
        #[arg(hide = true)]
        key: Vec<std::ffi::OsString>,
    },
    /// Forget an account's API key; at the provider it goes on working
    Remove {
        /// The account
        account: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

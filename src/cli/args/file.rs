//! `file`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::token::TokenKind;

/// Arguments of `file`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("where").required(true),
    after_help = "\
For programs that read a token from a file and from nowhere else: AWS_WEB_IDENTITY_TOKEN_FILE and \
AZURE_FEDERATED_TOKEN_FILE (with --token-type id), CLOUDSDK_AUTH_ACCESS_TOKEN_FILE. The file has the token and no newline. \
The command stays until it is ended; a service manager can run it.

--write keeps a file fresh: mode 0600, replaced as a whole whenever there is a new token, at the latest five minutes before \
the old one ends (at most half its life). While none can be had the old one stays, and standard error says why. The file \
stays when the command ends: put it where nobody else looks and nothing is kept, such as $XDG_RUNTIME_DIR.

--fifo makes a FIFO, and whoever opens it reads a token that is fresh then; the disk has none. Programs that ask for the file's \
size, or read it twice without opening it again, need --write. A FIFO that nobody serves any more lets its readers wait: \
remove it. Linux only."
)]
pub struct FileArgs {
    /// `provider` or `provider/label`; without it, the default account
    pub account: Option<String>,
    /// Keep this file fresh
    #[arg(long, value_name = "PATH", group = "where")]
    pub write: Option<PathBuf>,
    /// Make this FIFO and answer whoever opens it
    #[arg(long, value_name = "PATH", group = "where")]
    pub fifo: Option<PathBuf>,
    /// Which token of the login: access or id
    #[arg(long, value_name = "KIND", default_value_t = TokenKind::Access)]
    pub token_type: TokenKind,
    /// The audience or resource (RFC 8707) it is for
    #[arg(long)]
    pub audience: Option<String>,
}

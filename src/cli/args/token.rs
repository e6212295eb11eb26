//! `get-token`, `refresh`, `reject`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::when;
use crate::token::TokenKind;

/// Arguments of `get-token`.
#[derive(Debug, Args)]
pub struct GetTokenArgs {
    /// `provider` or `provider/label`; without it, what .cred-helper.toml names, or the default account
    pub account: Option<String>,
    /// The URL that it is wanted for, in the place of an account: whichever [targets] in the configuration names for it
    #[arg(long, value_name = "URL", conflicts_with = "account")]
    pub target: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Raw)]
    pub format: Format,
    /// How long it has to remain valid, e.g. 10m
    #[arg(long, value_name = "DURATION", value_parser = when::parse_duration)]
    pub min_validity: Option<Duration>,
    /// Which token of the login: access or id
    #[arg(long, value_name = "KIND", default_value_t = TokenKind::Access)]
    pub token_type: TokenKind,
    /// The audience or resource (RFC 8707) it is for
    #[arg(long)]
    pub audience: Option<String>,
    /// A scope it has to have, where fewer than the login's are wanted; may be repeated
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// How long to wait for it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = when::parse_duration)]
    pub timeout: Duration,
    /// The program that runs this runs it again only where its token was refused
    ///
    /// For the settings of programs that tell no helper of a refusal: Claude Code (apiKeyHelper), Codex
    /// (auth.command) and rclone (bearer_token_command). If the same process asks again for the same token, a minute after it
    /// had it or for the third time, and well before its end, one new token is fetched; `log` says that it was a guess. Such a program must
    /// not ask again of its own accord: for Claude Code set CLAUDE_CODE_API_KEY_HELPER_TTL_MS to a day (86400000), for Codex
    /// refresh_interval_ms to 0. One that does is believed ever more seldom, at most once an hour in the end. It takes
    /// Linux, where programs can be told apart.
    #[arg(long)]
    pub asks_again_when_refused: bool,
    /// The user name, for netrc, xoauth2 and oauthbearer
    #[arg(long)]
    pub user: Option<String>,
    /// The server's host, for netrc and oauthbearer
    #[arg(long)]
    pub host: Option<String>,
    /// The server's port, for oauthbearer
    #[arg(long)]
    pub port: Option<u16>,
}

/// How a token is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The token and a newline
    Raw,
    /// An object with the token, its expiry, scopes and source
    Json,
    /// Authorization: Bearer TOKEN, or the header that an API key goes in
    Header,
    /// An object of every header that the provider's API wants
    HeadersJson,
    /// For curl --config -
    CurlConfig,
    /// A line for a .netrc file
    Netrc,
    /// A SASL XOAUTH2 string (Google, Microsoft)
    Xoauth2,
    /// A SASL OAUTHBEARER string (RFC 7628)
    Oauthbearer,
}

/// Arguments of `refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The account; without it, the default one
    pub account: Option<String>,
}

/// Arguments of `reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The account; without it, whichever account handed that token out
    pub account: Option<String>,
}

//! `login`, `logout`.

use clap::Args;

/// Arguments of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// A provider's name (see `provider list`), PROVIDER/LABEL, or an issuer's URL; without it, a terminal shows them all
    #[arg(value_name = "PROVIDER|URL")]
    pub provider: Option<String>,
    /// Sign in at any OpenID Connect issuer: the same as giving its URL
    #[arg(long, value_name = "URL", conflicts_with = "provider")]
    pub sso: Option<String>,
    /// The account's label, for a second account at the same provider
    #[arg(long, value_name = "LABEL")]
    pub account: Option<String>,
    /// Sign in with a code on another device (RFC 8628)
    #[arg(long, conflicts_with_all = ["paste", "no_browser"])]
    pub device: bool,
    /// Paste the code, or the whole address that the browser was sent to; read from standard input if that is no terminal
    #[arg(long, conflicts_with = "no_browser")]
    pub paste: bool,
    /// Open no browser: print the URL on a line of its own and wait for the redirect
    #[arg(long)]
    pub no_browser: bool,
    /// A scope to ask for instead of the preset's; may be repeated
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// The port of the redirect to this machine, where the client's registration fixes one
    #[arg(long, value_name = "PORT")]
    pub redirect_port: Option<u16>,
    /// The provider's host, for a server of one's own (gitlab, github, github-copilot): the same as --parameter host=HOST
    #[arg(long, value_name = "HOST", conflicts_with = "sso")]
    pub host: Option<String>,
    /// What the provider has to be told, such as tenant=TENANT (microsoft); may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, conflicts_with = "sso")]
    pub parameter: Vec<(String, String)>,
    /// The client identifier, where the provider's preset has none
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Read the client secret from the first line of standard input
    #[arg(long)]
    pub client_secret_stdin: bool,
    /// Replace the account even if another person signs in
    #[arg(long)]
    pub replace: bool,
    /// Accept the provider's notice, which is shown all the same
    #[arg(long)]
    pub accept_notice: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

fn parameter(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("it has to be NAME=VALUE")
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// The account; without it, a terminal shows them all to choose from, and elsewhere it is the default one
    pub account: Option<String>,
    /// Every account
    #[arg(long, conflicts_with = "account")]
    pub all: bool,
    /// Forget the account's API key, too; without this it stays
    #[arg(long)]
    pub api_key: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

//! `import`, `export`.

use clap::{Args, ValueEnum};

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --own the access token alone is taken, and the file is read again whenever it has changed: \
                        the program that wrote it goes on renewing it. Two programs that redeem one refresh token race, \
                        and the server logs both out. With --own the refresh token is redeemed at once and belongs to the \
                        agent; the other program has to sign in again. A refresh token without an access token can only \
                        be owned."
)]
pub struct ImportArgs {
    /// PROVIDER or PROVIDER/LABEL; needed unless --from names a program that has one
    #[arg(value_name = "PROVIDER[/LABEL]")]
    pub account: Option<String>,
    /// A program (claude-code, pi, opencode, codex, gemini-cli, gh), a file, or - for standard input
    #[arg(long, value_name = "PROGRAM|FILE|-")]
    pub from: Option<String>,
    /// How the file is written; without it, its name or its first character says so
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,
    /// Where a field is, as a JSON pointer: access_token=/path/to/it; may be repeated. Fields: access_token, refresh_token,
    /// expires_at, scope, client_id, client_secret
    #[arg(long, value_name = "FIELD=POINTER", value_parser = field)]
    pub map: Vec<(MapField, String)>,
    /// Take the refresh token, too, and redeem it at once: the agent owns the login from then on
    #[arg(long)]
    pub own: bool,
    /// The client identifier that the refresh token was made for, where neither the file nor the provider says it
    #[arg(long, value_name = "ID", requires = "own")]
    pub client_id: Option<String>,
    /// Show what would be taken, and take nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept the provider's notice, which is shown all the same
    #[arg(long)]
    pub accept_notice: bool,
    /// Print what was found and what came of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// JSON
    Json,
    /// YAML, without anchors
    Yaml,
    /// TOML
    Toml,
}

/// What can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum MapField {
    /// The access token
    AccessToken,
    /// The refresh token
    RefreshToken,
    /// When the access token ends
    ExpiresAt,
    /// Its scopes
    Scope,
    /// The client identifier
    ClientId,
    /// The client secret
    ClientSecret,
}

fn field(text: &str) -> Result<(MapField, String), String> {
    let (name, pointer) = text.split_once('=').ok_or("it has to be FIELD=POINTER")?;
    let field = MapField::from_str(name, false).map_err(|_| {
        "the fields are access_token, refresh_token, expires_at, scope, client_id, client_secret".to_owned()
    })?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("a JSON pointer starts with / (RFC 6901); the empty one is the whole document".to_owned());
    }
    Ok((field, pointer.to_owned()))
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(
    after_help = "A refresh token is not printed unless that is forced: of two programs that redeem it the server logs \
                        out both. Let other programs ask with `cred-helper get-token` instead."
)]
pub struct ExportArgs {
    /// The account; without it, the default one
    pub account: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
    pub format: ExportFormat,
    /// Print the refresh token, too: the login goes to whoever gets it, and the agent renews and revokes it no more
    #[arg(long)]
    pub force_refresh_token: bool,
}

/// How a token is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// An object with the names that most programs know
    Json,
}

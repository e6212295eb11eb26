//! `account.import` and `account.export`: a login that another program made, and one that goes to another program.
//!
//! A refresh token has one owner. What is imported is the access token alone, and the file it came from is read again when
//! it changes; the refresh token comes with it only where the import takes the login over.

use serde::{Deserialize, Serialize};

use super::Method;
use super::login::SignedIn;
use crate::clock::Timestamp;
use crate::secret::{self, Secret};

/// `account.import`: takes in what another program's login gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportAccount {
    /// The provider's name, or an issuer URL.
    pub provider: String,
    /// The account's label; without it, the provider's default account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The access token; none: there is the refresh token alone.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub access_token: Option<Secret>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Its scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// The refresh token: the agent redeems it at once, and owns the login from then on.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub refresh_token: Option<Secret>,
    /// The client that the login was made with, where it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub client_secret: Option<Secret>,
    /// Where all this was found.
    pub source: ImportSource,
    /// Whether a person is there who can answer a keyring's prompt.
    #[serde(default)]
    pub interactive: bool,
    /// The [`Notice::id`](super::login::Notice::id) that a person has read and accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_notice: Option<String>,
}

impl Method for ImportAccount {
    const NAME: &'static str = "account.import";
    type Answer = SignedIn;
}

/// Where a login was found, and how to find it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSource {
    /// The program that writes it, by its short name, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The file's absolute path; none: it came from standard input, and can't be read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How it is written.
    #[serde(default)]
    pub format: ImportFormat,
    /// Where in it the access token is (JSON pointer, RFC 6901); the empty pointer is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Where its end is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Where its scopes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl ImportSource {
    /// The program, or else the file, for people.
    pub fn shown(&self) -> String {
        match (&self.program, &self.path) {
            (Some(program), Some(path)) => format!("{program} ({path})"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => "standard input".to_owned(),
        }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFormat {
    /// JSON (RFC 8259).
    #[default]
    Json,
    /// YAML 1.2, without anchors.
    Yaml,
    /// TOML 1.0.
    Toml,
    /// A format that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Where an account was imported from, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFrom {
    /// Where it was found.
    #[serde(flatten)]
    pub source: ImportSource,
    /// Whether the agent owns the login; if not, the other program renews it and the agent only reads.
    pub owned: bool,
}

/// `account.export`: a login goes to another program, refresh token and all. From then on the agent does not redeem it any
/// more, nor revoke it; it serves the access token that there is until that ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportAccount {
    /// The account; without it, the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Method for ExportAccount {
    const NAME: &'static str = "account.export";
    type Answer = ExportedAccount;
}

/// A login for another program.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportedAccount {
    /// The account's name.
    pub account: String,
    /// The access token.
    #[serde(serialize_with = "secret::exposed")]
    pub access_token: Secret,
    /// `Bearer`, nearly always.
    pub token_type: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The refresh token.
    #[serde(serialize_with = "secret::exposed")]
    pub refresh_token: Secret,
    /// The scopes granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// The client identifier that the login was made with.
    pub client_id: String,
    /// Where it is renewed.
    pub token_endpoint: String,
}

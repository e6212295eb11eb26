//! `login.*` and `account.logout`: signing in and out, wholly over the wire.
//!
//! `login.start` answers when the login has ended. Until then the agent sends [`Authorize`] and [`Progress`] on the same
//! connection; a caller that hangs up leaves the login, and the login ends when the last caller has left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Done, Method, Notification};
use crate::clock::Timestamp;
use crate::secret::{self, Secret};
use crate::token::Identity;

/// `login.start`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StartLogin {
    /// A provider's name, or an issuer URL.
    pub provider: String,
    /// The account's label; without it, the provider's default account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What fills the provider's open places: `host`, `tenant`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// How to sign in.
    #[serde(default)]
    pub flow: Flow,
    /// Whether the caller can show the person a browser on this machine.
    #[serde(default)]
    pub browser: bool,
    /// The client identifier, where the provider's preset has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client secret.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub client_secret: Option<Secret>,
    /// Scopes instead of the preset's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// The loopback redirect's port, where the registration fixes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_port: Option<u16>,
    /// Replace the account even if another person signs in.
    #[serde(default)]
    pub replace: bool,
    /// The [`Notice::id`] that a person has read and accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_notice: Option<String>,
}

impl Method for StartLogin {
    const NAME: &'static str = "login.start";
    type Answer = SignedIn;
}

/// How to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// The best that the provider and the caller's session allow.
    #[default]
    Auto,
    /// Authorization code by loopback redirect (RFC 8252 section 7.3); pasting stays possible where the provider allows.
    Browser,
    /// Authorization code pasted by the person.
    Paste,
    /// Device authorization (RFC 8628).
    Device,
    /// A flow that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// What a provider wants its users to know first. Identified by `id`, which changes with the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Hand it back in [`StartLogin::accept_notice`].
    pub id: String,
    /// One line.
    pub title: String,
    /// A few paragraphs.
    pub text: String,
    /// Where the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The ways that the provider sanctions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
}

/// `login.authorize`: what the person has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorize {
    /// The login's id, for [`PasteCode`] and [`CancelLogin`].
    pub login: String,
    /// The account that is being signed in.
    pub account: String,
    /// The provider's name for people.
    pub provider_title: String,
    /// What to open in a browser; for a device login the page that takes the code.
    pub url: String,
    /// What to type on that page (RFC 8628 section 3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// The page with the code filled in: what a QR code holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_complete: Option<String>,
    /// Whether a redirect to this machine ends the login.
    pub redirect: bool,
    /// Whether a pasted code ends the login.
    pub paste: bool,
    /// When the login gives up.
    pub expires_at: Timestamp,
}

impl Notification for Authorize {
    const NAME: &'static str = "login.authorize";
}

/// `login.progress`: where a login stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The login's id.
    pub login: String,
    /// What is being done.
    pub stage: Stage,
}

impl Notification for Progress {
    const NAME: &'static str = "login.progress";
}

/// The stages of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Asking the issuer for its metadata.
    Discovering,
    /// The person is at the provider.
    Waiting,
    /// The code is being exchanged for tokens.
    Exchanging,
    /// The tokens are being put into the vault.
    Saving,
    /// A stage that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// `login.paste`: the code, `code#state`, or the whole redirect URL that the person pasted.
#[derive(Debug, Serialize, Deserialize)]
pub struct PasteCode {
    /// The login's id.
    pub login: String,
    /// What was pasted, up to 6,000 characters.
    #[serde(serialize_with = "secret::exposed")]
    pub text: Secret,
}

impl Method for PasteCode {
    const NAME: &'static str = "login.paste";
    type Answer = Done;
}

/// `login.cancel`: ends the login for all its callers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancelLogin {
    /// The login's id.
    pub login: String,
}

impl Method for CancelLogin {
    const NAME: &'static str = "login.cancel";
    type Answer = Done;
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The account's name.
    pub account: String,
    /// Who signed in.
    #[serde(default)]
    pub identity: Identity,
    /// The scopes granted.
    #[serde(default)]
    pub scope: Vec<String>,
    /// When the access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it can be refreshed.
    pub refreshable: bool,
    /// The grant, where no person signed in: `client_credentials`, `jwt_bearer` or `token_exchange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Whether it ended in an API key, which is what is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api_key: bool,
    /// Whether an account of that name was there before.
    pub renewed: bool,
    /// Whether it is kept on disk; false in a vault of memory only.
    pub persisted: bool,
}

/// `account.logout`: revokes at the server where it can be, and forgets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Logout {
    /// The account; without it, the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Every account.
    #[serde(default)]
    pub all: bool,
    /// API keys too, which stay otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api_keys: bool,
}

impl Method for Logout {
    const NAME: &'static str = "account.logout";
    type Answer = LoggedOut;
}

/// What a logout did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// One entry per account.
    pub accounts: Vec<LoggedOutAccount>,
}

/// One account that was forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedOutAccount {
    /// Its name.
    pub account: String,
    /// Whether the server knows.
    pub revocation: Revocation,
    /// Why the server doesn't know, or what of the login it was told of, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What became of the account's API key, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<KeyFate>,
}

/// What a logout did to an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFate {
    /// It stays, and answers.
    Kept,
    /// It is forgotten; at the provider it goes on working.
    Removed,
    /// A fate that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Whether the server revoked a grant (RFC 7009).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// It did.
    Revoked,
    /// There was no login to revoke, only an API key.
    NoLogin,
    /// It has no revocation endpoint.
    Unsupported,
    /// It could not be told; the tokens stay valid until they expire.
    Failed,
    /// An outcome that this version doesn't know.
    #[serde(other)]
    Unknown,
}

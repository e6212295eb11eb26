//! `account.*`: what is signed in, and names for it.

use serde::{Deserialize, Serialize};

use super::error::ErrorKind;
use super::import::ImportedFrom;
use super::password::KeptPassword;
use super::token::AuthMethod;
use super::{Done, Method, Repeated};
use crate::clock::Timestamp;
use crate::token::Identity;

/// `account.list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListAccounts {}

impl Method for ListAccounts {
    const NAME: &'static str = "account.list";
    type Answer = Accounts;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// Every account, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accounts {
    /// The accounts.
    pub accounts: Vec<AccountStatus>,
    /// What is wrong with files of the vault and what to do, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<String>,
    /// The passwords that are kept beside the accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<KeptPassword>,
}

/// `account.show`: one account; without a name or a target the default one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShowAccount {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A URL: the account that answers for it. No token is asked for, and nobody is asked whether it may be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Method for ShowAccount {
    const NAME: &'static str = "account.show";
    type Answer = AccountStatus;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// Everything that may be told of an account. No token is among it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Its name.
    pub account: String,
    /// The provider's name for people.
    pub provider_title: String,
    /// Whether it is the one that is meant when none is named.
    pub default: bool,
    /// Where it stands.
    pub state: AccountState,
    /// Who signed in.
    #[serde(default)]
    pub identity: Identity,
    /// The scopes granted.
    #[serde(default)]
    pub scope: Vec<String>,
    /// The issuer, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The client identifier it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// When the access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// When the refresh token ends, and the login with it, where the server says that it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// Within how many days that is, once it is so near that a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_within: Option<u16>,
    /// Whether there is an ID token.
    #[serde(default)]
    pub id_token: bool,
    /// When it was signed in.
    pub signed_in_at: Timestamp,
    /// When the access token was last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Timestamp>,
    /// When a program last asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// When the agent will refresh it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_at: Option<Timestamp>,
    /// False while the disk refuses to keep its newest state, and in a vault of memory only.
    pub persisted: bool,
    /// A refresh was sent and its answer never came: the same token is being tried again.
    #[serde(default)]
    pub answer_lost: bool,
    /// Where it was imported from, if another program's login it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedFrom>,
    /// What is wrong, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What answers.
    #[serde(default, skip_serializing_if = "AuthMethod::is_usual")]
    pub method: AuthMethod,
    /// Where the API key answers because the login can't: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_since: Option<Timestamp>,
    /// Why the login can't, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    /// The account's API key, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyStatus>,
}

/// What may be told of an API key: nothing of the key itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyStatus {
    /// The first eight hexadecimal digits of its SHA-256.
    pub fingerprint: String,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When it ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Within how many days that is, once it is so near that a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_within: Option<u16>,
    /// When a program last got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// False in a vault of memory only.
    pub persisted: bool,
    /// What is wrong with it, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Why an account's refresh fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of error that a caller would get.
    #[serde(default)]
    pub kind: ErrorKind,
    /// One line for people.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// The states of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// No login.
    SignedOut,
    /// A login is under way.
    Authorizing,
    /// Tokens can be had.
    SignedIn,
    /// The grant is dead: a person has to log in again.
    ReauthorizationRequired,
    /// A state that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// `account.default`: sets the default account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetDefault {
    /// The account.
    pub account: String,
}

impl Method for SetDefault {
    const NAME: &'static str = "account.default";
    type Answer = Done;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// `account.trust`: a person says that a project's file may name an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustProject {
    /// The file's absolute path.
    pub file: String,
    /// The account it names.
    pub account: String,
}

impl Method for TrustProject {
    const NAME: &'static str = "account.trust";
    type Answer = Done;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// `account.rename`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenameAccount {
    /// Its name now.
    pub account: String,
    /// Its new label (`work`) or whole name (`anthropic/work`); the provider stays.
    pub to: String,
}

impl Method for RenameAccount {
    const NAME: &'static str = "account.rename";
    type Answer = Done;
}

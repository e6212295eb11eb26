//! `token.*`: asking for a token, reporting a refused one, refreshing by hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::variable::Variables;
use super::{Method, Repeated};
use crate::clock::Timestamp;
use crate::secret::{self, Secret};
use crate::token::TokenKind;

/// `token.get`: a token that is fresh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GetToken {
    /// `provider` or `provider/label`; without it, the default account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// In the place of `account`: the URL that the token is wanted for; the answer names the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Beside `target`: where no account answers for that, a password that is kept for this URL does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_password_for: Option<String>,
    /// The account a project's `.cred-helper.toml` names, used if `account` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectAccount>,
    /// Access or ID token.
    #[serde(default)]
    pub token_type: TokenKind,
    /// The audience or resource (RFC 8707) it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The scopes it has to have, where fewer than the login's are wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Seconds it must remain valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_validity: Option<u64>,
    /// Seconds the caller waits; the agent answers by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Seconds in which another attempt is made where one fails, as without a network; until `deadline` if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_for: Option<u64>,
    /// The program behind the caller asks again only where a server refused its token: then that may be renewed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_again_when_refused: bool,
}

/// What a `.cred-helper.toml` says, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectAccount {
    /// The file's absolute path.
    pub file: String,
    /// The account it names.
    pub account: String,
}

impl Method for GetToken {
    const NAME: &'static str = "token.get";
    type Answer = Token;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// A token, and what a caller may need beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Token {
    /// The account it belongs to.
    pub account: String,
    /// The token itself.
    #[serde(serialize_with = "secret::exposed")]
    pub token: Secret,
    /// Access or ID token.
    pub kind: TokenKind,
    /// How it is presented: `Bearer`.
    pub token_type: String,
    /// OAuth login or API key.
    pub method: AuthMethod,
    /// Where it came from, for people: `login`, `api key`, `environment variable NAME`.
    pub source: String,
    /// With an API key that answers because the login can't: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_since: Option<Timestamp>,
    /// Why the login can't, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    /// When it ends; `None` if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The scopes it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// The header that carries the token as it is, where that is not `Authorization` with the token's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_header: Option<String>,
    /// The headers that the provider's API wants beside the one with the token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The API's host, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_host: Option<String>,
    /// The URL that the API is asked at, where the server says so with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// Who signed in, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// False if nothing better than `min_validity` asks for could be had.
    pub min_validity_met: bool,
    /// False while the disk refuses to keep the login's newest state.
    pub persisted: bool,
    /// Something the person ought to know, in one line; shown on stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The caller's environment variables that outrank this answer, best first. Only their names travel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The same with what they hold, and those that hold a refresh token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variables>,
    /// With a `target`: what a helper protocol makes of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_target: Option<ForTarget>,
}

/// What goes with a token for a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForTarget {
    /// The user name beside which the target takes the token for a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Scheme, host and port, where the same account answers for whatever is asked there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// By what the agent knows the token again: for [`RejectToken`], where the token itself is no longer at hand. Empty
    /// with a password.
    pub fingerprint: String,
    /// Whether it was there already, so that a server may have refused it since.
    #[serde(default)]
    pub cached: bool,
    /// Of a password: whether it is kept for the very URL, and not for a shorter one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
}

/// How a credential was obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// An OAuth login.
    #[default]
    Oauth,
    /// A stored API key.
    ApiKey,
    /// A password that is kept for a URL, and belongs to no account.
    Password,
    /// One that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl AuthMethod {
    /// Whether it is what answers nearly always.
    pub(super) fn is_usual(&self) -> bool {
        *self == AuthMethod::Oauth
    }
}

/// `token.reject`: a server refused this token.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RejectToken {
    /// The account; without it, whichever account handed that token out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The refused token.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub token: Option<Secret>,
    /// In its place, the fingerprint that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The URL that it was shown to: if it is a password that is kept for that, it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_for: Option<String>,
    /// The server answered 403 and said nothing of the token: perhaps it is the account that may not. No API key answers
    /// because of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbidden: bool,
}

impl Method for RejectToken {
    const NAME: &'static str = "token.reject";
    type Answer = Rejection;
}

/// What came of a reported token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// The account it belonged to, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the agent did.
    pub outcome: RejectOutcome,
}

/// What the agent did with a reported token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectOutcome {
    /// A new token is there.
    Refreshed,
    /// It had been replaced already; ask again.
    AlreadyReplaced,
    /// The account's API key answers from now on; ask again.
    ApiKey,
    /// It was a password, which is forgotten.
    PasswordForgotten,
    /// No account knows that token.
    UnknownToken,
    /// An outcome that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// `token.refresh`: refresh now, however fresh the token is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Method for RefreshToken {
    const NAME: &'static str = "token.refresh";
    type Answer = Refreshed;
}

/// What a refresh brought; the token itself is for `token.get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The account.
    pub account: String,
    /// When the new access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether the refresh token was replaced too.
    pub rotated: bool,
    /// False while the disk refuses to keep it.
    pub persisted: bool,
}

//! What a provider's TOML says of the ways to a token that are not a person's login, and of what comes after one.
//!
//! These are facts and places, never secrets: an assertion stands in a file that is read anew at each exchange, or is
//! another account's token.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::schema::ErrorRule;
use crate::token::TokenKind;

/// How tokens are obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A person signs in: by authorization code, or where there is no browser by device authorization.
    #[default]
    AuthorizationCode,
    /// The client itself (RFC 6749 section 4.4).
    ClientCredentials,
    /// A JWT that somebody else issued (RFC 7523 section 2.1).
    JwtBearer,
    /// A token that somebody else issued (RFC 8693).
    TokenExchange,
}

impl GrantType {
    /// Whether a person signs in. Without one, the same exchange makes the login and renews it.
    pub fn needs_person(self) -> bool {
        self == GrantType::AuthorizationCode
    }

    /// Whether the server has to know the client: an assertion may say enough (RFC 7521 section 4.1, RFC 8693 section 2.1).
    pub fn needs_client(self) -> bool {
        matches!(self, GrantType::AuthorizationCode | GrantType::ClientCredentials)
    }

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            GrantType::AuthorizationCode => "authorization_code",
            GrantType::ClientCredentials => "client_credentials",
            GrantType::JwtBearer => "jwt_bearer",
            GrantType::TokenExchange => "token_exchange",
        }
    }
}

/// Where an assertion or a subject token comes from: a file, or another account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSource {
    /// A file with the token and nothing else, read at each exchange: a mounted service account's, a CI job's.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// One of this agent's accounts.
    #[serde(default)]
    pub account: Option<String>,
    /// Which of its tokens: for an assertion the ID token if nothing is said, for a subject the access token.
    #[serde(default)]
    pub token: Option<TokenKind>,
    /// The audience or resource to ask that account's server for, with its access token.
    #[serde(default)]
    pub audience: Option<String>,
    /// What the token is called in a token exchange (RFC 8693 section 3); without it, what fits its kind.
    #[serde(default)]
    pub token_type: Option<String>,
}

impl TokenSource {
    /// Whether it names exactly one place, and a file wholly.
    pub(super) fn is_one_place(&self) -> bool {
        match (&self.file, &self.account) {
            (Some(file), None) => file.is_absolute() && self.token.is_none() && self.audience.is_none(),
            (None, Some(account)) => account.parse::<crate::account::AccountName>().is_ok(),
            _ => false,
        }
    }
}

/// A request with the login's token that brings the short-lived token which the API takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondStep {
    /// Where it goes. Like `token` it is needed; a table over a preset may leave either to that.
    #[serde(default)]
    pub url: String,
    /// How.
    #[serde(default)]
    pub method: Method,
    /// The scheme before the login's token in `Authorization`.
    #[serde(default = "bearer")]
    pub scheme: String,
    /// Headers beside the usual ones.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where the answer has the token: a JSON pointer (RFC 6901), like the following.
    #[serde(default)]
    pub token: String,
    /// When it ends, in seconds since 1970 or as RFC 3339 writes it.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// In how many seconds it ends.
    #[serde(default)]
    pub expires_in: Option<String>,
    /// In how many seconds the server wants it to be fetched anew.
    #[serde(default)]
    pub refresh_in: Option<String>,
    /// The URL that the API is asked at.
    #[serde(default)]
    pub api_base: Option<String>,
    /// What this endpoint's errors mean, where 401 and 403 are not just a refusal.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
}

/// A device login that is not RFC 8628's: it is asked as JSON, and ends in an authorization code which the token endpoint
/// takes. The server makes the code verifier, too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceStep {
    /// The page where the person types the code. Like the next four it is needed; a table over a preset may leave them to
    /// that.
    #[serde(default)]
    pub page: String,
    /// Where it is asked whether the person has signed in.
    #[serde(default)]
    pub poll_endpoint: String,
    /// What the identifier of the login is called, in the first answer and in each question.
    #[serde(default)]
    pub identifier: String,
    /// The redirect that the code is made for.
    #[serde(default)]
    pub redirect_uri: String,
    /// The statuses that say: not yet.
    #[serde(default)]
    pub pending: Vec<u16>,
    /// How long the user code lasts where the server doesn't say.
    #[serde(default = "fifteen_minutes", deserialize_with = "super::schema::duration")]
    pub lifetime: Duration,
}

/// A revocation that is not RFC 7009's: the access token is named in a JSON object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationStep {
    /// How it is asked.
    #[serde(default)]
    pub method: RevocationMethod,
    /// What the object calls the token.
    #[serde(default = "access_token")]
    pub token: String,
    /// Whether the client shows its secret, by Basic; without one, nothing is asked.
    #[serde(default)]
    pub needs_secret: bool,
}

/// How a revocation is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RevocationMethod {
    /// As RFC 7009 has it.
    #[default]
    #[serde(rename = "POST")]
    Post,
    /// The token as a resource.
    #[serde(rename = "DELETE")]
    Delete,
}

/// What makes a login end in an API key, which is all that is kept of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStep {
    /// Where the login's token makes a key; without it, the token endpoint gives one for the code.
    #[serde(default)]
    pub url: Option<String>,
    /// Headers beside the usual ones of the request to `url`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where the answer has the key: a JSON pointer (RFC 6901). It is needed; a table over a preset may leave it to that.
    #[serde(default)]
    pub pointer: String,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Method {
    /// Without a body.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// With an empty body.
    #[serde(rename = "POST")]
    Post,
}

fn fifteen_minutes() -> Duration {
    Duration::from_secs(900)
}

fn access_token() -> String {
    "access_token".to_owned()
}

fn bearer() -> String {
    "Bearer".to_owned()
}

//! What a provider's API wants of its callers, and the environment variables that they use with it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Environment variables, best first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variables {
    /// Those that hold an OAuth access token.
    #[serde(default)]
    pub oauth_token: Vec<String>,
    /// Those that hold an API key.
    #[serde(default)]
    pub api_key: Vec<String>,
    /// Those that say when the OAuth access token ends.
    #[serde(default)]
    pub expires_at: Vec<String>,
    /// Those that hold a refresh token, which is never redeemed where it stands.
    #[serde(default)]
    pub refresh_token: Vec<String>,
}

/// The provider's API.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its host.
    #[serde(default)]
    pub host: Option<String>,
    /// The headers it wants beside `Authorization` with a login's token.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The header that carries an API key, where that is not `Authorization: Bearer`.
    #[serde(default)]
    pub key_header: Option<String>,
    /// The headers it wants beside an API key.
    #[serde(default)]
    pub key_headers: BTreeMap<String, String>,
}

//! The caller's environment variables that may answer in the agent's place. Only their names travel: the caller looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Variables that hold the same kind of thing, best first. In a list of several, the first group is the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variables {
    /// What is in them.
    pub holds: Holds,
    /// Their names.
    pub names: Vec<String>,
    /// Those that say when it ends: seconds or milliseconds since 1970, or RFC 3339.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expires_at: Vec<String>,
    /// The headers that the provider's API wants beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The header that carries it, where that is not `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_header: Option<String>,
    /// The API's host, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_host: Option<String>,
}

/// What a variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// An OAuth access token.
    AccessToken,
    /// An API key.
    ApiKey,
    /// A refresh token, which is no answer and never redeemed where it stands: only to be told of.
    RefreshToken,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

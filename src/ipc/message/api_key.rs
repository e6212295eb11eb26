//! `api_key.*`: keys that a provider's console gives, kept beside the logins and answering where those can't.

use serde::{Deserialize, Serialize};

use super::Method;
use crate::clock::Timestamp;
use crate::secret::{self, Secret};

/// `api_key.set`: keeps a key, in the place of the one that the account had.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetApiKey {
    /// The account: `provider` or `provider/label`. It need not have a login.
    pub account: String,
    /// The key.
    #[serde(serialize_with = "secret::exposed")]
    pub key: Secret,
    /// When it ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether a person is there, whom a keyring may ask.
    #[serde(default)]
    pub interactive: bool,
}

impl Method for SetApiKey {
    const NAME: &'static str = "api_key.set";
    type Answer = ApiKeySet;
}

/// A key that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKeySet {
    /// The account it is kept for.
    pub account: String,
    /// Whether it took the place of another one.
    pub replaced: bool,
    /// Whether the account has a login, too, which answers first unless the configuration says otherwise.
    pub login: bool,
    /// False in a vault of memory only.
    pub persisted: bool,
}

/// `api_key.remove`: forgets a key. At the provider it goes on working.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemoveApiKey {
    /// The account.
    pub account: String,
}

impl Method for RemoveApiKey {
    const NAME: &'static str = "api_key.remove";
    type Answer = ApiKeyRemoved;
}

/// A key that is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRemoved {
    /// The account whose it was.
    pub account: String,
    /// Whether the account has a login, too, which stays.
    pub login: bool,
}

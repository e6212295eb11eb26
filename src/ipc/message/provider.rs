//! `provider.*`: the authorization servers the agent knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agent::Checks;
use super::login::Notice;
use super::{Method, Repeated};

/// `provider.list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListProviders {}

impl Method for ListProviders {
    const NAME: &'static str = "provider.list";
    type Answer = Providers;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// Presets and the user's own, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Providers {
    /// The providers.
    pub providers: Vec<ProviderSummary>,
}

/// `provider.show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowProvider {
    /// The provider's name.
    pub provider: String,
}

impl Method for ShowProvider {
    const NAME: &'static str = "provider.show";
    type Answer = ProviderSummary;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// `provider.check`: the way to a provider's server, walked by the agent as its requests go; no credential is sent on it but
/// the proxy's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckProvider {
    /// A provider, an account, or an issuer's URL.
    pub provider: String,
}

impl Method for CheckProvider {
    const NAME: &'static str = "provider.check";
    /// In the order of the way; it ends at what fails.
    type Answer = Checks;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// What may be told of a provider; no client secret is among it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderSummary {
    /// Its name in account names.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// `preset`, `configuration`, or `login` (an issuer that was signed in to by URL).
    pub origin: String,
    /// The preset that it completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What a login may say of it, and what stands for that if it doesn't; empty: it has to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The issuer, where discovery is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The authorization endpoint, where it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// The token endpoint, where it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The client identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether a login needs a client identifier that it has to be told; an older agent doesn't say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_client: bool,
    /// The scopes asked for.
    #[serde(default)]
    pub scope: Vec<String>,
    /// The ways to sign in: `browser`, `paste`, `device`, or the grant that needs no person.
    #[serde(default)]
    pub flows: Vec<String>,
    /// What the provider wants its users to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// How to get a client identifier, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// The environment variables that the provider's own programs read.
    #[serde(default, skip_serializing_if = "ProviderVariables::is_empty")]
    pub variables: ProviderVariables,
}

/// Names of environment variables, best first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProviderVariables {
    /// Those for an OAuth access token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oauth_token: Vec<String>,
    /// Those for an API key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_key: Vec<String>,
    /// Those that say when the access token ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expires_at: Vec<String>,
    /// Those for a refresh token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refresh_token: Vec<String>,
}

impl ProviderVariables {
    fn is_empty(&self) -> bool {
        let Self { oauth_token, api_key, expires_at, refresh_token } = self;
        [oauth_token, api_key, expires_at, refresh_token].iter().all(|names| names.is_empty())
    }
}

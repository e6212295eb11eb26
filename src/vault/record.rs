//! A login as it is kept: everything needed to renew it, to revoke it and to tell it from another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::secret::{self, Secret};
use crate::token::{ClientAuthentication, Identity, TokenSet};

/// A login. The three counters are never confused: `incarnation` counts logins, `rotation` refresh tokens, and the
/// record version (kept by the vault) counts writes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// The account's name.
    pub account: AccountName,
    /// Which login of the account this is: a random number, so that two are never the same.
    pub incarnation: u64,
    /// How many refresh tokens this login has had before this one.
    pub rotation: u64,
    /// Whether the provider is known by this login's issuer alone (`login https://issuer`).
    #[serde(default)]
    pub by_issuer: bool,
    /// The provider's own name, where the account is named after the host that it was signed in to.
    #[serde(default)]
    pub provider: Option<String>,
    /// What the login gave for the provider's open places, such as its host or tenant.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The issuer, where there is one.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where the grant was made, and is renewed.
    pub token_endpoint: String,
    /// Where it is revoked.
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// The client identifier it was made with.
    pub client_id: String,
    /// The client secret, where the caller gave one rather than the configuration.
    #[serde(default, serialize_with = "secret::exposed_option")]
    pub client_secret: Option<Secret>,
    /// How the client authenticates.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// The scopes that each exchange of a grant without a person asks for; what was granted is with the tokens.
    #[serde(default)]
    pub asked_scope: Vec<String>,
    /// The tokens.
    pub tokens: TokenSet,
    /// The refresh token before this one, for inspection, never for redeeming; gone once its successor has worked.
    #[serde(default, serialize_with = "secret::exposed_option")]
    pub previous_refresh: Option<Secret>,
    /// Who signed in.
    #[serde(default)]
    pub identity: Identity,
    /// When.
    pub signed_in_at: Timestamp,
    /// When it was last refreshed.
    #[serde(default)]
    pub refreshed_at: Option<Timestamp>,
    /// When a program last asked for it, as of the last write.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
    /// The server said that this grant is dead: what it said, and when.
    #[serde(default)]
    pub dead: Option<Dead>,
    /// Set when it is made the default account; the latest wins.
    #[serde(default)]
    pub default_since: Option<u64>,
}

/// The server's last word on a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// When it was said.
    pub at: Timestamp,
    /// One line for people, redacted.
    pub message: String,
}

impl Record {
    /// The provider's name: the account's, unless the account is named after its host.
    pub fn provider_name(&self) -> &str {
        self.provider.as_deref().unwrap_or(self.account.provider())
    }

    /// A second copy, to be changed and written; every field is named, so that a new one is not forgotten.
    pub fn duplicate(&self) -> Self {
        let Self {
            account,
            incarnation,
            rotation,
            by_issuer,
            provider,
            parameters,
            issuer,
            token_endpoint,
            revocation_endpoint,
            client_id,
            client_secret,
            client_authentication,
            asked_scope,
            tokens,
            previous_refresh,
            identity,
            signed_in_at,
            refreshed_at,
            used_at,
            dead,
            default_since,
        } = self;
        Self {
            account: account.clone(),
            incarnation: *incarnation,
            rotation: *rotation,
            by_issuer: *by_issuer,
            provider: provider.clone(),
            parameters: parameters.clone(),
            issuer: issuer.clone(),
            token_endpoint: token_endpoint.clone(),
            revocation_endpoint: revocation_endpoint.clone(),
            client_id: client_id.clone(),
            client_secret: client_secret.as_ref().map(Secret::duplicate),
            client_authentication: *client_authentication,
            asked_scope: asked_scope.clone(),
            tokens: tokens.duplicate(),
            previous_refresh: previous_refresh.as_ref().map(Secret::duplicate),
            identity: identity.clone(),
            signed_in_at: *signed_in_at,
            refreshed_at: *refreshed_at,
            used_at: *used_at,
            dead: dead.clone(),
            default_since: *default_since,
        }
    }
}

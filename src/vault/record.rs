//! A login as it is kept: everything needed to renew it, to revoke it and to tell it from another. An API key is kept the
//! same way, in a record of its own, so that nothing that happens to the login touches it; and so is a password that belongs
//! to no account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::AccountName;
use crate::clock::{Moment, Timestamp};
use crate::ipc::message::import::ImportedFrom;
use crate::secret::{self, Secret};
use crate::token::{ClientAuthentication, Identity, TokenSet};

/// What a record is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A login.
    #[default]
    Login,
    /// An API key, in the place of the access token; what else makes a login is empty.
    ApiKey,
    /// A password for a place, in the place of the access token; it belongs to no account.
    Password,
}

/// What a password is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The URL; what is below is meant, too.
    pub url: String,
    /// The user whose it is.
    pub username: String,
    /// Which was stored after which: one more than the last of them all. Of a place's several users the latest answers.
    #[serde(default)]
    pub turn: u64,
}

/// A login. The three counters are never confused: `incarnation` counts logins, `rotation` refresh tokens, and the
/// record version (kept by the vault) counts writes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// The account's name; it may have one record of each kind.
    pub account: AccountName,
    /// What it is of.
    #[serde(default)]
    pub kind: RecordKind,
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
    /// What a person has been told of it.
    #[serde(default)]
    pub told: Told,
    /// Servers refuse this login's tokens, and the account's API key answers.
    #[serde(default)]
    pub fallback: Option<Fallback>,
    /// Where it was imported from, where no login here made it.
    #[serde(default)]
    pub imported: Option<ImportedFrom>,
    /// Set when it is made the default account; the latest wins.
    #[serde(default)]
    pub default_since: Option<u64>,
    /// Of a password: what it is for.
    #[serde(default)]
    pub place: Option<Place>,
}

/// Why the account's API key answers in the place of its login.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// Since when.
    pub since: Timestamp,
    /// One line for people.
    pub reason: String,
}

/// The server's last word on a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// When it was said.
    pub at: Timestamp,
    /// One line for people, redacted.
    pub message: String,
}

/// What a notification has said, so that none says it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// That the grant is dead.
    pub death: bool,
    /// That it ends within so many days.
    pub ends_within: Option<u16>,
}

impl Record {
    /// The provider's name: the account's, unless the account is named after its host.
    pub fn provider_name(&self) -> &str {
        self.provider.as_deref().unwrap_or(self.account.provider())
    }

    /// A new login, of which nothing is known but whose it is and what came.
    pub fn login(account: AccountName, incarnation: u64, tokens: TokenSet, now: Timestamp) -> Self {
        Self {
            account,
            kind: RecordKind::Login,
            incarnation,
            rotation: 0,
            by_issuer: false,
            provider: None,
            parameters: BTreeMap::new(),
            issuer: None,
            token_endpoint: String::new(),
            revocation_endpoint: None,
            client_id: String::new(),
            client_secret: None,
            client_authentication: ClientAuthentication::None,
            asked_scope: Vec::new(),
            tokens,
            previous_refresh: None,
            identity: Identity::default(),
            signed_in_at: now,
            refreshed_at: None,
            used_at: None,
            dead: None,
            told: Told::default(),
            fallback: None,
            imported: None,
            default_since: None,
            place: None,
        }
    }

    /// An API key.
    pub fn api_key(
        account: AccountName,
        incarnation: u64,
        key: Secret,
        expires_at: Option<Timestamp>,
        now: Moment,
    ) -> Self {
        let tokens = alone(key, "Bearer", expires_at, now);
        Self { kind: RecordKind::ApiKey, ..Self::login(account, incarnation, tokens, now.wall) }
    }

    /// A password.
    pub fn password(
        place: Place,
        incarnation: u64,
        password: Secret,
        expires_at: Option<Timestamp>,
        now: Moment,
    ) -> Self {
        let tokens = alone(password, "Basic", expires_at, now);
        let empty = Self::login(AccountName::nobody(), incarnation, tokens, now.wall);
        Self { kind: RecordKind::Password, place: Some(place), ..empty }
    }

    /// Whether it is an API key.
    pub fn is_api_key(&self) -> bool {
        self.kind == RecordKind::ApiKey
    }

    /// Where another program's login is, that is only read here.
    pub fn read_only(&self) -> Option<&ImportedFrom> {
        self.imported.as_ref().filter(|imported| !imported.owned)
    }

    /// A second copy, to be changed and written; every field is named, so that a new one is not forgotten.
    pub fn duplicate(&self) -> Self {
        let Self {
            account,
            kind,
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
            told,
            fallback,
            imported,
            default_since,
            place,
        } = self;
        Self {
            account: account.clone(),
            kind: *kind,
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
            told: *told,
            fallback: fallback.clone(),
            imported: imported.clone(),
            default_since: *default_since,
            place: place.clone(),
        }
    }
}

/// What is no login's, as tokens.
fn alone(secret: Secret, token_type: &str, expires_at: Option<Timestamp>, now: Moment) -> TokenSet {
    TokenSet {
        access: secret,
        refresh: None,
        refresh_end: None,
        id: None,
        token_type: token_type.to_owned(),
        expires_at,
        id_expires_at: None,
        obtained_at: now.wall,
        obtained_boot: now.boot,
        scope: Vec::new(),
    }
}

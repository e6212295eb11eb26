//! Tokens as this program knows them, whoever issued them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{BootTime, Moment, Timestamp};
use crate::secret::{self, Secret};

/// Which token of a login is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// What APIs take (RFC 6749 section 1.4).
    #[default]
    Access,
    /// Who signed in, as a JWT (OpenID Connect Core section 2).
    Id,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenKind::Access => "access",
            TokenKind::Id => "id",
        })
    }
}

impl FromStr for TokenKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "access" => Ok(TokenKind::Access),
            "id" => Ok(TokenKind::Id),
            _ => Err("`access` or `id`"),
        }
    }
}

/// What a token endpoint answered (RFC 6749 section 5.1), with its times made absolute.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenSet {
    /// The access token.
    #[serde(serialize_with = "secret::exposed")]
    pub access: Secret,
    /// The refresh token, where one came.
    #[serde(default, serialize_with = "secret::exposed_option")]
    pub refresh: Option<Secret>,
    /// When the refresh token ends, where the server says that it does.
    #[serde(default)]
    pub refresh_end: Option<RefreshEnd>,
    /// The ID token, where one came.
    #[serde(default, serialize_with = "secret::exposed_option")]
    pub id: Option<Secret>,
    /// `Bearer`, nearly always.
    pub token_type: String,
    /// When the access token ends, by the wall clock as it was when the answer came; `None` if the server doesn't say.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When the ID token ends, by the same clock: its `exp` is by the server's.
    #[serde(default)]
    pub id_expires_at: Option<Timestamp>,
    /// When the answer came.
    pub obtained_at: Timestamp,
    /// What the boot clock said then.
    #[serde(default)]
    pub obtained_boot: Option<BootTime>,
    /// The scopes granted, sorted; as asked where the server doesn't say (RFC 6749 section 5.1).
    #[serde(default)]
    pub scope: Vec<String>,
}

impl TokenSet {
    /// When the answer came, by both clocks.
    pub fn obtained(&self) -> Moment {
        Moment { wall: self.obtained_at, boot: self.obtained_boot }
    }

    /// A second copy; every field is named, so that a new one is not forgotten.
    pub fn duplicate(&self) -> Self {
        let Self {
            access,
            refresh,
            refresh_end,
            id,
            token_type,
            expires_at,
            id_expires_at,
            obtained_at,
            obtained_boot,
            scope,
        } = self;
        Self {
            access: access.duplicate(),
            refresh: refresh.as_ref().map(Secret::duplicate),
            refresh_end: *refresh_end,
            id: id.as_ref().map(Secret::duplicate),
            token_type: token_type.clone(),
            expires_at: *expires_at,
            id_expires_at: *id_expires_at,
            obtained_at: *obtained_at,
            obtained_boot: *obtained_boot,
            scope: scope.clone(),
        }
    }
}

/// When a refresh token ends, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshEnd {
    /// The moment.
    pub at: Timestamp,
    /// The longest, in seconds, that a refresh token of this login had to live when it came: some servers give each one a
    /// lifetime of its own, others all of them one end.
    pub lifetime: u64,
}

impl RefreshEnd {
    /// So many seconds from now.
    pub fn after(seconds: u64, now: Timestamp) -> Self {
        Self { at: now + Duration::from_secs(seconds), lifetime: seconds }
    }

    /// The end of the token that comes after one with this end.
    pub fn following(self, before: Option<Self>) -> Self {
        Self { lifetime: before.map_or(0, |before| before.lifetime).max(self.lifetime), ..self }
    }
}

/// RFC 7591 section 2, `token_endpoint_auth_method`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A public client.
    #[default]
    None,
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt` (OpenID Connect Core section 9, RFC 7523 section 2.2).
    PrivateKeyJwt,
}

/// Whose login it is, as the server told it (ID token, userinfo or the token answer itself).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The subject identifier: what tells one person from another at one issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The organization or workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

impl Identity {
    /// The best short name for a person to recognise it by.
    pub fn display(&self) -> Option<&str> {
        self.email.as_deref().or(self.name.as_deref()).or(self.subject.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_share_one_end_have_the_life_of_the_first() {
        let first = RefreshEnd::after(90, Timestamp(1000));
        let next = RefreshEnd::after(20, Timestamp(1070)).following(Some(first));
        assert_eq!(next, RefreshEnd { at: first.at, lifetime: 90 });
        assert_eq!(RefreshEnd::after(20, Timestamp(5)).following(None), RefreshEnd { at: Timestamp(25), lifetime: 20 });
    }
}

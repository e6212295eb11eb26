//! What a provider's TOML says of the client: how it is registered there, and how it shows that it is the one.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// The client registration (RFC 6749 section 2).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The client identifier.
    #[serde(default)]
    pub id: Option<String>,
    /// The client secret; a native app's is no secret (RFC 8252 section 8.5), but some servers ask for it.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// How the client authenticates at the token endpoint; without it, `basic` if there is a secret, else `none`.
    #[serde(default)]
    pub authentication: Option<ClientAuthentication>,
    /// The private key of `private_key_jwt`: a PEM file.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// That key's name at the server (`kid`).
    #[serde(default)]
    pub key_id: Option<String>,
    /// The audience of its assertions; without it, the issuer where one is known, else the token endpoint.
    #[serde(default)]
    pub assertion_audience: Option<String>,
}

//! What the server is told when it starts: its clients, its user, how long tokens last and what it does with refresh
//! tokens. The defaults are a strict server with one public client, as RFC 9700 recommends.

use std::time::Duration;

use serde_json::{Map, Value};

use super::keys::{PublicKey, TrustedIssuer};
use crate::token::ClientAuthentication;

/// The public client of [`Options::default`].
pub const DEFAULT_CLIENT: &str = "demo-native";

/// How the server behaves all its life.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long an access token (and an ID token) lasts.
    pub access_token_lifetime: Duration,
    /// What happens to a refresh token that was used.
    pub rotation: RotationMode,
    /// How long every token request takes, before anything is looked at.
    pub token_delay: Duration,
    /// Who may ask.
    pub clients: Vec<RegisteredClient>,
    /// Which bodies the token endpoint reads.
    pub bodies: Bodies,
    /// Whether the redirect carries `iss` (RFC 9207) and the metadata promises it.
    pub send_iss: bool,
    /// Whether the authorization endpoint redirects at once, as the signed-in user, without a consent page.
    pub auto_approve: bool,
    /// The device authorization grant.
    pub device: DeviceOptions,
    /// Who is signed in.
    pub user: User,
    /// Scheme and host by which it is known, where something stands before it; by default its own.
    pub public_origin: Option<String>,
    /// A path behind the issuer's host, such as `/tenant`.
    pub issuer_path: String,
    /// Which metadata documents exist.
    pub metadata: Metadata,
    /// An issuer in the metadata that is not ours: an attack, or a broken proxy.
    pub claimed_issuer: Option<String>,
    /// The scopes there are; asking for another is `invalid_scope`. Empty: any.
    pub scopes: Vec<String>,
    /// Members that every token answer carries besides the standard's.
    pub token_answer_extra: Map<String, Value>,
    /// Whose assertions and subject tokens count.
    pub trusted: Vec<TrustedIssuer>,
    /// Parameters that come with each of those, and their values.
    pub required: Vec<(String, String)>,
    /// Whether an assertion alone is enough, without any client (RFC 7521 section 4.1).
    pub clientless: bool,
    /// How long a token of the second step lasts.
    pub second_token_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_secs(3600),
            rotation: RotationMode::Strict,
            token_delay: Duration::ZERO,
            clients: vec![RegisteredClient::public(DEFAULT_CLIENT)],
            bodies: Bodies::Both,
            send_iss: true,
            auto_approve: true,
            device: DeviceOptions::default(),
            user: User::default(),
            public_origin: None,
            issuer_path: String::new(),
            metadata: Metadata::Both,
            claimed_issuer: None,
            scopes: Vec::new(),
            token_answer_extra: Map::new(),
            trusted: Vec::new(),
            required: Vec::new(),
            clientless: false,
            second_token_lifetime: Duration::from_secs(1800),
        }
    }
}

/// What happens to a refresh token that was used (RFC 9700 section 4.14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationMode {
    /// It is replaced; sent again it revokes the whole family.
    Strict,
    /// It is replaced; sent again within this time it is answered once more, later it revokes the family.
    Grace(Duration),
    /// It goes on working, and no new one is sent.
    None,
}

/// A client registration (RFC 7591 section 2).
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// The client identifier.
    pub id: String,
    /// The client secret.
    pub secret: Option<String>,
    /// How it has to authenticate; any other way is refused.
    pub authentication: ClientAuthentication,
    /// Compared as text, but for `http` to a loopback address: there the port may be any (RFC 8252 section 7.3).
    pub redirect_uris: Vec<String>,
    /// The key of `private_key_jwt`.
    pub key: Option<PublicKey>,
}

impl RegisteredClient {
    /// A native app: no secret, a loopback redirect to `/callback`.
    pub fn public(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: None,
            authentication: ClientAuthentication::None,
            redirect_uris: ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("http://{host}/callback")).to_vec(),
            key: None,
        }
    }

    /// The same with a secret.
    pub fn confidential(id: &str, secret: &str, authentication: ClientAuthentication) -> Self {
        Self { secret: Some(secret.to_owned()), authentication, ..Self::public(id) }
    }

    /// The same with a key of its own, which signs who it is.
    pub fn with_key(id: &str, key: PublicKey) -> Self {
        Self { authentication: ClientAuthentication::PrivateKeyJwt, key: Some(key), ..Self::public(id) }
    }

    /// Whether the client registered this redirect URI.
    pub(super) fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered == uri || same_but_for_loopback_port(registered, uri))
    }
}

/// RFC 8252 section 7.3: "The authorization server MUST allow any port to be specified at the time of the request for
/// loopback IP redirect URIs".
fn same_but_for_loopback_port(registered: &str, asked: &str) -> bool {
    let (Ok(mut registered), Ok(mut asked)) = (url::Url::parse(registered), url::Url::parse(asked)) else {
        return false;
    };
    let loopback = |url: &url::Url| matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if registered.scheme() != "http" || !loopback(&registered) {
        return false;
    }
    registered.set_port(None).is_ok() && asked.set_port(None).is_ok() && registered == asked
}

/// Which bodies the token endpoint reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// `application/x-www-form-urlencoded` alone, as RFC 6749 says.
    Form,
    /// `application/json` alone, as some providers want.
    Json,
    /// Either.
    Both,
}

/// Which metadata documents exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// OpenID Connect Discovery and RFC 8414.
    Both,
    /// OpenID Connect Discovery alone.
    OpenId,
    /// RFC 8414 alone.
    OAuth,
    /// None.
    None,
}

/// The device authorization grant (RFC 8628).
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// The least time between two polls; the answer gives it in whole seconds, rounded up.
    pub interval: Duration,
    /// How long a device code lasts.
    pub lifetime: Duration,
    /// The poll at which the user has approved, counted from one; `None`: somebody has to.
    pub approve_at_poll: Option<usize>,
    /// How many polls are answered `slow_down`, whenever they come.
    pub slow_down_first: usize,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            lifetime: Duration::from_secs(600),
            approve_at_poll: None,
            slow_down_first: 0,
        }
    }
}

/// Somebody who is signed in at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The subject identifier.
    pub subject: String,
    /// The e-mail address.
    pub email: String,
    /// The name for people.
    pub name: String,
}

impl Default for User {
    fn default() -> Self {
        Self { subject: "user-1".to_owned(), email: "ada@example.com".to_owned(), name: "Ada Lovelace".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_redirect_may_change_its_port() {
        let mut client = RegisteredClient::public("c");
        client.redirect_uris.push("https://app.example/cb".to_owned());
        for uri in ["http://127.0.0.1:49152/callback", "http://[::1]:1/callback", "https://app.example/cb"] {
            assert!(client.allows_redirect(uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:1/callback?x=1",
            "https://127.0.0.1:1/callback",
            "http://127.0.0.2:1/callback",
            "https://app.example:444/cb",
            "https://app.example/cb/",
            "http://127.0.0.1:1@evil.example/callback",
            "x",
        ] {
            assert!(!client.allows_redirect(uri), "{uri}");
        }
    }
}

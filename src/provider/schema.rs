//! What a provider's TOML says: facts about one authorization server.
//!
//! `docs` for users are in cred-helper.toml(5); the field names are the RFCs' (RFC 8414 for endpoints).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub use super::api::{Api, Variables};
pub use super::client::Client;
pub use super::derived::Derived;
pub use super::grants::{
    DeviceStep, GrantType, KeyStep, Method, RevocationMethod, RevocationStep, SecondStep, TokenSource,
};
pub use super::target::ProviderTarget;

/// One authorization server and how to use it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The preset that it completes, field by field.
    #[serde(default)]
    pub preset: Option<String>,
    /// What stands in the places of the texts below that are left open, such as `{host}`. Empty: it has to be given.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Further places, whose values follow from the host.
    #[serde(default)]
    pub derived: BTreeMap<String, Vec<Derived>>,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// The issuer: endpoints that are not given below come from its metadata (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    pub issuer: Option<String>,
    /// Whether the issuer is asked for its metadata.
    #[serde(default = "yes")]
    pub discovery: bool,
    /// RFC 6749 section 3.1.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// RFC 6749 section 3.2.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// Token endpoints that are this provider's too: a grant made at one may be sent to the other.
    #[serde(default)]
    pub other_token_endpoints: Vec<String>,
    /// RFC 7009; with `revocation`, the client identifier stands for `{client_id}` in it.
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// How it is asked where it is not RFC 7009's.
    #[serde(default)]
    pub revocation: Option<RevocationStep>,
    /// Where a person ends a login at the provider, for one that has no revocation endpoint.
    #[serde(default)]
    pub revocation_page: Option<String>,
    /// RFC 8628 section 3.1.
    #[serde(default)]
    pub device_authorization_endpoint: Option<String>,
    /// How the device login goes where it is not RFC 8628's.
    #[serde(default)]
    pub device: Option<DeviceStep>,
    /// OpenID Connect Core section 5.3.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// The scopes asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How tokens are obtained.
    #[serde(default)]
    pub grant: GrantType,
    /// The assertion of `jwt_bearer`.
    #[serde(default)]
    pub assertion: Option<TokenSource>,
    /// The subject token of `token_exchange`.
    #[serde(default)]
    pub subject: Option<TokenSource>,
    /// What the login's token is shown for, where the API takes another one.
    #[serde(default)]
    pub second_step: Option<SecondStep>,
    /// What makes a login end in an API key.
    #[serde(default)]
    pub key: Option<KeyStep>,
    /// The client registration.
    #[serde(default)]
    pub client: Client,
    /// How the authorization server may send the person back.
    #[serde(default)]
    pub redirect: Redirect,
    /// The authorization request.
    #[serde(default)]
    pub authorization: Authorization,
    /// Token requests.
    #[serde(default)]
    pub token: Token,
    /// Refreshing.
    #[serde(default)]
    pub refresh: Refresh,
    /// What its tokens are for, where other programs name it by URL.
    #[serde(default)]
    pub targets: Vec<ProviderTarget>,
    /// What the token endpoint's errors mean, where it is not what RFC 6749 section 5.2 says; the first that fits counts.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// Where the token answer, the ID token or the userinfo say who signed in: JSON pointers (RFC 6901).
    #[serde(default)]
    pub identity: IdentityPointers,
    /// Environment variables that other programs of this provider use.
    #[serde(default)]
    pub variables: Variables,
    /// The provider's API.
    #[serde(default)]
    pub api: Api,
    /// What the provider wants its users to know before they sign in.
    #[serde(default)]
    pub notice: Option<Notice>,
    /// How to get a client identifier, where the user needs one of their own.
    #[serde(default)]
    pub registration: Option<String>,
}

/// How the authorization server may send the person back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Whether a redirect to this machine is registered (RFC 8252 section 7.3).
    #[serde(default = "yes")]
    pub loopback: bool,
    /// The host in it: `127.0.0.1`, `[::1]` or `localhost`.
    #[serde(default = "loopback_host")]
    pub host: String,
    /// The path in it.
    #[serde(default = "callback_path")]
    pub path: String,
    /// The ports that are registered; none: any port.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Whether any path will do, as for a native app's loopback redirect at some servers.
    #[serde(default)]
    pub any_path: bool,
    /// A page of the provider's that shows the code for pasting.
    #[serde(default)]
    pub page: Option<String>,
    /// Whether a code is exchanged only for a client that has a secret.
    #[serde(default)]
    pub needs_secret: bool,
}

/// The authorization request (RFC 6749 section 4.1.1).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// The redirect's parameter, where it isn't called `redirect_uri`.
    #[serde(default)]
    pub redirect_parameter: Option<String>,
    /// Whether redirect and code challenge are all that is sent: for servers that know no clients. The state is part of
    /// the redirect's path then.
    #[serde(default)]
    pub bare: bool,
    /// Parameters beside the standard's.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// Token requests (RFC 6749 sections 4.1.3 and 6).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// How the parameters are sent.
    #[serde(default)]
    pub body: Body,
    /// Whether the code exchange repeats `state`.
    #[serde(default)]
    pub send_state: bool,
    /// Parameters beside the standard's.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Names of parameters that the server wants and only the user knows: they have to be among `parameters`.
    #[serde(default)]
    pub required: Vec<String>,
    /// Headers beside the usual ones.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The parameter that `--audience` becomes.
    #[serde(default)]
    pub audience: AudienceParameter,
}

/// The parameter that an audience is asked for with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceParameter {
    /// `resource` (RFC 8707).
    #[default]
    Resource,
    /// `audience`.
    Audience,
}

impl AudienceParameter {
    /// The parameter's name.
    pub fn name(self) -> &'static str {
        match self {
            AudienceParameter::Resource => "resource",
            AudienceParameter::Audience => "audience",
        }
    }
}

/// A request body's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// `application/x-www-form-urlencoded`, as the RFC says.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// Refreshing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// What the server does with refresh tokens.
    #[serde(default)]
    pub rotation: Rotation,
    /// How long before its expiry a token is refreshed ahead; at most half its lifetime is used.
    #[serde(default = "five_minutes", deserialize_with = "duration")]
    pub margin: Duration,
    /// How the parameters of a refresh are sent, if not as those of other token requests.
    #[serde(default)]
    pub body: Option<Body>,
    /// How long a token lasts where the server doesn't say.
    #[serde(default = "one_hour", deserialize_with = "duration")]
    pub assumed_lifetime: Duration,
}

/// What a server does with refresh tokens (RFC 9700 section 4.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The same token goes on working.
    None,
    /// A replaced token works for a while longer.
    Grace,
    /// A replaced token that is sent again ends the login. Assumed where nothing is known.
    #[default]
    Strict,
}

/// One row of what a server's errors mean. A field that is left out fits everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The HTTP status.
    #[serde(default)]
    pub status: Option<u16>,
    /// The `error` in the answer.
    #[serde(default)]
    pub error: Option<String>,
    /// The `suberror`, `error_codes` entry or nested `error.code` in the answer.
    #[serde(default)]
    pub suberror: Option<String>,
    /// What it means.
    pub class: ErrorClass,
}

/// What an error of the token endpoint means, by what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Tried again by itself.
    Transient,
    /// The grant is gone: a person has to log in again.
    Dead,
    /// The person or a policy said no.
    Denied,
    /// The registration or the configuration is wrong.
    Misconfigured,
}

/// JSON pointers into what the provider says of a person.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPointers {
    /// The subject identifier.
    #[serde(default)]
    pub subject: Option<String>,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// The name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// The organization.
    #[serde(default)]
    pub organization: Option<String>,
}

/// What the provider wants its users to know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// One line.
    pub title: String,
    /// A few paragraphs.
    pub text: String,
    /// Where the provider says it.
    #[serde(default)]
    pub url: Option<String>,
    /// The ways that the provider sanctions.
    #[serde(default)]
    pub alternatives: Vec<String>,
}

impl Provider {
    /// The parameters that nothing has been given for.
    pub fn missing_parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.as_str())
    }

    /// A provider that is known by its issuer alone.
    pub fn from_issuer(issuer: &str) -> Self {
        let text = format!("issuer = {}", toml::Value::String(issuer.to_owned()));
        // Every other field has its default: a text with one string cannot fail to parse.
        let mut provider: Provider = toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"));
        provider.title = crate::redact::url(issuer);
        provider
    }
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            loopback: true,
            host: loopback_host(),
            path: callback_path(),
            ports: Vec::new(),
            any_path: false,
            page: None,
            needs_secret: false,
        }
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self { rotation: Rotation::default(), margin: five_minutes(), body: None, assumed_lifetime: one_hour() }
    }
}

fn yes() -> bool {
    true
}

fn loopback_host() -> String {
    "127.0.0.1".to_owned()
}

fn callback_path() -> String {
    "/callback".to_owned()
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// A duration as people write it: `5m`, `1h 30m`, `90s`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| serde::de::Error::custom("a duration such as `5m` or `1h 30m` is needed here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_enough() {
        let provider = Provider::from_issuer("https://issuer.example/tenant");
        assert_eq!(provider.check(), Ok(()));
        assert!(provider.redirect.loopback);
        assert_eq!(provider.refresh.margin, Duration::from_secs(300));
    }
}

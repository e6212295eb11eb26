//! How tokens are obtained and renewed at one authorization server: one file per grant, on top of `oauth`.
//!
//! Everything here is one conversation with one server. It remembers nothing: whatever must be kept is in the answers,
//! and what to do about a failure is decided in `agent`.

mod authorization_code;
mod callbacks;
mod client;
mod client_credentials;
mod device_code;
mod endpoints;
mod exchange;
mod failure;
mod identity;
mod jwt_bearer;
mod key;
mod login;
mod loopback;
mod page;
mod refresh_token;
mod revoke;
mod second_step;
pub(crate) mod sockets;
mod token_endpoint;
mod token_exchange;
mod unattended;
mod web_identity;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Timestamp;
use crate::ipc::message::login::{Flow, Stage};
use crate::provider::Provider;
use crate::provider::schema::ErrorClass;
use crate::secret::Secret;
use crate::token::{Identity, TokenSet};

pub use callbacks::Callbacks;
pub use client::{Client, SigningKey};
pub use endpoints::endpoints;
pub use login::log_in;
pub use refresh_token::refresh;
pub use revoke::revoke;
pub use second_step::{StepRefused, Stepped, second_step};
pub use token_endpoint::is_token_endpoint;
pub use unattended::obtain;
pub use web_identity::{NotAssumed, WebIdentity, assume_role};

/// A server's endpoints, fixed by the provider's TOML or discovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The issuer, where there is one.
    pub issuer: Option<String>,
    /// RFC 6749 section 3.1.
    pub authorization: Option<String>,
    /// RFC 6749 section 3.2.
    pub token: String,
    /// RFC 7009.
    pub revocation: Option<String>,
    /// RFC 8628 section 3.1.
    pub device_authorization: Option<String>,
    /// OpenID Connect Core section 5.3.
    pub userinfo: Option<String>,
    /// Whether the server promises `iss` on the redirect (RFC 9207 section 3): then its absence is an attack.
    pub iss_parameter: bool,
}

/// Why a conversation failed, classed by what is done next.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What is done next.
    pub class: ErrorClass,
    /// One line for people: the server's words, redacted, or the network's fault. Never a secret.
    pub message: String,
    /// How long the server asks to wait (Retry-After).
    pub retry_after: Option<Duration>,
    /// The request may have reached the server, and its answer did not come whole: it may have rotated.
    pub answer_lost: bool,
    /// No server was reached.
    pub unsent: bool,
    /// The server said `invalid_grant`, whatever that is classed as: for a young token it is asked once more.
    pub invalid_grant: bool,
}

/// One refresh (RFC 6749 section 6).
#[derive(Debug)]
pub struct RefreshRequest<'a> {
    /// The provider: body format, parameters, error classes.
    pub provider: &'a Provider,
    /// Where it goes.
    pub token_endpoint: &'a str,
    /// Who asks.
    pub client: &'a Client,
    /// The refresh token.
    pub refresh_token: &'a Secret,
    /// Scopes to narrow to; empty: as granted.
    pub scope: &'a [String],
    /// The audience or resource.
    pub audience: Option<&'a str>,
    /// The issuer an ID token has to name, where one is known.
    pub issuer: Option<&'a str>,
}

/// One exchange of a grant that needs no person: the same at the login and at each renewal.
#[derive(Debug)]
pub struct GrantRequest<'a> {
    /// The provider: which grant it is, body format, parameters, error classes.
    pub provider: &'a Provider,
    /// Where it goes.
    pub token_endpoint: &'a str,
    /// Who asks.
    pub client: &'a Client,
    /// The assertion or the subject token, for a grant that has one.
    pub source: Option<&'a Secret>,
    /// The scopes asked for.
    pub scope: &'a [String],
    /// The audience or resource.
    pub audience: Option<&'a str>,
    /// The issuer an ID token has to name, where one is known.
    pub issuer: Option<&'a str>,
}

/// Which token is revoked (RFC 7009 section 2.1, `token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHint {
    /// The refresh token, and with it, at nearly every server, the whole grant.
    Refresh,
    /// An access token.
    Access,
}

/// What the token endpoint granted.
#[derive(Debug)]
pub struct Granted {
    /// The tokens.
    pub tokens: TokenSet,
    /// Who signed in, as far as the answers say.
    pub identity: Identity,
}

/// One login.
#[derive(Debug)]
pub struct LoginRequest {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The account's name, for the page in the browser.
    pub account: String,
    /// Who asks.
    pub client: Client,
    /// The assertion or the subject token, for a grant that has one.
    pub source: Option<Secret>,
    /// The scopes asked for.
    pub scope: Vec<String>,
    /// How to sign in.
    pub flow: Flow,
    /// Whether a browser can be shown to the person on this machine.
    pub browser: bool,
    /// The loopback redirect's port, where the caller fixes one.
    pub redirect_port: Option<u16>,
    /// Where redirects arrive without a listener of the login's own, at providers that take any.
    pub callbacks: Option<Arc<Callbacks>>,
    /// How long the person has.
    pub time_limit: Duration,
}

/// The person's side of a login under way.
#[derive(Debug)]
pub struct LoginChannel {
    /// What the person has to be told.
    pub events: mpsc::UnboundedSender<LoginEvent>,
    /// What the person pastes; where it is refused the login goes on waiting.
    pub pastes: mpsc::UnboundedReceiver<Paste>,
}

/// What the person has to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum LoginEvent {
    /// Where the person has to go, once.
    Authorize {
        /// What to open.
        url: String,
        /// The device login's code.
        user_code: Option<String>,
        /// The device login's page with the code filled in.
        url_complete: Option<String>,
        /// Whether a redirect ends the login.
        redirect: bool,
        /// Whether a paste ends the login.
        paste: bool,
        /// When it gives up.
        expires_at: Timestamp,
    },
    /// Where it stands.
    Stage(Stage),
}

/// A pasted code and where to say what is wrong with it.
#[derive(Debug)]
pub struct Paste {
    /// The text.
    pub text: Secret,
    /// `Err`: one line for people; the login goes on waiting.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// A login that succeeded at the server; the tokens are in nobody's vault yet.
#[derive(Debug)]
pub struct Authorized {
    /// The tokens.
    pub tokens: TokenSet,
    /// Who signed in.
    pub identity: Identity,
    /// The endpoints used.
    pub endpoints: Endpoints,
    /// The client used.
    pub client: Client,
    /// Whether the access token is an API key, and all there is.
    pub is_key: bool,
    /// The browser that is still waiting for its page; tell it how saving went.
    pub page: Option<WaitingPage>,
}

/// A browser that waits for the page that ends the login. Dropping it shows that the login was not completed.
#[derive(Debug)]
pub struct WaitingPage(pub oneshot::Sender<Result<PageAccount, String>>);

impl WaitingPage {
    /// Shows how the login ended. A browser that has left meanwhile is nobody's loss.
    pub fn finish(self, result: Result<PageAccount, String>) {
        let _ = self.0.send(result);
    }
}

/// What the page says of a login that is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAccount {
    /// The provider's name for people.
    pub provider: String,
    /// The account's name.
    pub account: String,
    /// Who signed in.
    pub identity: Option<String>,
}

/// Why a login ended without tokens.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoginError {
    /// The server or the network failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The person or the provider said no (`access_denied`).
    #[error("{0}")]
    Denied(String),
    /// Nobody came back in time.
    #[error("{0}")]
    TimedOut(String),
    /// The request can't be met: no such flow, port in use, no client identifier.
    #[error("{0}")]
    Impossible(String),
}

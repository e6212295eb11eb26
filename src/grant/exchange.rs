//! One exchange at the token endpoint (RFC 6749 section 3.2): what every grant ends with.

use std::time::Duration;

use super::failure::{self, Asked};
use super::identity;
use super::{Client, Failure, Granted};
use crate::clock::{Clock, Timestamp};
use crate::oauth::http::{Http, Response};
use crate::oauth::id_token::{self, Claims, Expected};
use crate::oauth::token_request::{self, Credentials, Parameters};
use crate::oauth::{token_error, token_response};
use crate::provider::Provider;
use crate::provider::schema::{Body, ErrorClass};
use crate::redact;
use crate::secret::Secret;
use crate::token::{Identity, RefreshEnd, TokenSet};

/// What is asked of the token endpoint, and what its answer has to fit.
pub(super) struct Exchange<'a> {
    pub(super) provider: &'a Provider,
    pub(super) token_endpoint: &'a str,
    pub(super) client: &'a Client,
    pub(super) parameters: Parameters,
    /// For messages, e.g. `the refresh`.
    pub(super) what: &'static str,
    /// The issuer an ID token has to name.
    pub(super) issuer: Option<&'a str>,
    pub(super) nonce: Option<&'a Secret>,
    /// Whether an ID token that is not this login's fails it. A refresh only drops such a token: the answer has
    /// rotated the grant, and losing that would cost the login.
    pub(super) id_token_decides: bool,
    /// Whether it does no harm to ask the same again while the server has not answered.
    pub(super) repeatable: bool,
}

/// A failure with the `error` that the server named.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) error: Option<String>,
    /// Whether its class is from the provider's own table.
    pub(super) ruled: bool,
}

impl Refusal {
    fn of(asked: Asked<'_>, response: &Response, now: Timestamp) -> Self {
        let answer = token_error::decode(&response.body).unwrap_or_default();
        let ruled = failure::ruled(asked.rules, response.status, &answer).is_some();
        Self { failure: asked.refused(response, now), error: answer.error, ruled }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, error: None, ruled: false }
    }
}

impl Exchange<'_> {
    /// Asks once.
    pub(super) async fn run(self, http: &Http, clock: &dyn Clock) -> Result<Granted, Failure> {
        self.ask(http, clock).await.map_err(|refusal| refusal.failure)
    }

    /// Asks once, and tells the server's own word for what it refused. What it repeats of what it was sent is not told.
    pub(super) async fn ask(self, http: &Http, clock: &dyn Clock) -> Result<Granted, Refusal> {
        let shown = self.client.show(self.issuer.unwrap_or(self.token_endpoint), clock.now()).await?;
        let sent: Vec<Secret> = self.parameters.secrets().into_iter().chain(shown.secrets()).collect();
        self.ask_once(http, clock, shown.credentials()).await.map_err(|mut refusal| {
            let message = &mut refusal.failure.message;
            sent.iter().for_each(|secret| *message = redact::echo(message, &secret.expose()));
            refusal
        })
    }

    async fn ask_once(self, http: &Http, clock: &dyn Clock, credentials: Credentials<'_>) -> Result<Granted, Refusal> {
        let Exchange {
            provider,
            token_endpoint,
            client,
            parameters,
            what,
            issuer,
            nonce,
            id_token_decides,
            repeatable,
        } = self;
        let asked = Asked { url: token_endpoint, what, rules: &provider.errors };
        let extra = provider.token.parameters.iter();
        let parameters = extra.fold(parameters, |parameters, (name, value)| parameters.with(name, value));
        let refreshes = parameters.get("grant_type") == Some("refresh_token");
        let json = provider.refresh.body.filter(|_| refreshes).unwrap_or(provider.token.body) == Body::Json;
        let mut request = token_request::request(token_endpoint, credentials, parameters, json);
        request.repeatable = repeatable;
        request.headers = provider.token.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();

        let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
        let now = clock.moment();
        // Absolute times are by the server's clock.
        let server_now = response.date.unwrap_or(now.wall);
        if !(200..300).contains(&response.status) {
            return Err(Refusal::of(asked, &response, now.wall));
        }
        let answer = match token_response::decode(&response.body) {
            Ok(answer) => answer,
            // Some servers refuse with status 200.
            Err(_) if token_error::decode(&response.body).is_some_and(|answer| answer.error.is_some()) => {
                return Err(Refusal::of(asked, &response, now.wall));
            }
            Err(error) => return Err(asked.unreadable(&response, &error.to_string()).into()),
        };

        let expected = Expected { issuer, client_id: &client.id, nonce, now: server_now };
        let checked = answer.id.as_ref().map(|token| check(token, expected));
        let (id, claims) = match (answer.id, checked) {
            (Some(token), Some(Ok(claims))) => (Some(token), Some(claims)),
            (_, Some(Err(error))) if id_token_decides => {
                let message =
                    format!("the ID token of {} was refused: {error}", crate::oauth::http::host(token_endpoint));
                return Err(Failure { class: ErrorClass::Misconfigured, message, ..no_failure() }.into());
            }
            _ => (None, None),
        };
        let identity = identity::from_pointers(&provider.identity, &answer.document);
        let identity = identity::or(
            identity,
            claims.as_ref().map(|claims| identity::from_claims(&provider.identity, claims)).unwrap_or_default(),
        );
        let tokens = TokenSet {
            access: answer.access,
            refresh_end: answer.refresh_expires_in.map(|seconds| RefreshEnd::after(seconds.unsigned_abs(), now.wall)),
            refresh: answer.refresh,
            id,
            token_type: answer.token_type,
            expires_at: answer.expires_in.map(|seconds| now.wall + Duration::from_secs(seconds.unsigned_abs())),
            id_expires_at: claims.as_ref().and_then(Claims::expires_at).map(|end| now.wall + end.since(server_now)),
            obtained_at: now.wall,
            obtained_boot: now.boot,
            scope: answer.scope,
        };
        Ok(Granted { tokens, identity })
    }
}

fn check(token: &Secret, expected: Expected<'_>) -> Result<Claims, id_token::IdTokenError> {
    let claims = id_token::decode(&token.expose())?;
    claims.check(expected)?;
    Ok(claims)
}

/// The fields that most failures of our own making leave alone.
pub(super) fn no_failure() -> Failure {
    Failure {
        class: ErrorClass::Transient,
        message: String::new(),
        retry_after: None,
        answer_lost: false,
        unsent: false,
        invalid_grant: false,
    }
}

/// Nobody is known yet.
pub(super) fn is_anonymous(identity: &Identity) -> bool {
    identity.email.is_none() && identity.name.is_none()
}

//! A login that ends in an API key: one that is made with the login's token, or given for the code itself.
//!
//! The key is all that is kept. What made it is given back where the server takes it back.

use super::failure::Asked;
use super::{Authorized, Failure, TokenHint, revoke};
use crate::clock::{Clock, Moment};
use crate::oauth::http::{Body, Http, Request, Response};
use crate::oauth::second_step::{self, Pointers};
use crate::oauth::token_request::{self, Credentials, Parameters};
use crate::provider::Provider;
use crate::provider::schema::{self, ErrorClass, KeyStep};
use crate::redact;
use crate::secret::Secret;
use crate::token::{ClientAuthentication, TokenSet};

/// What the key is asked with, for messages.
const WHAT: &str = "the request for an API key";

/// Makes a key with a login's token, which is given back then.
pub(super) async fn make(
    http: &Http,
    clock: &dyn Clock,
    provider: &Provider,
    authorized: Authorized,
) -> Result<Authorized, Failure> {
    let Some((step, url)) = provider.key.as_ref().and_then(|step| Some((step, step.url.as_deref()?))) else {
        return Ok(authorized);
    };
    let access = &authorized.tokens.access;
    let request = Request {
        url: url.to_owned(),
        headers: step.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        authorization: Some(Secret::from(format!("Bearer {}", &*access.expose()))),
        body: Some(Body { content_type: "application/json", bytes: zeroize::Zeroizing::default() }),
        ..Request::default()
    };
    let key = ask(http, clock, provider, step, request).await.map_err(|mut failure| {
        failure.message = redact::echo(&failure.message, &access.expose());
        failure
    })?;
    give_back(http, provider, &authorized).await;
    let tokens = tokens(key, clock.moment());
    Ok(Authorized { tokens, is_key: true, ..authorized })
}

/// Redeems a code for a key.
pub(super) async fn redeem(
    http: &Http,
    clock: &dyn Clock,
    (provider, step): (&Provider, &KeyStep),
    token_endpoint: &str,
    parameters: Parameters,
) -> Result<TokenSet, Failure> {
    let parameters = provider.token.parameters.iter().fold(parameters, |all, (name, value)| all.with(name, value));
    let sent = parameters.secrets();
    let nobody = Credentials { id: "", secret: None, authentication: ClientAuthentication::None, assertion: None };
    let json = provider.token.body == schema::Body::Json;
    let mut request = token_request::request(token_endpoint, nobody, parameters, json);
    request.headers = provider.token.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let key = ask(http, clock, provider, step, request).await.map_err(|mut failure| {
        sent.iter().for_each(|secret| failure.message = redact::echo(&failure.message, &secret.expose()));
        failure
    })?;
    Ok(tokens(key, clock.moment()))
}

async fn ask(
    http: &Http,
    clock: &dyn Clock,
    provider: &Provider,
    step: &KeyStep,
    request: Request,
) -> Result<Secret, Failure> {
    let url = request.url.clone();
    let asked = Asked { url: &url, what: WHAT, rules: &provider.errors };
    let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
    if !(200..300).contains(&response.status) {
        return Err(asked.refused(&response, clock.now()));
    }
    read(&response, step, clock.now()).map_err(|reason| {
        // A person reads it, and nothing is asked again by itself.
        Failure { class: ErrorClass::Misconfigured, answer_lost: false, ..asked.unreadable(&response, &reason) }
    })
}

fn read(response: &Response, step: &KeyStep, now: crate::clock::Timestamp) -> Result<Secret, String> {
    let pointers =
        Pointers { token: &step.pointer, expires_at: None, expires_in: None, refresh_in: None, api_base: None };
    let answer = second_step::decode(&response.body, pointers, now);
    answer.map(|answer| answer.token).map_err(|error| error.to_string())
}

/// A key as tokens are kept: it has no end that anybody knows.
fn tokens(key: Secret, now: Moment) -> TokenSet {
    TokenSet {
        access: key,
        refresh: None,
        refresh_end: None,
        id: None,
        token_type: "Bearer".to_owned(),
        expires_at: None,
        id_expires_at: None,
        obtained_at: now.wall,
        obtained_boot: now.boot,
        scope: Vec::new(),
    }
}

/// The login's own tokens are of no more use. A server that does not take them back lets them end.
async fn give_back(http: &Http, provider: &Provider, authorized: &Authorized) {
    let Some(endpoint) = &authorized.endpoints.revocation else { return };
    let (token, hint) = match &authorized.tokens.refresh {
        Some(refresh) => (refresh, TokenHint::Refresh),
        None => (&authorized.tokens.access, TokenHint::Access),
    };
    let server = authorized.endpoints.issuer.as_deref().unwrap_or(&authorized.endpoints.token);
    let _ = revoke(http, provider, (endpoint, server), &authorized.client, token, hint).await;
}

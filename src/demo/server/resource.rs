//! What access tokens are good for (RFC 6750): the userinfo endpoint (OpenID Connect Core section 5.3), a protected
//! resource that answers to any live token, and an endpoint that makes an API key for one, as Anthropic's Console has it.

use std::time::Instant;

use serde_json::json;

use super::grants::AccessToken;
use super::http::{Answer, OAuthError, Request};
use super::random;
use super::site::{Site, State};

pub(super) fn userinfo(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let state = site.state();
    let access = live(&state, request)?;
    if !access.scope.iter().any(|scope| scope == "openid") {
        let error = OAuthError::new("insufficient_scope", "the token lacks the scope `openid`").status(403);
        return Err(error.challenge("Bearer error=\"insufficient_scope\", scope=\"openid\""));
    }
    let user = &state.grants.grant(access.family).user;
    Ok(Answer::json(&json!({"sub": user.subject, "email": user.email, "name": user.name})))
}

pub(super) fn resource(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let state = site.state();
    let access = live(&state, request)?;
    let grant = state.grants.grant(access.family);
    Ok(Answer::json(&json!({"hello": grant.user.name, "client_id": grant.client_id, "scope": access.scope.join(" ")})))
}

pub(super) fn key(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    if request.method != "POST" {
        return Err(OAuthError::invalid_request("a key is made by POST").status(405));
    }
    let mut state = site.state();
    live(&state, request)?;
    let key = random::value("key_");
    state.grants.remember(&key);
    Ok(Answer::json(&json!({"key": key})))
}

/// RFC 6750 section 3: without a token the challenge says no more than the scheme.
fn live<'a>(state: &'a State, request: &Request) -> Result<&'a AccessToken, OAuthError> {
    let Some(token) = request.bearer() else {
        let error = OAuthError::new("invalid_token", "an access token is needed here").status(401);
        return Err(error.challenge("Bearer realm=\"resource\""));
    };
    state.grants.live_access(token, Instant::now()).ok_or_else(|| {
        let error = OAuthError::new("invalid_token", "the access token is expired, revoked or not known").status(401);
        error.challenge("Bearer realm=\"resource\", error=\"invalid_token\"")
    })
}

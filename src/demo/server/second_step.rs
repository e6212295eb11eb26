//! A second step as GitHub Copilot has it: the login's token for a short-lived one, its own `expires_at` and `refresh_in`,
//! and the address of the API.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::http::{Answer, OAuthError, Request};
use super::random;
use super::site::Site;

/// The scheme before the login's token.
const SCHEME: &str = "token";

pub(super) fn answer(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let shown = request.header("authorization").and_then(|header| header.split_once(' '));
    let Some((SCHEME, token)) = shown else {
        return Err(OAuthError::invalid_request("`Authorization: token ...` is needed here").status(401));
    };
    if request.header("editor-version").is_none_or(|version| !version.starts_with("cred-helper/")) {
        return Err(OAuthError::invalid_request("the header `editor-version` does not say who asks"));
    }
    let mut state = site.state();
    if state.grants.live_access(token, Instant::now()).is_none() {
        return Err(OAuthError::new("invalid_token", "the token is expired, revoked or not known").status(401));
    }
    let lifetime = site.options.second_token_lifetime;
    let short = random::value("tid=");
    state.grants.remember(&short);
    state.second_tokens.insert(short.clone(), Instant::now() + lifetime);
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + lifetime;
    // Sooner than a margin before the end would have it.
    let refresh_in = lifetime * 2 / 3;
    Ok(Answer::json(&json!({
        "token": short, "expires_at": end.as_secs(), "refresh_in": refresh_in.as_secs(),
        "endpoints": {"api": format!("{}/api", site.origin)},
    })))
}

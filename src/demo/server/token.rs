//! The token endpoint (RFC 6749 section 3.2): codes, refresh tokens, assertions and what clients show of themselves for
//! tokens.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::authorization::scope;
use super::client::authenticate;
use super::grants::{AccessToken, Ended, Grant};
use super::http::{Answer, OAuthError, Parameters, Request};
use super::options::{RegisteredClient, RotationMode, User};
use super::site::{Site, State};
use super::{assertion, device, random};
use crate::token::ClientAuthentication;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

pub(super) fn answer(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let form = request.form(site.options.bodies)?;
    let grant_type = form.require("grant_type")?;
    let nobody = RegisteredClient::public("");
    let clientless = site.options.clientless && form.get("client_id")?.is_none() && is_assertion(grant_type);
    let client = if clientless { &nobody } else { authenticate(site, request, &form)? };
    let mut state = site.state();
    match grant_type {
        "authorization_code" => code(site, &mut state, client, &form),
        "refresh_token" => refresh(site, &mut state, client, &form, request.rotation),
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let grant = device::redeem(site, &mut state, client, &form)?;
            let family = state.grants.begin(grant);
            let refresh_token = state.grants.issue_refresh(family);
            issue(site, &mut state, client, family, None, &form, Some(refresh_token))
        }
        "client_credentials" => client_credentials(site, &mut state, client, &form),
        JWT_BEARER => unattended(site, &mut state, client, &form, assertion::bearer(site, client, &form)?),
        TOKEN_EXCHANGE => {
            let grant = assertion::exchange(site, client, &form)?;
            let answer = unattended(site, &mut state, client, &form, grant)?;
            // RFC 8693 section 2.2.1.
            Ok(answer.with("issued_token_type", Some(json!("urn:ietf:params:oauth:token-type:access_token"))))
        }
        _ => Err(OAuthError::new("unsupported_grant_type", "this grant type is not known here")),
    }
}

fn is_assertion(grant_type: &str) -> bool {
    matches!(grant_type, JWT_BEARER | TOKEN_EXCHANGE)
}

/// RFC 6749 section 4.4: for confidential clients only, and without a refresh token.
fn client_credentials(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    form: &Parameters,
) -> Result<Answer, OAuthError> {
    if client.authentication == ClientAuthentication::None {
        return Err(OAuthError::new("unauthorized_client", "anybody could ask in this client's name"));
    }
    let user = User { subject: client.id.clone(), email: String::new(), name: client.id.clone() };
    let scope = scope(site, form)?;
    let grant = Grant { client_id: client.id.clone(), user, scope, audiences: Vec::new(), nonce: None };
    unattended(site, state, client, form, grant)
}

/// A login without a person: nothing is there to be renewed by but the same request.
fn unattended(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    form: &Parameters,
    grant: Grant,
) -> Result<Answer, OAuthError> {
    let family = state.grants.begin(grant);
    issue(site, state, client, family, None, form, None)
}

/// RFC 6749 section 4.1.3 and RFC 7636 section 4.6.
fn code(site: &Site, state: &mut State, client: &RegisteredClient, form: &Parameters) -> Result<Answer, OAuthError> {
    let (value, redirect_uri, verifier) =
        (form.require("code")?, form.require("redirect_uri")?, form.require("code_verifier")?);
    let known = state.codes.get_mut(value).filter(|code| code.grant.client_id == client.id);
    let Some(code) = known else { return Err(OAuthError::invalid_grant("the code is not known")) };
    if let Some(family) = code.redeemed {
        // Section 4.1.2: whoever has it a second time, its tokens are in doubt.
        state.grants.end(family, Ended::CodeReplayed);
        return Err(OAuthError::invalid_grant("the code was used before; what it gave is revoked"));
    }
    if Instant::now() >= code.expires {
        return Err(OAuthError::invalid_grant("the code has expired"));
    }
    if code.redirect_uri != redirect_uri {
        return Err(OAuthError::invalid_grant("`redirect_uri` is not that of the authorization request"));
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return Err(OAuthError::invalid_grant("the code verifier is not 43 to 128 unreserved characters"));
    }
    if random::s256(verifier) != code.challenge {
        return Err(OAuthError::invalid_grant("the code verifier does not fit the code challenge"));
    }
    // Not the standard's, but some providers want it repeated.
    if form.get("state")?.is_some_and(|state| Some(state) != code.state.as_deref()) {
        return Err(OAuthError::invalid_request("`state` is not that of the authorization request"));
    }
    let family = state.grants.begin(code.grant.clone());
    code.redeemed = Some(family);
    let refresh_token = state.grants.issue_refresh(family);
    issue(site, state, client, family, None, form, Some(refresh_token))
}

/// RFC 6749 section 6.
fn refresh(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    form: &Parameters,
    rotation: RotationMode,
) -> Result<Answer, OAuthError> {
    let token = form.require("refresh_token")?;
    let narrowed = scope(site, form)?;
    form.audiences()?;
    if let Some(family) = state.grants.family_of(token) {
        let granted = &state.grants.grant(family).scope;
        if !narrowed.iter().all(|scope| granted.contains(scope)) {
            return Err(OAuthError::new("invalid_scope", "a scope was not granted at the login"));
        }
    }
    let redeemed = state.grants.redeem(token, &client.id, rotation, Instant::now());
    let (family, refresh_token) = redeemed.map_err(OAuthError::invalid_grant)?;
    let narrowed = (!narrowed.is_empty()).then_some(narrowed);
    issue(site, state, client, family, narrowed, form, refresh_token)
}

/// RFC 6749 section 5.1: an opaque access token; for an audience a JWT that names it (RFC 9068).
fn issue(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    family: usize,
    narrowed: Option<Vec<String>>,
    form: &Parameters,
    refresh_token: Option<String>,
) -> Result<Answer, OAuthError> {
    let grant = state.grants.grant(family).clone();
    let scope = narrowed.unwrap_or(grant.scope);
    let asked = form.audiences()?;
    let audiences = if asked.is_empty() { grant.audiences } else { asked };
    let lifetime = site.options.access_token_lifetime;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (issued_at, expires_at) = (now.as_secs(), (now + lifetime).as_secs());
    let access = match audiences.is_empty() {
        true => random::value("at_"),
        false => random::jwt(
            &site.key,
            "at+jwt",
            &json!({
                "iss": site.issuer(), "sub": grant.user.subject, "aud": audiences, "client_id": client.id,
                "iat": issued_at, "exp": expires_at, "jti": random::value(""), "scope": scope.join(" "),
            }),
        ),
    };
    let expires = Instant::now() + lifetime;
    state.grants.add_access(&access, AccessToken { family, expires, scope: scope.clone() });

    let mut answer = Map::from_iter([
        ("access_token".to_owned(), Value::String(access)),
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_in".to_owned(), json!(whole_seconds(lifetime))),
        ("scope".to_owned(), json!(scope.join(" "))),
    ]);
    answer.extend(refresh_token.map(|token| ("refresh_token".to_owned(), Value::String(token))));
    if !audiences.is_empty() {
        answer.insert("audience".to_owned(), json!(audiences));
    }
    if scope.iter().any(|scope| scope == "openid") {
        let mut claims = json!({
            "iss": site.issuer(), "sub": grant.user.subject, "aud": client.id, "iat": issued_at, "exp": expires_at,
            "email": grant.user.email, "name": grant.user.name,
        });
        if let Some(nonce) = grant.nonce {
            claims["nonce"] = Value::String(nonce);
        }
        let id = random::jwt(client.secret.as_deref().unwrap_or(&site.key), "JWT", &claims);
        state.grants.remember(&id);
        answer.insert("id_token".to_owned(), Value::String(id));
    }
    answer.extend(site.options.token_answer_extra.clone());
    Ok(Answer::json(&Value::Object(answer)))
}

/// `expires_in` is whole seconds; half a second is none, so that nobody trusts a token longer than it lasts.
fn whole_seconds(lifetime: Duration) -> u64 {
    lifetime.as_secs()
}

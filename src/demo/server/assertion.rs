//! What others say of who asks: `private_key_jwt` (RFC 7523 section 2.2), the JWT bearer grant (section 2.1) and token
//! exchange (RFC 8693). Every claim is checked, and an assertion of a client's counts once.

use super::grants::Grant;
use super::http::{OAuthError, Parameters};
use super::keys::Claims;
use super::options::{RegisteredClient, User};
use super::site::{Site, State};

const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest that a client's assertion may last, in seconds.
const MAX_LIFETIME: u64 = 600;
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";

/// RFC 7523 section 3: the client signs who it is.
pub(super) fn check_client(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    form: &Parameters,
) -> Result<(), OAuthError> {
    let refuse = |why: &str| OAuthError::invalid_client(format!("the client assertion: {why}"));
    if form.require("client_assertion_type")? != CLIENT_ASSERTION_TYPE {
        return Err(refuse("its type is not known"));
    }
    let key = client.key.as_ref().ok_or_else(|| refuse("the client has no key here"))?;
    let claims = key.open(form.require("client_assertion")?).map_err(refuse)?;
    if [claims.text("iss"), claims.text("sub")] != [Some(client.id.as_str()); 2] {
        return Err(refuse("`iss` and `sub` are not the client"));
    }
    if !claims.is_for(&site.issuer()) {
        return Err(refuse("it is for another server"));
    }
    if claims.lasts().is_none_or(|seconds| seconds > MAX_LIFETIME) {
        return Err(refuse("it has ended, or lasts too long"));
    }
    let id = claims.text("jti").ok_or_else(|| refuse("it has no `jti`"))?;
    if !state.assertions.insert(id.to_owned()) {
        return Err(refuse("it was used before"));
    }
    Ok(())
}

/// RFC 7523 section 2.1.
pub(super) fn bearer(site: &Site, client: &RegisteredClient, form: &Parameters) -> Result<Grant, OAuthError> {
    let claims = trusted(site, form.require("assertion")?)?;
    grant(site, client, form, &claims)
}

/// RFC 8693 section 2.1, without an actor.
pub(super) fn exchange(site: &Site, client: &RegisteredClient, form: &Parameters) -> Result<Grant, OAuthError> {
    let named = form.require("subject_token_type")?.strip_prefix(TOKEN_TYPE);
    if !matches!(named, Some("jwt" | "id_token" | "access_token")) {
        return Err(OAuthError::invalid_request("this `subject_token_type` is not taken here"));
    }
    if form.get("actor_token")?.is_some() {
        return Err(OAuthError::invalid_request("nobody acts for another one here"));
    }
    let claims = trusted(site, form.require("subject_token")?)?;
    grant(site, client, form, &claims)
}

/// The claims of a token whose issuer the server trusts.
fn trusted(site: &Site, token: &str) -> Result<Claims, OAuthError> {
    let mut why = "nobody is trusted here";
    for issuer in &site.options.trusted {
        match issuer.key.open(token) {
            Ok(claims) if claims.text("iss") != Some(&issuer.issuer) => why = "its issuer is not trusted",
            Ok(claims) if !claims.is_for(&issuer.audience) => why = "it is for somebody else",
            Ok(claims) if claims.lasts().is_none() => why = "it has ended",
            Ok(claims) if claims.text("sub").is_none() => why = "it names nobody",
            Ok(claims) => return Ok(claims),
            Err(reason) => why = reason,
        }
    }
    Err(OAuthError::invalid_grant(format!("the assertion: {why}")))
}

fn grant(site: &Site, client: &RegisteredClient, form: &Parameters, claims: &Claims) -> Result<Grant, OAuthError> {
    for (name, value) in &site.options.required {
        if form.require(name)? != value {
            return Err(OAuthError::invalid_request(format!("`{name}` is not known here")));
        }
    }
    let subject = claims.text("sub").unwrap_or_default().to_owned();
    let text = |name: &str| claims.text(name).unwrap_or_default().to_owned();
    Ok(Grant {
        client_id: client.id.clone(),
        user: User { subject, email: text("email"), name: text("name") },
        scope: super::authorization::scope(site, form)?,
        audiences: Vec::new(),
        nonce: None,
    })
}

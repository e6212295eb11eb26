//! The revocation endpoint (RFC 7009). Either token ends the whole login, refresh and access tokens alike (section 2.1
//! allows it); a token that is not known is as good as revoked (section 2.2).

use super::client::authenticate;
use super::grants::Ended;
use super::http::{Answer, OAuthError, Request};
use super::options::Bodies;
use super::site::Site;

pub(super) fn answer(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let form = request.form(Bodies::Form)?;
    let token = form.require("token")?;
    // Section 2.1: a hint that is not known, or wrong, is ignored.
    form.get("token_type_hint")?;
    let client = authenticate(site, request, &form)?;
    let mut state = site.state();
    if let Some(family) = state.grants.family_of(token) {
        if state.grants.grant(family).client_id != client.id {
            return Err(OAuthError::new("unauthorized_client", "the token was issued to another client"));
        }
        state.grants.end(family, Ended::Revoked);
    }
    Ok(Answer::new(200, "text/plain", String::new()))
}

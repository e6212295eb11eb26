//! The header that shows a token to a server over HTTP, for protocols whose client sends what it is told.
//!
//! Where a user name goes with the target, the server takes the token for a password (Basic, RFC 7617); else it is a Bearer
//! token (RFC 6750), unless its provider has a header of its own for keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Failure;
use crate::ipc::message::token::Token;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;

/// The header's name and value.
pub(super) fn header(token: &Token) -> Result<(&str, Secret), Failure> {
    match &token.key_header {
        Some(name) if username(token).is_none() && !name.contains(char::is_control) => Ok((name, bare(token)?)),
        _ => Ok(("Authorization", value(token)?)),
    }
}

/// The value of `Authorization`.
pub(super) fn value(token: &Token) -> Result<Secret, Failure> {
    username(token).map_or_else(|| bearer(token), |username| whole(basic(username, token), token))
}

/// The token as it is, where a server wants it so.
pub(super) fn bare(token: &Token) -> Result<Secret, Failure> {
    whole(token.token.duplicate(), token)
}

/// `Bearer`, or the scheme that the authorization server named; servers write the usual one in any case.
pub(super) fn bearer(token: &Token) -> Result<Secret, Failure> {
    let usual = token.token_type.is_empty() || token.token_type.eq_ignore_ascii_case("bearer");
    let scheme = if usual { "Bearer" } else { &token.token_type };
    whole(Secret::from([scheme, " ", &*token.token.expose()].concat()), token)
}

fn username(token: &Token) -> Option<&str> {
    token.for_target.as_ref()?.username.as_deref()
}

fn basic(username: &str, token: &Token) -> Secret {
    let both = Secret::from([username, ":", &*token.token.expose()].concat());
    let encoded = Secret::from(STANDARD.encode(both.expose().as_bytes()));
    Secret::from(["Basic ", &*encoded.expose()].concat())
}

/// What would end a line is refused.
fn whole(value: Secret, token: &Token) -> Result<Secret, Failure> {
    if !value.expose().contains(char::is_control) {
        return Ok(value);
    }
    let message = format!("the token of {} has characters that no header carries", token.account);
    Err(Failure::Agent(Box::new(Error::new(ErrorKind::Internal, message))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(over: serde_json::Value) -> Option<String> {
        let mut token = json!({
            "account": "forge", "token": "t1", "kind": "access", "token_type": "bearer", "method": "oauth",
            "source": "login", "min_validity_met": true, "persisted": true
        });
        for (name, value) in over.as_object().expect("an object") {
            token[name] = value.clone();
        }
        let token = serde_json::from_value(token).expect("a token");
        header(&token).ok().map(|(name, value)| format!("{name}: {}", &*value.expose()))
    }

    #[test]
    fn a_user_name_makes_it_a_password_and_a_key_may_have_a_header_of_its_own() {
        let user = json!({ "username": "oauth2", "fingerprint": "f" });
        for (over, expected) in [
            (json!({}), Some("Authorization: Bearer t1")),
            (json!({ "token_type": "" }), Some("Authorization: Bearer t1")),
            (json!({ "token_type": "DPoP" }), Some("Authorization: DPoP t1")),
            (json!({ "for_target": user }), Some("Authorization: Basic b2F1dGgyOnQx")),
            (json!({ "key_header": "x-api-key" }), Some("x-api-key: t1")),
            (json!({ "key_header": "x-api-key", "for_target": user }), Some("Authorization: Basic b2F1dGgyOnQx")),
            (json!({ "token": "t1\r\nCookie: a" }), None),
            (json!({ "token_type": "Bearer\n" }), None),
            (json!({ "key_header": "x-api-key", "token": "a\nb" }), None),
        ] {
            assert_eq!(shown(over.clone()).as_deref(), expected, "{over}");
        }
    }
}

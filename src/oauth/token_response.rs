//! What the token endpoint grants (RFC 6749 section 5.1), read strictly where a mistake would hurt and liberally where
//! servers differ: an answer that is refused here may have cost a rotated refresh token.

use serde_json::Value;

use crate::secret::Secret;

/// Longer than any real lifetime; keeps arithmetic on what a server claims from overflowing.
const MAX_LIFETIME: i64 = 10 * 365 * 24 * 3600;

/// What servers call the refresh token's lifetime: no standard does. GitHub, Google and Microsoft write the first, Keycloak the
/// second.
const REFRESH_EXPIRES_IN: [&str; 2] = ["refresh_token_expires_in", "refresh_expires_in"];

/// A grant. The document is what is left of the answer when the tokens are taken out.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access: Secret,
    /// The refresh token, where one came.
    pub refresh: Option<Secret>,
    /// The ID token, where one came.
    pub id: Option<Secret>,
    /// `Bearer`, or what the server says.
    pub token_type: String,
    /// Seconds from now, at least one. `None`: the server doesn't say.
    pub expires_in: Option<i64>,
    /// The same of the refresh token. `None`: it has no end, or the server doesn't say.
    pub refresh_expires_in: Option<i64>,
    /// Sorted; empty where the server doesn't say.
    pub scope: Vec<String>,
    /// The rest of the answer, for the provider's own fields.
    pub document: Value,
}

/// Why an answer is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenResponseError {
    /// Not JSON, or cut short.
    #[error("it is not JSON, or was cut short")]
    NotJson,
    /// JSON, but no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// No access token.
    #[error("it has no access_token")]
    NoAccessToken,
    /// A token with characters that no token has (RFC 6749 appendix A.12).
    #[error("a token in it has characters that tokens don't have")]
    NotAToken,
}

/// Reads an answer with status 2xx.
pub fn decode(body: &[u8]) -> Result<TokenResponse, TokenResponseError> {
    let mut document: Value = serde_json::from_slice(body).map_err(|_| TokenResponseError::NotJson)?;
    let object = document.as_object_mut().ok_or(TokenResponseError::NotAnObject)?;
    let access = take_token(object, "access_token")?;
    let refresh = take_token(object, "refresh_token")?;
    let id = take_token(object, "id_token")?;
    let access = access.ok_or(TokenResponseError::NoAccessToken)?;
    let token_type = token_type(object.get("token_type"));
    // Nobody issues a token that has ended: to the servers that say zero or less it means that it doesn't end, or that
    // they don't know. Taken at its word, every question would cost a refresh that brings the same again.
    let seconds = |name| object.get(name).and_then(lifetime).filter(|seconds| *seconds > 0);
    let expires_in = seconds("expires_in");
    let refresh_expires_in = REFRESH_EXPIRES_IN.into_iter().find_map(seconds);
    let scope = object.get("scope").map(scope).unwrap_or_default();
    Ok(TokenResponse { access, refresh, id, token_type, expires_in, refresh_expires_in, scope, document })
}

/// Missing, `null` and empty are the same: no such token.
fn take_token(object: &mut serde_json::Map<String, Value>, name: &str) -> Result<Option<Secret>, TokenResponseError> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.is_empty() => Ok(None),
        Some(Value::String(token)) => {
            // A newline would end a header, a control character would write to a terminal.
            let token = Secret::from(token);
            let printable = token.expose().bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if printable { Ok(Some(token)) } else { Err(TokenResponseError::NotAToken) }
        }
        Some(_) => Err(TokenResponseError::NotAToken),
    }
}

/// The type compares without case (RFC 6749 section 7.1); some servers leave it out.
fn token_type(value: Option<&Value>) -> String {
    match value.and_then(Value::as_str) {
        Some(text) if !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()) => {
            if text.eq_ignore_ascii_case("bearer") { "Bearer".to_owned() } else { text.to_owned() }
        }
        _ => "Bearer".to_owned(),
    }
}

/// A number, a number as text, a fraction: all have been seen.
pub(super) fn lifetime(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok().filter(|seconds| !seconds.is_nan())?,
        _ => return None,
    };
    // `as` saturates, which is what a huge or infinite claim comes to.
    Some((seconds as i64).clamp(i64::from(seconds > 0.0), MAX_LIFETIME))
}

/// A text of scopes (RFC 6749 section 3.3), or a list of them.
fn scope(value: &Value) -> Vec<String> {
    let words: Vec<&str> = match value {
        Value::String(text) => text.split_whitespace().collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).flat_map(str::split_whitespace).collect(),
        _ => Vec::new(),
    };
    let printable = |word: &&str| word.bytes().all(|byte| byte.is_ascii_graphic());
    let mut scope: Vec<String> = words.into_iter().filter(printable).map(str::to_owned).collect();
    scope.sort();
    scope.dedup();
    scope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_come_in_many_forms() {
        let cases = [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("3599.7", Some(3599)),
            ("0.4", Some(1)),
            ("0", None),
            ("-0.0", None),
            ("\"0\"", None),
            ("-5", None),
            ("\"-inf\"", None),
            ("1e300", Some(MAX_LIFETIME)),
            ("99999999999999999999", Some(MAX_LIFETIME)),
            ("\"inf\"", Some(MAX_LIFETIME)),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("null", None),
            ("[1]", None),
        ];
        for (value, expected) in cases {
            let answer = decode(format!(r#"{{"access_token":"a","expires_in":{value}}}"#).as_bytes()).expect(value);
            assert_eq!(answer.expires_in, expected, "{value}");
        }
    }

    #[test]
    fn a_refresh_tokens_end_has_two_names_and_none_is_zero() {
        let cases = [
            (r#""refresh_token_expires_in":15897600"#, Some(15_897_600)),
            (r#""refresh_token_expires_in":"604799""#, Some(604_799)),
            (r#""refresh_expires_in":1800"#, Some(1800)),
            // Keycloak's offline tokens.
            (r#""refresh_expires_in":0"#, None),
            (r#""refresh_token_expires_in":null,"refresh_expires_in":7"#, Some(7)),
            (r#""expires_in":60"#, None),
        ];
        for (members, expected) in cases {
            let answer = decode(format!(r#"{{"access_token":"a",{members}}}"#).as_bytes()).expect(members);
            assert_eq!(answer.refresh_expires_in, expected, "{members}");
        }
    }

    #[test]
    fn what_is_no_grant_says_why() {
        use TokenResponseError::*;
        let cases: [(&[u8], _); 12] = [
            (b"", NotJson),
            (b"<html>", NotJson),
            (b"{\"access_token\":\"a", NotJson),
            (b"access_token=a&token_type=bearer", NotJson),
            (b"\xff\xfe", NotJson),
            (b"[]", NotAnObject),
            (b"\"a\"", NotAnObject),
            (b"{}", NoAccessToken),
            (br#"{"access_token":""}"#, NoAccessToken),
            (br#"{"access_token":7}"#, NotAToken),
            (br#"{"access_token":"a\nb"}"#, NotAToken),
            (br#"{"access_token":"a","refresh_token":"\u0000"}"#, NotAToken),
        ];
        for (body, error) in cases {
            assert_eq!(decode(body).expect_err("refused"), error, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_grant_is_taken_apart_and_its_tokens_leave_the_document() {
        let body = br#"{"access_token":"a b","refresh_token":"r","id_token":null,"token_type":"BEARER",
            "scope":"z a  z","account":{"uuid":"u"}}"#;
        let answer = decode(body).expect("a grant");
        assert_eq!(&*answer.access.expose(), "a b");
        assert_eq!(&*answer.refresh.expect("refresh").expose(), "r");
        assert!(answer.id.is_none());
        assert_eq!((answer.token_type.as_str(), answer.expires_in), ("Bearer", None));
        assert_eq!(answer.scope, ["a", "z"]);
        assert_eq!(answer.document.pointer("/account/uuid").and_then(Value::as_str), Some("u"));
        assert!(answer.document.get("access_token").is_none());
    }
}

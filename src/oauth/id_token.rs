//! The ID token (OpenID Connect Core section 2): whose login it is.
//!
//! It is read but its signature is not checked: it came straight from the token endpoint over TLS, which section 3.1.3.7
//! (item 6) lets stand for the signature. So nothing here may ever judge an ID token that came another way.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// How wrong this machine's clock may be.
const LEEWAY: Duration = Duration::from_secs(300);

/// An ID token's claims.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

/// What an ID token has to say (section 3.1.3.7).
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer, where one is known.
    pub issuer: Option<&'a str>,
    /// The client it is for.
    pub client_id: &'a str,
    /// The nonce that was sent; a refresh has none.
    pub nonce: Option<&'a Secret>,
    /// Now.
    pub now: Timestamp,
}

/// Why an ID token is not this login's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// No JWT.
    #[error("it is no JSON Web Token")]
    Malformed,
    /// Item 2.
    #[error("it names another issuer")]
    Issuer,
    /// Item 3.
    #[error("it is for another client")]
    Audience,
    /// Item 9.
    #[error("it has expired (is this machine's clock right?)")]
    Expired,
    /// Item 11.
    #[error("it belongs to another login")]
    Nonce,
    /// Section 2: a subject is required.
    #[error("it names nobody")]
    Subject,
}

/// Reads a JWT's claims (RFC 7519 section 7.2), nothing more.
pub fn decode(token: &str) -> Result<Claims, IdTokenError> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(IdTokenError::Malformed);
    };
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| IdTokenError::Malformed)?;
    let payload = Zeroizing::new(payload);
    serde_json::from_slice(&payload).map(Claims).map_err(|_| IdTokenError::Malformed)
}

impl Claims {
    /// All of them, for a provider's own pointers.
    pub fn document(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Section 3.1.3.7, without the signature.
    pub fn check(&self, expected: Expected<'_>) -> Result<(), IdTokenError> {
        if expected.issuer.is_some_and(|issuer| self.text("iss") != Some(issuer)) {
            return Err(IdTokenError::Issuer);
        }
        let audience = match self.0.get("aud") {
            Some(Value::String(one)) => one == expected.client_id,
            Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(expected.client_id)),
            _ => false,
        };
        if !audience {
            return Err(IdTokenError::Audience);
        }
        if self.expires_at().is_none_or(|end| end + LEEWAY <= expected.now) {
            return Err(IdTokenError::Expired);
        }
        let nonce = |nonce: &Secret| self.text("nonce").is_some_and(|claimed| claimed == &*nonce.expose());
        if !expected.nonce.is_none_or(nonce) {
            return Err(IdTokenError::Nonce);
        }
        if self.text("sub").is_none_or(str::is_empty) {
            return Err(IdTokenError::Subject);
        }
        Ok(())
    }

    /// When it ends (`exp`); fractions are allowed (RFC 7519 section 2, NumericDate).
    pub fn expires_at(&self) -> Option<Timestamp> {
        // `as` saturates, which is right for a claim that is far off.
        self.0.get("exp").and_then(Value::as_f64).map(|seconds| Timestamp(seconds as i64))
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn what_is_no_jwt_is_malformed() {
        let (array, text) = (token("[]"), token("x"));
        for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "e30.!!.x", array.as_str(), text.as_str(), "é.é.é"]
        {
            assert_eq!(decode(text).map(|_| ()), Err(IdTokenError::Malformed), "{text}");
        }
        assert!(decode("e30.e30=.x").is_ok());
    }

    #[test]
    fn every_claim_that_ties_it_to_this_login_is_checked() {
        use IdTokenError::*;
        let good = r#"{"iss":"https://i","aud":"c","exp":1000,"sub":"s","nonce":"n"}"#;
        let cases = [
            (good, Ok(())),
            (r#"{"iss":"https://i","aud":["x","c"],"exp":1000.5,"sub":"s","nonce":"n"}"#, Ok(())),
            (r#"{"iss":"https://i/","aud":"c","exp":1000,"sub":"s","nonce":"n"}"#, Err(Issuer)),
            (r#"{"aud":"c","exp":1000,"sub":"s","nonce":"n"}"#, Err(Issuer)),
            (r#"{"iss":"https://i","aud":"cc","exp":1000,"sub":"s","nonce":"n"}"#, Err(Audience)),
            (r#"{"iss":"https://i","aud":[["c"]],"exp":1000,"sub":"s","nonce":"n"}"#, Err(Audience)),
            (r#"{"iss":"https://i","exp":1000,"sub":"s","nonce":"n"}"#, Err(Audience)),
            (r#"{"iss":"https://i","aud":"c","exp":699,"sub":"s","nonce":"n"}"#, Err(Expired)),
            (r#"{"iss":"https://i","aud":"c","exp":-1e300,"sub":"s","nonce":"n"}"#, Err(Expired)),
            (r#"{"iss":"https://i","aud":"c","sub":"s","nonce":"n"}"#, Err(Expired)),
            (r#"{"iss":"https://i","aud":"c","exp":1000,"sub":"s","nonce":"m"}"#, Err(Nonce)),
            (r#"{"iss":"https://i","aud":"c","exp":1000,"sub":"s"}"#, Err(Nonce)),
            (r#"{"iss":"https://i","aud":"c","exp":1000,"sub":"","nonce":"n"}"#, Err(Subject)),
        ];
        let nonce = Secret::from("n".to_owned());
        let expected =
            Expected { issuer: Some("https://i"), client_id: "c", nonce: Some(&nonce), now: Timestamp(1000) };
        for (claims, result) in cases {
            assert_eq!(decode(&token(claims)).expect("JWT").check(expected), result, "{claims}");
        }
        let unbound = Expected { issuer: None, nonce: None, ..expected };
        let claims = decode(&token(r#"{"iss":"x","aud":"c","exp":1e300,"sub":"s"}"#)).expect("JWT");
        assert_eq!(claims.check(unbound), Ok(()));
        assert_eq!(claims.expires_at(), Some(Timestamp(i64::MAX)));
    }
}

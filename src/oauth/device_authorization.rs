//! The device authorization answer (RFC 8628 section 3.2), and that of servers whose device login ends in an authorization
//! code.

use std::time::Duration;

use serde_json::Value;

use super::token_response::lifetime;
use crate::secret::Secret;

/// Section 3.5: what is waited between two questions where the server doesn't say.
const DEFAULT_INTERVAL: i64 = 5;
/// No server that means well asks for more.
const MAX_INTERVAL: i64 = 300;
/// The longest user code that a person could type.
const MAX_USER_CODE: usize = 64;

/// What the person and we need for a device login.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// What we ask with.
    pub device_code: Secret,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The page with the code filled in.
    pub verification_uri_complete: Option<String>,
    /// How long the codes last.
    pub expires_in: Duration,
    /// What is waited between two questions.
    pub interval: Duration,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceAuthorizationError {
    /// Not JSON, or a field is missing.
    #[error("it is not a device authorization (RFC 8628)")]
    Malformed,
    /// A code or an address that must not be shown or opened.
    #[error("its code or address is not fit to be shown")]
    Unfit,
}

/// Reads an answer with status 2xx.
pub fn decode(body: &[u8]) -> Result<DeviceAuthorization, DeviceAuthorizationError> {
    use DeviceAuthorizationError::Malformed;
    let document: Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let text = |name: &str| text(&document, name);
    // `verification_url` is what some servers called it before the RFC was done.
    let verification_uri = text("verification_uri").or_else(|| text("verification_url")).ok_or(Malformed)?;
    read(&document, "device_code", verification_uri)
}

/// Reads the answer of a server that calls the device code `identifier` and leaves it to us to know the page.
pub fn decode_at(body: &[u8], identifier: &str, page: &str) -> Result<DeviceAuthorization, DeviceAuthorizationError> {
    let document: Value = serde_json::from_slice(body).map_err(|_| DeviceAuthorizationError::Malformed)?;
    read(&document, identifier, page)
}

fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn read(
    document: &Value,
    device_code: &str,
    verification_uri: &str,
) -> Result<DeviceAuthorization, DeviceAuthorizationError> {
    use DeviceAuthorizationError::{Malformed, Unfit};
    let text = |name: &str| text(document, name);
    let device_code = text(device_code).map(|code| Secret::from(code.to_owned())).ok_or(Malformed)?;
    // Both spellings are seen.
    let user_code = text("user_code").or_else(|| text("usercode")).ok_or(Malformed)?;
    let complete = text("verification_uri_complete");
    let seconds = |name: &str| document.get(name).and_then(lifetime);
    // REQUIRED in section 3.2; a server without it gets the time limit of the login alone.
    let expires_in = seconds("expires_in").unwrap_or(i64::MAX);
    let interval = seconds("interval").unwrap_or(DEFAULT_INTERVAL).clamp(1, MAX_INTERVAL);
    let shown = user_code.chars().count() <= MAX_USER_CODE && !user_code.chars().any(char::is_control);
    if !shown || !is_page(verification_uri) || complete.is_some_and(|url| !is_page(url)) {
        return Err(Unfit);
    }
    let duration = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    Ok(DeviceAuthorization {
        device_code,
        user_code: user_code.to_owned(),
        verification_uri: verification_uri.to_owned(),
        verification_uri_complete: complete.map(str::to_owned),
        expires_in: duration(expires_in),
        interval: duration(interval),
    })
}

/// What a device login that ends in an authorization code brings.
#[derive(Debug)]
pub struct DeviceCode {
    /// The authorization code.
    pub code: Secret,
    /// The verifier that its exchange wants (RFC 7636 section 4.5).
    pub verifier: Secret,
}

/// Reads the answer, with status 2xx, to the question whether the person has signed in.
pub fn decode_code(body: &[u8]) -> Result<DeviceCode, DeviceAuthorizationError> {
    use DeviceAuthorizationError::Malformed;
    let mut document: Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let mut secret = |name: &str| match document.get_mut(name).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Secret::from(text)),
        _ => Err(Malformed),
    };
    Ok(DeviceCode { code: secret("authorization_code")?, verifier: secret("code_verifier")? })
}

/// What may be opened in a browser: a web page. `file:` or a custom scheme would start other programs.
fn is_page(text: &str) -> bool {
    let scheme = url::Url::parse(text).ok().filter(url::Url::has_host);
    scheme.is_some_and(|url| matches!(url.scheme(), "https" | "http")) && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(extra: &str) -> Result<DeviceAuthorization, DeviceAuthorizationError> {
        let body = format!(r#"{{"device_code":"d","user_code":"AB-CD","verification_uri":"https://a/d"{extra}}}"#);
        decode(body.as_bytes())
    }

    #[test]
    fn missing_times_have_the_standards_defaults() {
        let answer = with("").expect("answer");
        assert_eq!(answer.interval, Duration::from_secs(5));
        let answer = with(r#","interval":0,"expires_in":"600""#).expect("answer");
        assert_eq!((answer.interval, answer.expires_in), (Duration::from_secs(1), Duration::from_secs(600)));
        assert_eq!(with(r#","interval":1e9"#).expect("answer").interval, Duration::from_secs(300));
    }

    #[test]
    fn a_login_that_ends_in_a_code_names_things_in_its_own_way() {
        use DeviceAuthorizationError::{Malformed, Unfit};
        let body = br#"{"device_auth_id":"d","usercode":"AB-CD","interval":"7"}"#;
        let answer = decode_at(body, "device_auth_id", "https://a/d").expect("answer");
        assert_eq!(
            (&*answer.device_code.expose(), answer.user_code.as_str(), answer.interval.as_secs()),
            ("d", "AB-CD", 7)
        );
        assert_eq!(decode_at(body, "device_code", "https://a/d").map(|_| ()), Err(Malformed));
        assert_eq!(decode_at(body, "device_auth_id", "file:///d").map(|_| ()), Err(Unfit));
        let code =
            decode_code(br#"{"authorization_code":"c","code_challenge":"x","code_verifier":"v"}"#).expect("a code");
        assert_eq!((&*code.code.expose(), &*code.verifier.expose()), ("c", "v"));
        for body in ["", "{}", r#"{"authorization_code":"c"}"#, r#"{"authorization_code":"","code_verifier":"v"}"#] {
            assert_eq!(decode_code(body.as_bytes()).map(|_| ()), Err(Malformed), "{body}");
        }
    }

    #[test]
    fn what_must_not_be_shown_or_opened_is_refused() {
        use DeviceAuthorizationError::{Malformed, Unfit};
        for page in ["file:///etc/passwd", "javascript:alert(1)", "x", "https://a/\u{7}", "https://a/ b"] {
            let body = serde_json::json!({"device_code": "d", "user_code": "u", "verification_uri": page});
            assert_eq!(decode(body.to_string().as_bytes()).map(|_| ()), Err(Unfit), "{page}");
        }
        assert_eq!(with(r#","verification_uri_complete":"file:///x""#).map(|_| ()), Err(Unfit));
        for body in ["", "{}", "[]", "<html>", r#"{"device_code":"d","user_code":"","verification_uri":"https://a"}"#] {
            assert_eq!(decode(body.as_bytes()).map(|_| ()), Err(Malformed), "{body}");
        }
    }
}

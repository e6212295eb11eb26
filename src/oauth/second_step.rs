//! The answer of a second step: the short-lived token that an API takes, fetched with a login's. No RFC says how it looks,
//! so JSON pointers (RFC 6901) say where things are; what they find is read with suspicion.

use std::time::Duration;

use serde_json::Value;

use super::token_response::lifetime;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A number above this is milliseconds: in seconds it would be the year 5138.
const MILLISECONDS: f64 = 1e11;
/// The longest base URL that is passed on.
const MAX_URL: usize = 2048;

/// Where the answer has what.
#[derive(Clone, Copy, Debug)]
pub struct Pointers<'a> {
    /// The token.
    pub token: &'a str,
    /// When it ends.
    pub expires_at: Option<&'a str>,
    /// In how many seconds it ends.
    pub expires_in: Option<&'a str>,
    /// In how many seconds the server wants to be asked again.
    pub refresh_in: Option<&'a str>,
    /// Where the API is.
    pub api_base: Option<&'a str>,
}

/// A short-lived token.
#[derive(Debug)]
pub struct ShortLived {
    /// The token.
    pub token: Secret,
    /// How long it lasts; `None`: the server doesn't say.
    pub lifetime: Option<Duration>,
    /// When it is to be fetched anew, counted from now.
    pub refresh_in: Option<Duration>,
    /// Where the API is, as it was written.
    pub api_base: Option<String>,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShortLivedError {
    /// Not JSON, or cut short.
    #[error("it is not JSON, or was cut short")]
    NotJson,
    /// No token where one should be.
    #[error("it has no token where the configuration says")]
    NoToken,
    /// A token with characters that no token has.
    #[error("the token in it has characters that tokens don't have")]
    NotAToken,
}

/// Reads an answer with status 2xx; `now` is by the server's clock, as its absolute times are.
pub fn decode(body: &[u8], pointers: Pointers<'_>, now: Timestamp) -> Result<ShortLived, ShortLivedError> {
    let Pointers { token, expires_at, expires_in, refresh_in, api_base } = pointers;
    let mut document: Value = serde_json::from_slice(body).map_err(|_| ShortLivedError::NotJson)?;
    let token = match document.pointer_mut(token).map(Value::take) {
        Some(Value::String(token)) if !token.is_empty() => Secret::from(token),
        _ => return Err(ShortLivedError::NoToken),
    };
    if !token.expose().bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(ShortLivedError::NotAToken);
    }
    let at = |pointer: Option<&str>| document.pointer(pointer?);
    let seconds = |pointer| at(pointer).and_then(lifetime).filter(|seconds| *seconds > 0);
    let span = |pointer| seconds(pointer).map(|seconds: i64| Duration::from_secs(seconds.unsigned_abs()));
    // A time that has passed is no time: nobody issues a token that has ended.
    let until = at(expires_at).and_then(moment).map(|end| end.since(now)).filter(|left| !left.is_zero());
    Ok(ShortLived {
        lifetime: until.or_else(|| span(expires_in)),
        refresh_in: span(refresh_in),
        api_base: at(api_base).and_then(Value::as_str).filter(|url| url.len() <= MAX_URL).map(str::to_owned),
        token,
    })
}

/// Seconds or milliseconds since 1970, or as RFC 3339 writes it.
fn moment(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return text.trim().parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_second())),
        },
        _ => return None,
    };
    // `as` saturates, and makes zero of what is no number.
    let seconds = if number > MILLISECONDS { number / 1000.0 } else { number } as i64;
    // Far enough for any token, near enough to reckon with.
    (0..=253_402_300_799).contains(&seconds).then_some(Timestamp(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTERS: Pointers<'_> = Pointers {
        token: "/token",
        expires_at: Some("/expires_at"),
        expires_in: Some("/expires_in"),
        refresh_in: Some("/refresh_in"),
        api_base: Some("/endpoints/api"),
    };

    fn read(body: &str) -> Result<ShortLived, ShortLivedError> {
        decode(body.as_bytes(), POINTERS, Timestamp(1_790_000_000))
    }

    #[test]
    fn everything_is_found_where_the_pointers_say() {
        let body = r#"{"token":"tid=1;exp=2","expires_at":1790001800,"refresh_in":1500,"endpoints":{"api":"https://a.example"}}"#;
        let answer = read(body).expect("an answer");
        assert_eq!(&*answer.token.expose(), "tid=1;exp=2");
        assert_eq!(
            (answer.lifetime, answer.refresh_in),
            (Some(Duration::from_secs(1800)), Some(Duration::from_secs(1500)))
        );
        assert_eq!(answer.api_base.as_deref(), Some("https://a.example"));
    }

    #[test]
    fn times_come_in_many_forms() {
        let cases = [
            (r#""expires_at":1790000060"#, Some(60)),
            (r#""expires_at":"1790000060""#, Some(60)),
            (r#""expires_at":1790000060000"#, Some(60)),
            (r#""expires_at":"2026-09-21T14:14:20Z""#, Some(60)),
            (r#""expires_at":"2026-09-21T16:14:20.5+02:00""#, Some(60)),
            (r#""expires_at":1789999999,"expires_in":30"#, Some(30)),
            (r#""expires_at":"soon","expires_in":"30""#, Some(30)),
            (r#""expires_at":1e300"#, None),
            (r#""expires_at":-5"#, None),
            (r#""expires_at":"NaN""#, None),
            (r#""expires_in":0"#, None),
            (r#""other":1"#, None),
        ];
        for (times, expected) in cases {
            let answer = read(&format!(r#"{{"token":"t",{times}}}"#)).expect(times);
            assert_eq!(answer.lifetime.map(|life| life.as_secs()), expected, "{times}");
        }
    }

    #[test]
    fn what_is_no_answer_says_why() {
        use ShortLivedError::*;
        let cases = [
            ("", NotJson),
            ("<html>", NotJson),
            ("[]", NoToken),
            (r#"{"token":""}"#, NoToken),
            (r#"{"token":7}"#, NoToken),
            (r#"{"message":"no"}"#, NoToken),
            (r#"{"token":"a\nb"}"#, NotAToken),
        ];
        for (body, error) in cases {
            assert_eq!(read(body).expect_err(body), error);
        }
        let long = format!(r#"{{"token":"t","endpoints":{{"api":"https://{}"}}}}"#, "a".repeat(3000));
        assert_eq!(read(&long).expect("an answer").api_base, None);
    }
}

//! Whether something is a token endpoint: by what it says to a request without anything in it, which no server grants.

use super::failure::Asked;
use crate::oauth::http::{self, Response};
use crate::oauth::token_error;

/// Judges the answer of `url` to an empty form; an error says what to do. No answer tells more than that somebody is there who
/// speaks OAuth: whether the client is known there shows at a login.
pub fn is_token_endpoint(url: &str, answer: &Response) -> Result<String, String> {
    let (host, status) = (http::host(url), answer.status);
    let asked = Asked { url, what: "the question for a token", rules: &[] };
    if let Some(intercepted) = asked.intercepted(answer) {
        return Err(intercepted.message);
    }
    let refusal = token_error::decode(&answer.body).and_then(|refusal| refusal.error);
    match (status, refusal) {
        (500.. | 408 | 429, _) => {
            Err(format!("{host} cannot answer now (HTTP {status}): it is there, and busy or broken"))
        }
        (300..400, _) => Err(format!(
            "{host} redirects (HTTP {status}), which is never followed: a wrong `token_endpoint`, or a captive portal"
        )),
        (_, Some(_)) => Ok(format!("{host} answers as a token endpoint does (HTTP {status})")),
        (404 | 405 | 410, None) => Err(format!("there is none at {}: HTTP {status}", crate::redact::url(url))),
        _ => Ok(format!("{host} answers (HTTP {status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn who_answers_an_empty_question_is_known_by_how() {
        let html = "<html>Accept our terms</html>";
        let cases = [
            (
                400,
                "application/json",
                r#"{"error":"invalid_request"}"#,
                Ok("id.example answers as a token endpoint does"),
            ),
            (404, "application/json", r#"{"error":"Not Found"}"#, Ok("id.example answers as a token endpoint does")),
            (401, "text/plain", "no", Ok("id.example answers (HTTP 401)")),
            (404, "text/plain", "no", Err("there is none at https://id.example/token: HTTP 404")),
            (405, "text/html", "", Err("a web page (HTTP 405)")),
            (200, "text/html", html, Err("a captive portal")),
            (302, "text/plain", "", Err("redirects (HTTP 302)")),
            (503, "application/json", r#"{"error":"x"}"#, Err("cannot answer now (HTTP 503)")),
        ];
        for (status, content_type, body, expected) in cases {
            let body = Zeroizing::new(body.as_bytes().to_vec());
            let content_type = Some(content_type.to_owned());
            let answer = Response { status, content_type, retry_after: None, location: None, date: None, body };
            let judged = is_token_endpoint("https://id.example/token", &answer);
            match (&judged, expected) {
                (Ok(found), Ok(words)) | (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
                _ => panic!("{status}: {judged:?}"),
            }
        }
    }
}

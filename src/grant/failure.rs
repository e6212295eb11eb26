//! Classing a failure by what is done next: the provider's own table first, then RFC 6749 section 5.2, then the status.
//! What is unknown is transient: asking again costs little, a login that was given up by mistake costs a person's time.

use super::Failure;
use crate::clock::Timestamp;
use crate::oauth::http::{self, HttpError, Response};
use crate::oauth::retry_after;
use crate::oauth::token_error::{self, TokenError};
use crate::provider::schema::{ErrorClass, ErrorRule};
use crate::redact;

/// A conversation: with whom, and what was asked, for messages.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) url: &'a str,
    /// E.g. `the refresh`.
    pub(super) what: &'static str,
    pub(super) rules: &'a [ErrorRule],
}

impl Asked<'_> {
    /// No answer came.
    pub(super) fn unanswered(self, error: HttpError) -> Failure {
        let (class, answer_lost) = match &error {
            HttpError::Refused(_) => (ErrorClass::Misconfigured, false),
            HttpError::NotSent(_) => (ErrorClass::Transient, false),
            HttpError::AnswerLost(_) => (ErrorClass::Transient, true),
        };
        let unsent = matches!(error, HttpError::NotSent(_));
        Failure { class, message: error.to_string(), retry_after: None, answer_lost, unsent, invalid_grant: false }
    }

    /// A web page with status 2xx to a question that changes nothing: somebody is in between, and gone later.
    pub(super) fn intercepted(self, response: &Response) -> Option<Failure> {
        is_web_page(response).then(|| Failure { answer_lost: false, ..self.unreadable(response, "") })
    }

    /// A 2xx answer that cannot be read: the server may have rotated.
    pub(super) fn unreadable(self, response: &Response, reason: &str) -> Failure {
        let host = http::host(self.url);
        let message = match is_web_page(response) {
            true => web_page(&host, response.status),
            false => format!("{host} answered {} with something else than asked for: {reason}", self.what),
        };
        let class = ErrorClass::Transient;
        Failure { class, message, retry_after: None, answer_lost: true, unsent: false, invalid_grant: false }
    }

    /// Any answer that is an error; it came `now`.
    pub(super) fn refused(self, response: &Response, now: Timestamp) -> Failure {
        // A date is by the server's clock: this machine's may be days off.
        let now = response.date.unwrap_or(now);
        let answer = token_error::decode(&response.body);
        let named = answer.clone().unwrap_or_default();
        let class = classify(self.rules, response.status, &named);
        Failure {
            class,
            message: self.message(response, answer.as_ref(), class),
            retry_after: response.retry_after.as_deref().and_then(|value| retry_after::decode(value, now)),
            // A gateway says 502 when the server behind it may have done the work.
            answer_lost: class == ErrorClass::Transient && response.status >= 500,
            unsent: false,
            invalid_grant: named.error.as_deref() == Some("invalid_grant"),
        }
    }

    fn message(self, response: &Response, answer: Option<&TokenError>, class: ErrorClass) -> String {
        let (host, status) = (http::host(self.url), response.status);
        if (300..400).contains(&status) {
            return format!(
                "{host} answered {} with a redirect (HTTP {status}), which is never followed: a wrong endpoint, or a \
                 captive portal",
                self.what
            );
        }
        if answer.is_none() && is_web_page(response) {
            return web_page(&host, status);
        }
        let verb = if class == ErrorClass::Transient { "could not answer" } else { "refused" };
        let words = answer.and_then(words).unwrap_or_else(|| format!("HTTP {status}"));
        format!("{host} {verb} {}: {words}", self.what)
    }
}

fn is_web_page(response: &Response) -> bool {
    let html = response.content_type.as_deref().is_some_and(|value| value.starts_with("text/html"));
    html || response.body.trim_ascii_start().first() == Some(&b'<')
}

fn web_page(host: &str, status: u16) -> String {
    format!("{host} answered with a web page (HTTP {status}): a captive portal or a proxy may be in between")
}

fn words(answer: &TokenError) -> Option<String> {
    match (&answer.error, &answer.description) {
        (Some(error), Some(text)) => Some(format!("{} ({})", redact::server_text(error), redact::server_text(text))),
        (Some(word), None) | (None, Some(word)) => Some(redact::server_text(word)),
        (None, None) => None,
    }
}

/// What the provider's own table says of an error answer; the first row that fits counts.
pub(super) fn ruled(rules: &[ErrorRule], status: u16, answer: &TokenError) -> Option<ErrorClass> {
    let fits = |rule: &&ErrorRule| {
        rule.status.is_none_or(|expected| expected == status)
            && rule.error.as_deref().is_none_or(|expected| answer.error.as_deref() == Some(expected))
            && rule.suberror.as_deref().is_none_or(|expected| answer.suberrors.iter().any(|s| s == expected))
    };
    rules.iter().find(fits).map(|rule| rule.class)
}

/// The class of an error answer.
pub(super) fn classify(rules: &[ErrorRule], status: u16, answer: &TokenError) -> ErrorClass {
    use ErrorClass::{Dead, Denied, Misconfigured, Transient};
    if let Some(class) = ruled(rules, status, answer) {
        return class;
    }
    match answer.error.as_deref() {
        Some("invalid_grant" | "interaction_required" | "login_required" | "consent_required") => Dead,
        Some("access_denied") => Denied,
        Some(
            "invalid_client"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "invalid_scope"
            | "invalid_request"
            | "invalid_target"
            | "unsupported_token_type",
        ) => Misconfigured,
        _ => Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn response(status: u16, content_type: &str, body: &str) -> Response {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Response {
            status,
            content_type: Some(content_type.into()),
            retry_after: None,
            location: None,
            date: None,
            body,
        }
    }

    fn asked(rules: &[ErrorRule]) -> Asked<'_> {
        Asked { url: "https://issuer.example/token", what: "the refresh", rules }
    }

    #[test]
    fn errors_are_classed_by_what_is_done_next() {
        use ErrorClass::{Dead, Denied, Misconfigured, Transient};
        let cases = [
            (400, "invalid_grant", Dead, false),
            (200, "invalid_grant", Dead, false),
            (500, "invalid_grant", Dead, false),
            (400, "interaction_required", Dead, false),
            (400, "login_required", Dead, false),
            (400, "consent_required", Dead, false),
            (403, "access_denied", Denied, false),
            (401, "invalid_client", Misconfigured, false),
            (400, "unauthorized_client", Misconfigured, false),
            (400, "unsupported_grant_type", Misconfigured, false),
            (400, "invalid_scope", Misconfigured, false),
            (400, "invalid_request", Misconfigured, false),
            (400, "slow_down", Transient, false),
            (400, "something_new", Transient, false),
            (429, "rate_limited", Transient, false),
            (503, "temporarily_unavailable", Transient, true),
            (500, "server_error", Transient, true),
        ];
        for (status, error, class, answer_lost) in cases {
            let body = format!(r#"{{"error":"{error}"}}"#);
            let failure = asked(&[]).refused(&response(status, "application/json", &body), Timestamp(0));
            assert_eq!((failure.class, failure.answer_lost), (class, answer_lost), "{status} {error}");
            assert_eq!(failure.invalid_grant, error == "invalid_grant");
        }
        for (status, answer_lost) in [(401, false), (404, false), (408, false), (302, false), (502, true), (504, true)]
        {
            let failure = asked(&[]).refused(&response(status, "text/plain", "no"), Timestamp(0));
            assert_eq!((failure.class, failure.answer_lost), (Transient, answer_lost), "{status}");
        }
    }

    #[test]
    fn the_providers_table_comes_first_and_its_first_fit_counts() {
        let row = |status, error: Option<&str>, suberror: Option<&str>, class| ErrorRule {
            status,
            error: error.map(str::to_owned),
            suberror: suberror.map(str::to_owned),
            class,
        };
        let rules = [
            row(None, Some("invalid_grant"), Some("retry_me"), ErrorClass::Transient),
            row(Some(403), None, None, ErrorClass::Denied),
            row(None, Some("invalid_grant"), Some("retry_me"), ErrorClass::Misconfigured),
        ];
        let class = |status, body: &str| asked(&rules).refused(&response(status, "x", body), Timestamp(0)).class;
        assert_eq!(class(400, r#"{"error":"invalid_grant","suberror":"retry_me"}"#), ErrorClass::Transient);
        assert_eq!(class(400, r#"{"error":"invalid_grant"}"#), ErrorClass::Dead);
        assert_eq!(class(403, "<html>"), ErrorClass::Denied);
    }

    #[test]
    fn messages_say_what_happened_and_hold_no_token() {
        let message =
            |status, kind: &str, body: &str| asked(&[]).refused(&response(status, kind, body), Timestamp(0)).message;
        let json = "application/json";
        assert_eq!(
            message(400, json, r#"{"error":"invalid_grant","error_description":"token expired"}"#),
            "issuer.example refused the refresh: invalid_grant (token expired)"
        );
        assert_eq!(message(503, "text/plain", "busy"), "issuer.example could not answer the refresh: HTTP 503");
        assert!(message(503, "text/html; charset=utf-8", "<h1>").contains("captive portal"));
        assert!(message(302, json, "").contains("redirect (HTTP 302)"));
        let token = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ";
        let body = format!(r#"{{"error":"x","error_description":"{token}\u001b[2J"}}"#);
        let shown = message(400, json, &body);
        assert!(!shown.contains(&token[..10]) && !shown.contains('\u{1b}'), "{shown}");
    }
}

//! The second step: a login's token is shown to an endpoint that gives the short-lived one which the API takes.

use std::time::Duration;

use super::Failure;
use super::failure::{self, Asked};
use crate::clock::{Clock, Moment};
use crate::oauth::http::{Body, Http, Request, Response};
use crate::oauth::second_step::{self, Pointers};
use crate::oauth::token_error;
use crate::provider::is_secure_url;
use crate::provider::schema::{ErrorClass, Method, SecondStep};
use crate::redact;
use crate::secret::Secret;

/// What the second step brought.
#[derive(Debug)]
pub struct Stepped {
    /// The token.
    pub token: Secret,
    /// When it came.
    pub obtained: Moment,
    /// How long it lasts; `None` if nobody says.
    pub lifetime: Option<Duration>,
    /// When the server wants it to be fetched anew, counted from then.
    pub refresh_in: Option<Duration>,
    /// Where the API is: https, or this machine.
    pub api_base: Option<String>,
}

/// Why it brought nothing.
#[derive(Debug)]
pub struct StepRefused {
    /// What is done next.
    pub failure: Failure,
    /// The endpoint did not take the login's token (401): a newer one may do.
    pub unauthorized: bool,
}

/// Asks once.
pub async fn second_step(
    http: &Http,
    clock: &dyn Clock,
    step: &SecondStep,
    access: &Secret,
) -> Result<Stepped, StepRefused> {
    let asked = Asked { url: &step.url, what: "the second step", rules: &step.errors };
    let body = match step.method {
        Method::Get => None,
        Method::Post => Some(Body { content_type: "application/json", bytes: zeroize::Zeroizing::default() }),
    };
    let request = Request {
        url: step.url.clone(),
        headers: step.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        authorization: Some(Secret::from(format!("{} {}", step.scheme, &*access.expose()))),
        body,
        repeatable: true,
        ..Request::default()
    };
    let again = |failure| StepRefused { failure, unauthorized: false };
    let response = http.send(request).await.map_err(|error| again(asked.unanswered(error)))?;
    let now = clock.moment();
    if !(200..300).contains(&response.status) {
        let mut refused = refused(asked, &response, now);
        refused.failure.message = redact::echo(&refused.failure.message, &access.expose());
        return Err(refused);
    }
    let read = second_step::decode(&response.body, pointers(step), response.date.unwrap_or(now.wall));
    let read = read.map_err(|error| again(asked.unreadable(&response, &error.to_string())))?;
    Ok(Stepped {
        token: read.token,
        obtained: now,
        lifetime: read.lifetime,
        refresh_in: read.refresh_in,
        // Anything else would take the token to whoever listens on the way.
        api_base: read.api_base.filter(|url| is_secure_url(url)),
    })
}

fn pointers(step: &SecondStep) -> Pointers<'_> {
    Pointers {
        token: &step.token,
        expires_at: step.expires_at.as_deref(),
        expires_in: step.expires_in.as_deref(),
        refresh_in: step.refresh_in.as_deref(),
        api_base: step.api_base.as_deref(),
    }
}

/// 401, 403 and 404 are refusals whatever else the answer says; only the provider's table can say that one is the end.
fn refused(asked: Asked<'_>, response: &Response, now: Moment) -> StepRefused {
    let answer = token_error::decode(&response.body).unwrap_or_default();
    let ruled = failure::ruled(asked.rules, response.status, &answer);
    let mut failure = asked.refused(response, now.wall);
    failure.class = match (ruled, response.status) {
        (Some(class), _) => class,
        (None, 401 | 403 | 404) => ErrorClass::Denied,
        (None, _) if failure.class == ErrorClass::Dead => ErrorClass::Denied,
        (None, _) => failure.class,
    };
    // Nothing was redeemed.
    failure.answer_lost = false;
    failure.invalid_grant = false;
    StepRefused { failure, unauthorized: response.status == 401 && ruled.is_none() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::oauth::canned::{Answer, Canned, Seen, answer};
    use crate::oauth::http::HttpOptions;

    const STEP: &str = "scheme = 'token'\nheaders = { editor-version = 'cred-helper/1' }\ntoken = '/token'\n\
                        expires_at = '/expires_at'\nrefresh_in = '/refresh_in'\napi_base = '/endpoints/api'\n";

    async fn ask(
        toml: &str,
        respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> (Result<Stepped, StepRefused>, Seen) {
        let server = Canned::start(respond).await;
        let step: SecondStep =
            toml::from_str(&format!("url = '{}'\n{STEP}{toml}", server.url("/second"))).expect("TOML");
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let access = Secret::from("gho_of-the-login".to_owned());
        let result = second_step(&http, &SystemClock, &step, &access).await;
        (result, server.seen().pop().expect("asked"))
    }

    #[tokio::test]
    async fn the_logins_token_is_shown_and_another_comes_back() {
        let end = SystemClock.now().0 + 1800;
        let body = format!(
            r#"{{"token":"short","expires_at":{end},"refresh_in":1500,"endpoints":{{"api":"https://a.example"}}}}"#
        );
        let (result, seen) = ask("", move |_| answer(200, &body)).await;
        assert_eq!(seen.header("authorization"), "token gho_of-the-login");
        assert_eq!((seen.header("editor-version"), seen.body.as_str()), ("cred-helper/1", ""));
        assert!(seen.header("user-agent").starts_with("cred-helper/"));
        let stepped = result.expect("stepped");
        assert_eq!((&*stepped.token.expose(), stepped.api_base.as_deref()), ("short", Some("https://a.example")));
        assert!(stepped.lifetime.is_some_and(|life| (1795..=1800).contains(&life.as_secs())));
    }

    #[tokio::test]
    async fn a_token_goes_nowhere_that_anybody_can_listen_at() {
        for base in ["http://a.example", "ftp://a.example", "//a.example", "x"] {
            let body = format!(r#"{{"token":"short","endpoints":{{"api":"{base}"}}}}"#);
            let (result, _) = ask("method = 'POST'", move |_| answer(200, &body)).await;
            assert_eq!(result.expect("stepped").api_base, None, "{base}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_no_death_unless_the_table_says_so() {
        use ErrorClass::{Dead, Denied, Transient};
        let dead = "[[errors]]\nstatus = 401\nclass = 'dead'";
        let cases = [
            ("", 401, r#"{"message":"Bad credentials"}"#, Denied, true),
            ("", 403, r#"{"message":"no access"}"#, Denied, false),
            ("", 404, "", Denied, false),
            ("", 400, r#"{"error":"invalid_grant"}"#, Denied, false),
            (dead, 401, "", Dead, false),
            (dead, 403, "", Denied, false),
            ("", 429, "", Transient, false),
            ("", 502, "<html>", Transient, false),
            ("", 200, "<html>", Transient, false),
        ];
        for (table, status, body, class, unauthorized) in cases {
            let (result, _) = ask(table, move |_| answer(status, body)).await;
            let refused = result.expect_err("refused");
            assert_eq!((refused.failure.class, refused.unauthorized), (class, unauthorized), "{status} {table}");
        }
        let echo = r#"{"message":"gho_of-the-login is not welcome"}"#;
        let (result, _) = ask("", move |_| answer(403, echo)).await;
        let message = result.expect_err("refused").failure.message;
        assert!(message.contains("not welcome") && !message.contains("gho_of"), "{message}");
    }
}

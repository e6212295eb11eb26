//! Refreshing (RFC 6749 section 6). One request, one answer: when to try again is decided by who has the grant.

use super::exchange::Exchange;
use super::{Failure, Granted, RefreshRequest};
use crate::clock::Clock;
use crate::oauth::http::Http;
use crate::oauth::token_request::Parameters;
use crate::provider::schema::Rotation;

/// Redeems a refresh token. In the answer, `tokens.refresh` is `None` if the server sent none: the old one goes on
/// working. `tokens.scope` is empty if the server doesn't name the scope: it is then as asked for, or as granted.
pub async fn refresh(http: &Http, clock: &dyn Clock, request: RefreshRequest<'_>) -> Result<Granted, Failure> {
    let RefreshRequest { provider, token_endpoint, client, refresh_token, scope, audience, issuer } = request;
    let scope = scope.join(" ");
    let parameters = Parameters::default()
        .with("grant_type", "refresh_token")
        .with("refresh_token", &refresh_token.expose())
        .with_some("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()))
        .with_some(provider.token.audience.name(), audience);
    let exchange = Exchange {
        provider,
        token_endpoint,
        client,
        parameters,
        what: "the refresh",
        issuer,
        nonce: None,
        id_token_decides: false,
        // To a strict server the second of two is a stolen token: it is given all the time there is. Others answer both.
        repeatable: provider.refresh.rotation != Rotation::Strict,
    };
    exchange.run(http, clock).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, Timestamp};
    use crate::grant::Client;
    use crate::oauth::canned::{Answer, Canned, Seen, answer};
    use crate::oauth::http::HttpOptions;
    use crate::provider::Provider;
    use crate::provider::schema::ErrorClass;
    use crate::secret::Secret;
    use crate::token::ClientAuthentication;

    async fn ask(provider: &str, respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Asked {
        let server = Canned::start(respond).await;
        let provider: Provider = toml::from_str(provider).expect("TOML");
        let secret = Some(Secret::from("s".to_owned()));
        let client = Client { id: "c".into(), secret, authentication: ClientAuthentication::None, key: None };
        let request = RefreshRequest {
            provider: &provider,
            token_endpoint: &server.url("/token"),
            client: &client,
            refresh_token: &Secret::from("old refresh".to_owned()),
            scope: &["b".into(), "a".into()],
            audience: Some("https://api.example"),
            issuer: Some("https://i"),
        };
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let result = refresh(&http, &SystemClock, request).await;
        Asked { result, seen: server.seen().pop().expect("a request") }
    }

    struct Asked {
        result: Result<Granted, Failure>,
        seen: Seen,
    }

    #[tokio::test]
    async fn a_refresh_is_a_form_and_its_answer_becomes_tokens() {
        let body = r#"{"access_token":"new","token_type":"bearer","expires_in":60,"scope":"b a"}"#;
        let asked = ask("[token]\nparameters = { grant_type = 'x', extra = 'e' }", |_| answer(200, body)).await;
        let form = |name| asked.seen.form(name);
        assert_eq!(form("grant_type").as_deref(), Some("refresh_token"));
        assert_eq!(form("refresh_token").as_deref(), Some("old refresh"));
        assert_eq!((form("scope").as_deref(), form("resource").as_deref()), (Some("b a"), Some("https://api.example")));
        assert_eq!((form("client_id").as_deref(), form("extra").as_deref()), (Some("c"), Some("e")));
        let tokens = asked.result.expect("granted").tokens;
        assert_eq!((&*tokens.access.expose(), tokens.refresh.is_none()), ("new", true));
        assert_eq!(tokens.scope, ["a", "b"]);
        assert_eq!(tokens.expires_at, Some(Timestamp(tokens.obtained_at.0 + 60)));
    }

    #[tokio::test]
    async fn a_json_provider_gets_json_and_its_headers() {
        let provider = "[token]\nbody = 'json'\naudience = 'audience'\nheaders = { x-beta = 'one' }";
        let asked = ask(provider, |_| answer(200, r#"{"access_token":"new","refresh_token":"r2"}"#)).await;
        let body: serde_json::Value = serde_json::from_str(&asked.seen.body).expect("JSON");
        assert_eq!((&body["refresh_token"], &body["audience"]), (&"old refresh".into(), &"https://api.example".into()));
        assert_eq!((asked.seen.header("content-type"), asked.seen.header("x-beta")), ("application/json", "one"));
        let tokens = asked.result.expect("granted").tokens;
        assert_eq!(&*tokens.refresh.expect("rotated").expose(), "r2");
        assert_eq!((tokens.expires_at, tokens.scope.len()), (None, 0));
    }

    #[tokio::test]
    async fn a_strange_id_token_costs_no_rotated_grant() {
        let body = r#"{"access_token":"new","refresh_token":"r2","id_token":"a.b.c"}"#;
        let tokens = ask("", |_| answer(200, body)).await.result.expect("granted").tokens;
        assert!(tokens.id.is_none() && tokens.refresh.is_some());
    }

    #[tokio::test]
    async fn a_short_token_that_the_server_repeats_is_not_told() {
        let body = r#"{"error":"invalid_grant","error_description":"old refresh was used, and so was the secret"}"#;
        let failure = ask("", |_| answer(400, body)).await.result.expect_err("refused");
        assert!(
            failure.message.contains("was used") && !failure.message.contains("old refresh"),
            "{}",
            failure.message
        );
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_may_have_rotated() {
        for body in [
            "",
            "<html>login</html>",
            r#"{"access_token":"cut"#,
            "access_token=a",
            r#"{"token":"a"}"#,
            r#"{"message":"m"}"#,
        ] {
            let failure = ask("", |_| answer(200, body)).await.result.expect_err(body);
            assert_eq!((failure.class, failure.answer_lost), (ErrorClass::Transient, true), "{body}");
        }
        let failure = ask("", |_| answer(200, r#"{"error":"invalid_grant"}"#)).await.result.expect_err("refused");
        assert_eq!((failure.class, failure.answer_lost, failure.invalid_grant), (ErrorClass::Dead, false, true));
        let redirect = |_: &Seen| answer(302, "").with("location", "https://portal.example/");
        let failure = ask("", redirect).await.result.expect_err("redirect");
        assert_eq!((failure.class, failure.answer_lost), (ErrorClass::Transient, false));
        let busy = |_: &Seen| answer(429, "").with("retry-after", "7");
        assert_eq!(ask("", busy).await.result.expect_err("busy").retry_after.map(|wait| wait.as_secs()), Some(7));
    }
}

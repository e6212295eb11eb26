//! Revocation: RFC 7009, or as the provider has it instead.

use super::failure::Asked;
use super::{Client, Failure, TokenHint};
use crate::clock::{Clock as _, SystemClock};
use crate::oauth::http::{Http, Request};
use crate::oauth::token_error;
use crate::oauth::token_request::{self, Credentials, Parameters};
use crate::provider::schema::{Body, RevocationMethod, RevocationStep};
use crate::provider::{CLIENT_ID_PLACE, Provider};
use crate::redact;
use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// Revokes a token. A token that the server doesn't know is as good as revoked (section 2.2). `server` is whom the client
/// signs for, where it signs: the issuer, or the token endpoint.
pub async fn revoke(
    http: &Http,
    provider: &Provider,
    (endpoint, server): (&str, &str),
    client: &Client,
    token: &Secret,
    hint: TokenHint,
) -> Result<(), Failure> {
    let hint = match hint {
        TokenHint::Refresh => "refresh_token",
        TokenHint::Access => "access_token",
    };
    let mut sent = vec![token.duplicate()];
    let mut request = match &provider.revocation {
        Some(step) => {
            sent.extend(client.secret.as_ref().map(Secret::duplicate));
            by_step(endpoint, step, client, token)
        }
        None => {
            let parameters = Parameters::default().with("token", &token.expose()).with("token_type_hint", hint);
            let json = provider.token.body == Body::Json;
            let shown = client.show(server, SystemClock.now()).await?;
            sent.extend(shown.secrets());
            token_request::request(endpoint, shown.credentials(), parameters, json)
        }
    };
    request.headers = provider.token.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    // The provider's error table speaks of the token endpoint.
    let url = request.url.clone();
    let asked = Asked { url: &url, what: "the revocation", rules: &[] };
    let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
    match response.status {
        200..300 => Ok(()),
        // Section 2.2 wants 200 for a token that isn't there any more; Google says so in an error.
        400 if says_unknown(&response.body) => Ok(()),
        // Only a Retry-After in the form of a date needs the time.
        _ => {
            let mut failure = asked.refused(&response, SystemClock.now());
            sent.iter().for_each(|secret| failure.message = redact::echo(&failure.message, &secret.expose()));
            Err(failure)
        }
    }
}

/// A request of the provider's own kind.
fn by_step(endpoint: &str, step: &RevocationStep, client: &Client, token: &Secret) -> Request {
    // Whatever the identifier is, it stays in its place.
    let id: String = url::form_urlencoded::byte_serialize(client.id.as_bytes()).collect();
    let url = endpoint.replace(CLIENT_ID_PLACE, &id);
    let authentication = if step.needs_secret { ClientAuthentication::Basic } else { ClientAuthentication::None };
    // Who needs no secret is not asked who they are.
    let id = if step.needs_secret { client.id.as_str() } else { "" };
    let credentials = Credentials { id, secret: client.secret.as_ref(), authentication, assertion: None };
    let parameters = Parameters::default().with(&step.token, &token.expose());
    let request = token_request::request(&url, credentials, parameters, true);
    Request { delete: step.method == RevocationMethod::Delete, ..request }
}

fn says_unknown(body: &[u8]) -> bool {
    token_error::decode(body).is_some_and(|answer| answer.error.as_deref() == Some("invalid_token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::canned::{Answer, Canned, answer};
    use crate::oauth::http::HttpOptions;
    use crate::provider::schema::ErrorClass;

    async fn ask(reply: Answer) -> (Result<(), Failure>, Option<String>, Option<String>) {
        let server = Canned::start(move |_| reply.clone()).await;
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let client = Client { id: "c".into(), secret: None, authentication: ClientAuthentication::None, key: None };
        let (provider, token) = (Provider::from_issuer("https://i"), Secret::from("t".to_owned()));
        let result =
            revoke(&http, &provider, (&server.url("/r"), "https://i"), &client, &token, TokenHint::Refresh).await;
        let seen = server.seen().pop().expect("a request");
        (result, seen.form("token"), seen.form("token_type_hint"))
    }

    #[tokio::test]
    async fn a_token_is_named_with_its_hint_and_any_2xx_will_do() {
        let (result, token, hint) = ask(answer(200, "")).await;
        assert_eq!((result, token.as_deref(), hint.as_deref()), (Ok(()), Some("t"), Some("refresh_token")));
        assert_eq!(ask(answer(204, "")).await.0, Ok(()));
        assert_eq!(ask(answer(400, r#"{"error":"invalid_token"}"#)).await.0, Ok(()));
    }

    #[tokio::test]
    async fn a_provider_that_deletes_tokens_is_asked_in_its_own_way() {
        let server = Canned::start(|_| answer(204, "")).await;
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let (secret, authentication) = (Some(Secret::from("hush".to_owned())), ClientAuthentication::Post);
        let client = Client { id: "a/b".into(), secret, authentication, key: None };
        let mut provider = Provider::from_issuer("https://i");
        let endpoint = server.url("/applications/{client_id}/token");
        let token = Secret::from("t".to_owned());
        for step in ["method = 'DELETE'\nneeds_secret = true", "token = 'credential'"] {
            provider.revocation = Some(toml::from_str(step).expect("TOML"));
            let asked = revoke(&http, &provider, (&endpoint, "https://i"), &client, &token, TokenHint::Access);
            assert_eq!(asked.await, Ok(()));
        }
        let seen = server.seen();
        let [deleted, posted] = &seen[..] else { panic!("two requests") };
        assert_eq!((deleted.method.as_str(), deleted.path.as_str()), ("DELETE", "/applications/a%2Fb/token"));
        assert_eq!(
            (deleted.body.as_str(), deleted.header("authorization")),
            (r#"{"access_token":"t"}"#, "Basic YSUyRmI6aHVzaA==")
        );
        assert_eq!((posted.method.as_str(), posted.body.as_str()), ("POST", r#"{"credential":"t"}"#));
        assert_eq!(posted.header("authorization"), "");
    }

    #[tokio::test]
    async fn a_refusal_says_whether_it_is_worth_asking_again() {
        let failure = ask(answer(400, r#"{"error":"unsupported_token_type"}"#)).await.0.expect_err("refused");
        assert_eq!(failure.class, ErrorClass::Misconfigured);
        let failure = ask(answer(503, "").with("retry-after", "30")).await.0.expect_err("busy");
        assert_eq!((failure.class, failure.retry_after.map(|wait| wait.as_secs())), (ErrorClass::Transient, Some(30)));
    }

    #[tokio::test]
    async fn what_a_server_says_of_the_token_itself_is_not_shown() {
        let server =
            Canned::start(|_| answer(400, r#"{"error":"x","error_description":"rt-9f8e7d of hush-hush?"}"#)).await;
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let secret = Some(Secret::from("hush-hush".to_owned()));
        let client = Client { id: "c".into(), secret, authentication: ClientAuthentication::Post, key: None };
        let (provider, token) = (Provider::from_issuer("https://i"), Secret::from("rt-9f8e7d".to_owned()));
        let places = (&*server.url("/r"), "https://i");
        let failure = revoke(&http, &provider, places, &client, &token, TokenHint::Refresh).await.expect_err("refused");
        assert!(!failure.message.contains("9f8e7d") && !failure.message.contains("hush"), "{}", failure.message);
    }
}

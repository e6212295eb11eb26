//! A server's endpoints: what the provider's TOML fixes, and the rest from the issuer's metadata.

use super::exchange::no_failure;
use super::failure::Asked;
use super::{Endpoints, Failure};
use crate::clock::{Clock as _, SystemClock};
use crate::oauth::http::{Http, Request};
use crate::oauth::metadata::{self, Metadata, MetadataError};
use crate::provider::Provider;
use crate::provider::is_secure_url;
use crate::provider::schema::ErrorClass;
use crate::redact;

/// Finds a provider's endpoints. Explicit ones win; the issuer is asked for those that are missing.
pub async fn endpoints(http: &Http, provider: &Provider) -> Result<Endpoints, Failure> {
    let complete = provider.has_its_endpoints();
    let found = match provider.issuer.as_deref().filter(|_| provider.discovery) {
        Some(issuer) => discover(http, issuer, complete).await?,
        None => None,
    };
    merge(provider, found).map_err(misconfigured)
}

fn misconfigured(message: String) -> Failure {
    Failure { class: ErrorClass::Misconfigured, message, ..no_failure() }
}

/// Asks both well-known places. `Ok(None)`: there is no metadata, and none is needed.
async fn discover(http: &Http, issuer: &str, complete: bool) -> Result<Option<Metadata>, Failure> {
    let shown = redact::url(issuer);
    let locations = metadata::locations(issuer)
        .filter(|_| is_secure_url(issuer))
        .ok_or_else(|| misconfigured(format!("{shown} is no issuer: it has to be an https URL without a query")))?;
    let (mut refused, mut intercepted) = (None::<MetadataError>, None::<Failure>);
    for url in &locations {
        let asked = Asked { url, what: "the question for its metadata", rules: &[] };
        let request = Request { url: url.clone(), ..Request::default() };
        let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
        match response.status {
            200 => match metadata::decode(&response.body, issuer) {
                Ok(metadata) => return Ok(Some(metadata)),
                // The other place may hold the right one; a document of another issuer is the better message.
                Err(error) => {
                    intercepted = intercepted.or_else(|| asked.intercepted(&response));
                    refused = refused.filter(|_| error == MetadataError::NotMetadata).or(Some(error));
                }
            },
            status if status >= 500 || status == 408 || status == 429 => {
                return Err(asked.refused(&response, SystemClock.now()));
            }
            _ => {}
        }
    }
    match (refused, intercepted) {
        (Some(MetadataError::NotMetadata), Some(intercepted)) => Err(intercepted),
        (Some(error), _) => Err(misconfigured(format!("the metadata of {shown} was refused: {error}"))),
        (None, _) if complete => Ok(None),
        (None, _) => Err(misconfigured(format!(
            "{shown} publishes no metadata: is it the issuer's exact URL? Without metadata, `token_endpoint` and \
             `authorization_endpoint` have to be in the configuration"
        ))),
    }
}

fn merge(provider: &Provider, found: Option<Metadata>) -> Result<Endpoints, String> {
    let iss_parameter = found.as_ref().is_some_and(|m| m.authorization_response_iss_parameter_supported);
    // The issuer as the server writes it: that is what ID tokens and redirects name.
    let issuer = found.as_ref().map(|m| m.issuer.clone()).or_else(|| provider.issuer.clone());
    let pick = |name: &str, fixed: &Option<String>, get: fn(&Metadata) -> &Option<String>| {
        let url = fixed.clone().or_else(|| found.as_ref().and_then(|metadata| get(metadata).clone()));
        match url {
            Some(url) if !is_secure_url(&url) => {
                Err(format!("the {name} of {} is neither https nor on this machine", provider.title))
            }
            url => Ok(url),
        }
    };
    let token = pick("token endpoint", &provider.token_endpoint, |m| &m.token_endpoint)?;
    Ok(Endpoints {
        issuer,
        token: token.ok_or_else(|| format!("{} has no token endpoint", provider.title))?,
        authorization: pick("authorization endpoint", &provider.authorization_endpoint, |m| &m.authorization_endpoint)?,
        revocation: pick("revocation endpoint", &provider.revocation_endpoint, |m| &m.revocation_endpoint)?,
        device_authorization: pick("device authorization endpoint", &provider.device_authorization_endpoint, |m| {
            &m.device_authorization_endpoint
        })?,
        userinfo: pick("userinfo endpoint", &provider.userinfo_endpoint, |m| &m.userinfo_endpoint)?,
        iss_parameter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::canned::{Answer, Canned, answer};
    use crate::oauth::http::HttpOptions;

    async fn find(toml: &str, respond: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Found {
        let make = |origin: &str| {
            let origin = origin.to_owned();
            move |seen: &crate::oauth::canned::Seen| respond(&origin, &seen.path)
        };
        let server = Canned::start_with(make).await;
        let provider: Provider =
            toml::from_str(&format!("issuer = '{}'\n{toml}", server.url("/tenant"))).expect("TOML");
        let http = Http::new(HttpOptions::default()).expect("HTTP");
        let result = endpoints(&http, &provider).await;
        Found {
            result,
            asked: server.seen().into_iter().map(|seen| seen.path).collect(),
            issuer: server.url("/tenant"),
        }
    }

    struct Found {
        result: Result<Endpoints, Failure>,
        asked: Vec<String>,
        issuer: String,
    }

    fn document(origin: &str, extra: &str) -> String {
        format!(
            r#"{{"issuer":"{origin}/tenant","token_endpoint":"{origin}/t",
                "authorization_endpoint":"https://a.example/auth","revocation_endpoint":"https://a.example/rev"{extra}}}"#
        )
    }

    #[tokio::test]
    async fn openid_metadata_is_asked_first_and_what_is_configured_wins() {
        let promise = r#","authorization_response_iss_parameter_supported":true"#;
        let found = find("revocation_endpoint = 'https://mine.example/rev'", move |origin, path| match path {
            "/tenant/.well-known/openid-configuration" => answer(200, &document(origin, promise)),
            _ => answer(404, ""),
        })
        .await;
        let endpoints = found.result.expect("found");
        assert_eq!(endpoints.issuer, Some(found.issuer));
        assert_eq!(endpoints.revocation.as_deref(), Some("https://mine.example/rev"));
        assert_eq!(endpoints.authorization.as_deref(), Some("https://a.example/auth"));
        assert!(endpoints.iss_parameter && endpoints.device_authorization.is_none());
        assert_eq!(found.asked.len(), 1);
    }

    #[tokio::test]
    async fn rfc_8414_is_asked_next() {
        for first in [answer(404, ""), answer(200, "<html>"), answer(200, r#"{"issuer":"https://evil.example"}"#)] {
            let found = find("", move |origin, path| match path {
                "/.well-known/oauth-authorization-server/tenant" => answer(200, &document(origin, "")),
                _ => first.clone(),
            })
            .await;
            assert!(found.result.is_ok() && found.asked.len() == 2, "{:?}", found.result);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_metadata_is_said() {
        let failure = |body: &'static str, toml: &'static str| async move {
            let found = find(toml, move |origin, _| answer(200, &body.replace("ORIGIN", origin))).await;
            found.result.expect_err(body)
        };
        let cases = [
            (r#"{"issuer":"https://evil.example"}"#, "another issuer: https://evil.example"),
            ("[]", "no authorization server metadata"),
            (r#"{"issuer":"ORIGIN/tenant","code_challenge_methods_supported":["plain"]}"#, "S256"),
            (r#"{"issuer":"ORIGIN/tenant","token_endpoint":"http://a.example/t"}"#, "neither https"),
            (r#"{"issuer":"ORIGIN/tenant"}"#, "no token endpoint"),
        ];
        for (body, expected) in cases {
            let failure = failure(body, "").await;
            assert_eq!(failure.class, ErrorClass::Misconfigured);
            assert!(failure.message.contains(expected), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn a_web_page_where_the_metadata_was_due_is_somebody_in_between() {
        let failure = find("", |_, _| answer(200, "<html>Accept our terms</html>")).await.result.expect_err("a portal");
        assert_eq!((failure.class, failure.answer_lost), (ErrorClass::Transient, false));
        assert!(failure.message.contains("captive portal"), "{}", failure.message);
    }

    #[tokio::test]
    async fn no_metadata_is_an_error_only_where_it_is_needed() {
        let missing = |_: &str, _: &str| answer(404, "");
        let failure = find("", missing).await.result.expect_err("missing");
        assert!(failure.message.contains("publishes no metadata"), "{}", failure.message);
        let toml = "token_endpoint = 'https://a.example/t'\nauthorization_endpoint = 'https://a.example/a'";
        assert_eq!(find(toml, missing).await.result.expect("complete").token, "https://a.example/t");
        let failure = find("", |_, _| answer(503, "").with("retry-after", "3")).await.result.expect_err("busy");
        assert_eq!((failure.class, failure.retry_after.map(|w| w.as_secs())), (ErrorClass::Transient, Some(3)));
    }
}

//! An ID token for a role's credentials: AWS STS's AssumeRoleWithWebIdentity, which needs no other credential.

use super::Failure;
use super::failure::Asked;
use crate::clock::{Clock, Moment};
use crate::oauth::http::{self, Http, Response};
use crate::oauth::sts::{self, Assumed, Refusal};
use crate::oauth::token_request::{Credentials, Parameters, request};
use crate::provider::schema::ErrorClass;
use crate::redact;
use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// Which role is asked for, and where.
#[derive(Clone, Copy, Debug)]
pub struct WebIdentity<'a> {
    /// The service's URL.
    pub endpoint: &'a str,
    /// The role's ARN.
    pub role_arn: &'a str,
    /// The session's name.
    pub session_name: &'a str,
    /// Seconds that the credentials are to last.
    pub lifetime: Option<u64>,
}

/// Why there are no credentials.
#[derive(Debug)]
pub struct NotAssumed {
    /// What is done next.
    pub failure: Failure,
    /// It is the ID token that is refused: a newer one may do.
    pub stale: bool,
}

/// Asks once; also gives when the answer came.
pub async fn assume_role(
    http: &Http,
    clock: &dyn Clock,
    asked: WebIdentity<'_>,
    id_token: &Secret,
) -> Result<(Assumed, Moment), NotAssumed> {
    let WebIdentity { endpoint, role_arn, session_name, lifetime } = asked;
    let conversation = Asked { url: endpoint, what: "the assuming of the role", rules: &[] };
    let nobody = Credentials { id: "", secret: None, authentication: ClientAuthentication::None, assertion: None };
    let lifetime = lifetime.map(|seconds| seconds.to_string());
    let parameters = Parameters::default()
        .with("Action", "AssumeRoleWithWebIdentity")
        .with("Version", "2011-06-15")
        .with("RoleArn", role_arn)
        .with("RoleSessionName", session_name)
        .with_some("DurationSeconds", lifetime.as_deref())
        .with("WebIdentityToken", &id_token.expose());
    let mut request = request(endpoint, nobody, parameters, false);
    request.headers.push(("accept".to_owned(), "text/xml".to_owned()));
    request.repeatable = true;
    let again = |failure| NotAssumed { failure: Failure { answer_lost: false, ..failure }, stale: false };
    let response = http.send(request).await.map_err(|error| again(conversation.unanswered(error)))?;
    let now = clock.moment();
    if !(200..300).contains(&response.status) {
        return Err(refused(endpoint, &response, now, id_token));
    }
    let assumed = sts::decode(&response.body, response.date.unwrap_or(now.wall));
    let assumed = assumed.map_err(|error| again(conversation.unreadable(&response, &error.to_string())))?;
    Ok((assumed, now))
}

/// By the service's own codes; what is unknown is asked again later.
fn refused(endpoint: &str, response: &Response, now: Moment, id_token: &Secret) -> NotAssumed {
    let Refusal { code, message } = sts::decode_refusal(&response.body);
    let class = match code.as_deref() {
        Some("AccessDenied" | "ExpiredTokenException" | "IDPRejectedClaim" | "InvalidIdentityToken") => {
            ErrorClass::Denied
        }
        Some("MalformedPolicyDocument" | "RegionDisabledException" | "ValidationError") => ErrorClass::Misconfigured,
        _ => ErrorClass::Transient,
    };
    let words = match (&code, &message) {
        (Some(code), Some(message)) => format!("{} ({})", redact::server_text(code), redact::server_text(message)),
        (Some(word), None) | (None, Some(word)) => redact::server_text(word),
        (None, None) => format!("HTTP {}", response.status),
    };
    let message = format!("{} refused the role: {}", http::host(endpoint), redact::echo(&words, &id_token.expose()));
    let stale = matches!(code.as_deref(), Some("ExpiredTokenException" | "InvalidIdentityToken"));
    let plain = Asked { url: endpoint, what: "the assuming of the role", rules: &[] }.refused(response, now.wall);
    NotAssumed { failure: Failure { class, message, answer_lost: false, invalid_grant: false, ..plain }, stale }
}

//! A device login that ends in an authorization code: the provider is asked, as JSON, whether the person has signed in, and
//! what it gives then is exchanged as after a redirect. It makes the code verifier itself, so PKCE binds nothing here: what
//! protects the login is that nobody else knows its identifier.

use super::Pace;
use crate::clock::Clock;
use crate::grant::exchange::{Exchange, Refusal};
use crate::grant::failure::Asked;
use crate::grant::{Endpoints, Failure, Granted, LoginError, LoginRequest};
use crate::oauth::device_authorization::{self, DeviceAuthorization, DeviceCode};
use crate::oauth::http::{Http, Response};
use crate::oauth::token_error;
use crate::oauth::token_request::{self, Credentials, Parameters};
use crate::provider::schema::DeviceStep;
use crate::redact;
use crate::token::ClientAuthentication;

const WHAT: &str = "the device login";

pub(super) async fn ask_until_granted(
    http: &Http,
    clock: &dyn Clock,
    (login, step): (&LoginRequest, &DeviceStep),
    endpoints: &Endpoints,
    device: &DeviceAuthorization,
) -> Result<Granted, LoginError> {
    let mut pace = Pace { interval: device.interval, wait: device.interval };
    let DeviceCode { code, verifier } = loop {
        tokio::time::sleep(pace.wait).await;
        match ask(http, clock, step, device).await {
            Ok(code) => break code,
            Err(refusal) => pace.slow(refusal, &login.provider.title)?,
        }
    };
    let exchange = Exchange {
        provider: &login.provider,
        token_endpoint: &endpoints.token,
        client: &login.client,
        parameters: Parameters::default()
            .with("grant_type", "authorization_code")
            .with("code", &code.expose())
            .with("redirect_uri", &step.redirect_uri)
            .with("code_verifier", &verifier.expose()),
        what: WHAT,
        issuer: endpoints.issuer.as_deref(),
        nonce: None,
        id_token_decides: true,
        repeatable: false,
    };
    Ok(exchange.run(http, clock).await?)
}

/// Asks once whether the person has signed in.
async fn ask(
    http: &Http,
    clock: &dyn Clock,
    step: &DeviceStep,
    device: &DeviceAuthorization,
) -> Result<DeviceCode, Refusal> {
    let parameters =
        Parameters::default().with(&step.identifier, &device.device_code.expose()).with("user_code", &device.user_code);
    // The identifier says enough: neither the client nor its secret is asked for.
    let nobody = Credentials { id: "", secret: None, authentication: ClientAuthentication::None, assertion: None };
    let request = token_request::request(&step.poll_endpoint, nobody, parameters, true);
    let asked = Asked { url: &step.poll_endpoint, what: WHAT, rules: &[] };
    let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
    if (200..300).contains(&response.status) {
        let code = device_authorization::decode_code(&response.body);
        return code.map_err(|error| asked.unreadable(&response, &error.to_string()).into());
    }
    let failure = asked.refused(&response, clock.now());
    let message = redact::echo(&failure.message, &device.device_code.expose());
    Err(Refusal { failure: Failure { message, ..failure }, error: word(step, &response), ruled: false })
}

/// RFC 8628's word for the answer: where a status says that the person has not signed in yet, only the RFC's own words mean
/// something else.
fn word(step: &DeviceStep, response: &Response) -> Option<String> {
    let error = token_error::decode(&response.body).and_then(|answer| answer.error);
    let known = |word: &String| matches!(word.as_str(), "slow_down" | "access_denied" | "expired_token");
    match step.pending.contains(&response.status) {
        true => Some(error.filter(known).unwrap_or_else(|| "authorization_pending".to_owned())),
        false => error,
    }
}

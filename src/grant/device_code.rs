//! The device authorization grant (RFC 8628): the person signs in anywhere, this machine keeps asking. Where the provider's
//! own device login ends in an authorization code, `by_code` asks.

mod by_code;

use std::time::Duration;

use tokio::time::Instant;

use super::authorization_code::{authorized, timed_out};
use super::exchange::{Exchange, Refusal};
use super::failure::Asked;
use super::{Authorized, Endpoints, LoginChannel, LoginError, LoginEvent, LoginRequest};
use crate::clock::Clock;
use crate::ipc::message::login::Stage;
use crate::oauth::device_authorization::{self, DeviceAuthorization};
use crate::oauth::http::Http;
use crate::oauth::token_request::{self, Parameters};
use crate::provider::schema::{Body, ErrorClass};
use crate::redact;

/// Section 3.5: what `slow_down` adds, for good.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// A server that doesn't answer is asked less and less often, down to this.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

pub(super) async fn log_in(
    http: &Http,
    clock: &dyn Clock,
    request: LoginRequest,
    endpoints: Endpoints,
    channel: LoginChannel,
) -> Result<Authorized, LoginError> {
    let device = authorize(http, clock, &request, &endpoints).await?;
    let limit = device.expires_in.min(request.time_limit);
    // Whoever doesn't listen any more drops the login.
    let _ = channel.events.send(LoginEvent::Authorize {
        url: device.verification_uri.clone(),
        user_code: Some(device.user_code.clone()),
        url_complete: device.verification_uri_complete.clone(),
        redirect: false,
        paste: false,
        expires_at: clock.now() + limit,
    });
    let _ = channel.events.send(LoginEvent::Stage(Stage::Waiting));
    let asking = async {
        match &request.provider.device {
            None => ask_until_granted(http, clock, &request, &endpoints, &device).await,
            Some(step) => by_code::ask_until_granted(http, clock, (&request, step), &endpoints, &device).await,
        }
    };
    let granted = tokio::time::timeout_at(Instant::now() + limit, asking)
        .await
        .map_err(|_| LoginError::TimedOut(timed_out(&request.provider.title, limit)))??;
    Ok(authorized(http, request, endpoints, granted).await)
}

/// Section 3.1.
async fn authorize(
    http: &Http,
    clock: &dyn Clock,
    login: &LoginRequest,
    endpoints: &Endpoints,
) -> Result<DeviceAuthorization, LoginError> {
    let url = endpoints.device_authorization.as_deref().unwrap_or_default();
    let provider = &*login.provider;
    // Section 3.1 wants the client identifier in the body, whatever the authentication.
    let mut parameters = Parameters::default().with("client_id", &login.client.id);
    if provider.device.is_none() {
        let scope = login.scope.join(" ");
        parameters = parameters.with_some("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()));
        let extra = provider.authorization.parameters.iter();
        parameters = extra.fold(parameters, |parameters, (name, value)| parameters.with(name, value));
    }
    let json = provider.token.body == Body::Json || provider.device.is_some();
    let shown = login.client.show(endpoints.issuer.as_deref().unwrap_or(&endpoints.token), clock.now()).await?;
    let mut request = token_request::request(url, shown.credentials(), parameters, json);
    request.headers = provider.token.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let asked = Asked { url, what: "the device login", rules: &provider.errors };
    let response = http.send(request).await.map_err(|error| asked.unanswered(error))?;
    if response.status == 404 && provider.device.is_some() {
        let why = "its device login is not there, or not allowed for this client: sign in with a browser";
        return Err(LoginError::Impossible(format!("{}: {why}", provider.title)));
    }
    if !(200..300).contains(&response.status) {
        let mut failure = asked.refused(&response, clock.now());
        shown.secrets().for_each(|secret| failure.message = redact::echo(&failure.message, &secret.expose()));
        return Err(failure.into());
    }
    let device = match &provider.device {
        None => device_authorization::decode(&response.body),
        Some(step) => device_authorization::decode_at(&response.body, &step.identifier, &step.page)
            .map(|device| DeviceAuthorization { expires_in: device.expires_in.min(step.lifetime), ..device }),
    };
    Ok(device.map_err(|error| asked.unreadable(&response, &error.to_string()))?)
}

/// Section 3.4 and 3.5.
async fn ask_until_granted(
    http: &Http,
    clock: &dyn Clock,
    login: &LoginRequest,
    endpoints: &Endpoints,
    device: &DeviceAuthorization,
) -> Result<super::Granted, LoginError> {
    let mut pace = Pace { interval: device.interval, wait: device.interval };
    loop {
        tokio::time::sleep(pace.wait).await;
        let exchange = Exchange {
            provider: &login.provider,
            token_endpoint: &endpoints.token,
            client: &login.client,
            parameters: Parameters::default()
                .with("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
                .with("device_code", &device.device_code.expose()),
            what: "the device login",
            issuer: endpoints.issuer.as_deref(),
            nonce: None,
            id_token_decides: true,
            repeatable: false,
        };
        match exchange.ask(http, clock).await {
            Ok(granted) => return Ok(granted),
            Err(refusal) => pace.slow(refusal, &login.provider.title)?,
        }
    }
}

/// How often is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// What the server wants at least.
    interval: Duration,
    /// What is waited before the next question.
    wait: Duration,
}

impl Pace {
    /// What a refusal does to the pace, unless it ends the login.
    fn slow(&mut self, refusal: Refusal, title: &str) -> Result<(), LoginError> {
        let Refusal { failure, error, ruled: _ } = refusal;
        let wait = match error.as_deref() {
            Some("authorization_pending") => self.interval,
            Some("slow_down") => {
                self.interval += SLOW_DOWN;
                self.interval
            }
            Some("access_denied") => return Err(LoginError::Denied(failure.message)),
            Some("expired_token") => {
                return Err(LoginError::TimedOut(format!("the code of {title} has expired: start the login again")));
            }
            _ if failure.class != ErrorClass::Transient => return Err(failure.into()),
            _ => (self.wait * 2).min(MAX_BACKOFF).max(self.interval),
        };
        self.wait = wait.max(failure.retry_after.unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests;

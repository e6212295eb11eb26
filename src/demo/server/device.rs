//! The device authorization grant (RFC 8628): the device's request, the person's page, and the device's polls.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;

use super::authorization::scope;
use super::client::authenticate;
use super::grants::Grant;
use super::http::{Answer, OAuthError, Parameters, Request};
use super::options::RegisteredClient;
use super::site::{Site, State};
use super::{pages, random};

/// A device that waits for its person.
#[derive(Debug)]
pub(super) struct Device {
    pub user_code: String,
    grant: Grant,
    pub expires: Instant,
    interval: Duration,
    polls: usize,
    last_poll: Option<Instant>,
    pub decision: Option<Decision>,
}

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approved,
    Denied,
}

/// Section 3.1 and 3.2.
pub(super) fn authorize(site: &Site, request: &Request) -> Result<Answer, OAuthError> {
    let form = request.form(site.options.bodies)?;
    let client = authenticate(site, request, &form)?;
    let options = &site.options.device;
    let (device_code, user_code) = (random::value("dc_"), random::user_code());
    let verification_uri = format!("{}/device", site.issuer());
    let answer = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": verification_uri,
        "verification_uri_complete": format!("{verification_uri}?user_code={user_code}"),
        "expires_in": options.lifetime.as_secs(),
        "interval": options.interval.as_secs() + u64::from(options.interval.subsec_nanos() > 0),
    });
    let (scope, audiences) = (scope(site, &form)?, form.audiences()?);
    let mut state = site.state();
    let user = state.user.clone();
    let grant = Grant { client_id: client.id.clone(), user, scope, audiences, nonce: None };
    let (expires, interval) = (Instant::now() + options.lifetime, options.interval);
    let device = Device { user_code, grant, expires, interval, polls: 0, last_poll: None, decision: None };
    state.devices.insert(device_code, device);
    Ok(Answer::json(&answer))
}

/// Sections 3.4 and 3.5: one poll.
pub(super) fn redeem(
    site: &Site,
    state: &mut State,
    client: &RegisteredClient,
    form: &Parameters,
) -> Result<Grant, OAuthError> {
    let device_code = form.require("device_code")?;
    let (options, now) = (&site.options.device, Instant::now());
    let known = state.devices.get_mut(device_code).filter(|device| device.grant.client_id == client.id);
    let Some(device) = known else { return Err(OAuthError::invalid_grant("the device code is not known")) };
    if now >= device.expires {
        return Err(OAuthError::new("expired_token", "the device code has expired"));
    }
    device.polls += 1;
    let last = device.last_poll.replace(now);
    if last.is_some_and(|last| now - last < device.interval) || device.polls <= options.slow_down_first {
        device.interval += Duration::from_secs(5);
        return Err(OAuthError::new("slow_down", "wait five seconds longer between polls"));
    }
    if options.approve_at_poll.is_some_and(|poll| device.polls >= poll) {
        device.decision.get_or_insert(Decision::Approved);
    }
    match device.decision {
        None => Err(OAuthError::new("authorization_pending", "the person has not answered yet")),
        Some(Decision::Denied) => Err(OAuthError::new("access_denied", "the person said no")),
        // A device code is good for one login: it is forgotten here.
        Some(Decision::Approved) => match state.devices.remove(device_code) {
            Some(device) => Ok(device.grant),
            None => Err(OAuthError::invalid_grant("the device code is not known")),
        },
    }
}

/// Section 3.3: the person's page.
pub(super) fn verify(site: &Site, request: &Request) -> Answer {
    let path = &site.options.issuer_path;
    if request.method == Method::GET {
        let user_code = request.query.get("user_code").ok().flatten().unwrap_or_default();
        return pages::device(path, user_code, &site.state().user);
    }
    let form = Parameters::parse(&request.body);
    let user_code = form.get("user_code").ok().flatten().unwrap_or_default();
    let decision = match form.get("decision") {
        Ok(Some("approve")) => Decision::Approved,
        _ => Decision::Denied,
    };
    match decide(&mut site.state(), user_code, decision) {
        true if decision == Decision::Approved => pages::done("The device is signed in", "You can close this page."),
        true => pages::done("The device was refused", "You can close this page."),
        false => pages::problem(400, "No device is waiting with this code."),
    }
}

/// Answers for the person; `false` where no device waits with this code.
pub(super) fn decide(state: &mut State, user_code: &str, decision: Decision) -> bool {
    let plain = |code: &str| code.replace(['-', ' '], "").to_ascii_uppercase();
    let waiting = state.devices.values_mut().find(|device| plain(&device.user_code) == plain(user_code));
    let Some(device) = waiting.filter(|device| device.decision.is_none() && Instant::now() < device.expires) else {
        return false;
    };
    device.decision = Some(decision);
    true
}

//! A login: finds the endpoints, chooses the flow (a grant without a person has none), and runs it.

use std::sync::Arc;

use super::authorization_code::{self, CodeLogin};
use super::endpoints::endpoints;
use super::{Authorized, Endpoints, LoginChannel, LoginError, LoginEvent, LoginRequest};
use super::{WaitingPage, device_code, key, unattended};
use crate::clock::Clock;
use crate::ipc::message::login::{Flow, Stage};
use crate::oauth::http::Http;
use crate::provider::Provider;

/// Signs somebody in. Dropping the future ends the login and closes its listener at once.
pub async fn log_in(
    http: &Http,
    clock: &dyn Clock,
    request: LoginRequest,
    channel: LoginChannel,
) -> Result<Authorized, LoginError> {
    if request.client.id.is_empty() && request.provider.needs_client() {
        return Err(LoginError::Impossible(no_client(&request.provider)));
    }
    if request.provider.issuer.is_some() {
        // Whoever doesn't listen any more drops the login.
        let _ = channel.events.send(LoginEvent::Stage(Stage::Discovering));
    }
    let endpoints = endpoints(http, &request.provider).await?;
    if !request.provider.grant.needs_person() {
        return unattended::log_in(http, clock, request, endpoints, channel).await;
    }
    let chosen = choose(request.flow, request.browser, &request.provider, &endpoints, request.client.secret.is_some());
    let chosen = chosen.map_err(|why| LoginError::Impossible(format!("{}: {why}", request.provider.title)))?;
    let provider = Arc::clone(&request.provider);
    let authorized = match chosen {
        Chosen::Device => device_code::log_in(http, clock, request, endpoints, channel).await,
        Chosen::Code(redirect) => {
            authorization_code::log_in(http, clock, CodeLogin { request, endpoints, redirect }, channel).await
        }
    };
    key_of(http, clock, &provider, authorized?).await
}

/// Where a login ends in a key: makes it. The browser hears how that went.
async fn key_of(
    http: &Http,
    clock: &dyn Clock,
    provider: &Provider,
    mut authorized: Authorized,
) -> Result<Authorized, LoginError> {
    let page = authorized.page.take();
    match key::make(http, clock, provider, authorized).await {
        Ok(authorized) => Ok(Authorized { page, ..authorized }),
        Err(failure) => {
            page.into_iter().for_each(|page: WaitingPage| page.finish(Err(failure.to_string())));
            Err(failure.into())
        }
    }
}

fn no_client(provider: &Provider) -> String {
    let how = provider.registration.as_deref().unwrap_or("register a native application at the provider");
    format!("{} needs a client identifier of your own: {how}; then give it with `--client-id`", provider.title)
}

/// A flow, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    Code(Redirect),
    Device,
}

/// Where the authorization server sends the person back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To this machine; the whole address can be pasted too, for a browser on another one.
    Loopback,
    /// To the provider's own page, which shows the code for pasting.
    Page,
}

fn choose(
    flow: Flow,
    browser: bool,
    provider: &Provider,
    endpoints: &Endpoints,
    secret: bool,
) -> Result<Chosen, &'static str> {
    let device = endpoints.device_authorization.is_some();
    let code = endpoints.authorization.is_some();
    let (loopback, page) = (provider.redirect.loopback, provider.redirect.page.is_some());
    if provider.redirect.needs_secret && !secret {
        return match flow {
            Flow::Auto | Flow::Device if device => Ok(Chosen::Device),
            _ => Err("without a client secret it takes only the device login: --device, or --client-secret-stdin"),
        };
    }
    let by_loopback = match (code, loopback, page) {
        (false, ..) => Err("it has no authorization endpoint, so there is no login by browser: try --device"),
        (true, true, _) => Ok(Chosen::Code(Redirect::Loopback)),
        (true, false, true) => Ok(Chosen::Code(Redirect::Page)),
        (true, false, false) => Err("its configuration has neither a loopback redirect nor a page that shows the code"),
    };
    let by_paste = if code && page { Ok(Chosen::Code(Redirect::Page)) } else { by_loopback };
    match flow {
        Flow::Device if device => Ok(Chosen::Device),
        Flow::Device => Err("it has no device authorization endpoint: sign in with a browser, or with --paste"),
        Flow::Browser => by_loopback,
        Flow::Paste => by_paste,
        Flow::Auto if browser => by_loopback.or(if device { Ok(Chosen::Device) } else { by_loopback }),
        Flow::Auto if device => Ok(Chosen::Device),
        Flow::Auto => by_paste,
        Flow::Unknown => Err("this agent doesn't know the kind of login that was asked for: restart the agent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_fits_the_provider_and_the_session() {
        use Redirect::{Loopback, Page};
        let (device, by) = (Some(Chosen::Device), |redirect| Some(Chosen::Code(redirect)));
        // flow, browser, endpoints (authorization, device), redirects (loopback, page), expected
        let cases = [
            (Flow::Auto, true, (true, true), (true, true), by(Loopback)),
            (Flow::Auto, true, (true, true), (false, true), by(Page)),
            (Flow::Auto, true, (false, true), (true, false), device),
            (Flow::Auto, false, (true, true), (true, true), device),
            (Flow::Auto, false, (true, false), (true, false), by(Loopback)),
            (Flow::Auto, false, (true, false), (true, true), by(Page)),
            (Flow::Auto, true, (false, false), (true, true), None),
            (Flow::Browser, false, (true, true), (true, true), by(Loopback)),
            (Flow::Browser, true, (true, true), (false, true), by(Page)),
            (Flow::Browser, true, (true, true), (false, false), None),
            (Flow::Browser, true, (false, true), (true, true), None),
            (Flow::Paste, true, (true, true), (true, true), by(Page)),
            (Flow::Paste, true, (true, true), (true, false), by(Loopback)),
            (Flow::Paste, true, (false, true), (true, true), None),
            (Flow::Device, true, (true, true), (true, true), device),
            (Flow::Device, true, (true, false), (true, true), None),
            (Flow::Unknown, true, (true, true), (true, true), None),
        ];
        for (flow, browser, (code, device), (loopback, page), expected) in cases {
            let mut provider = Provider::from_issuer("https://i.example");
            provider.redirect.loopback = loopback;
            provider.redirect.page = page.then(|| "https://i.example/code".to_owned());
            let some = |there: bool| there.then(|| "https://i.example/x".to_owned());
            let endpoints =
                Endpoints { authorization: some(code), device_authorization: some(device), ..Endpoints::default() };
            let chosen = choose(flow, browser, &provider, &endpoints, false);
            assert_eq!(chosen.ok(), expected, "{flow:?} {browser} {code} {device} {loopback} {page}");
        }
    }

    #[test]
    fn a_code_that_takes_a_secret_is_not_asked_for_without_one() {
        let mut provider = Provider::from_issuer("https://i.example");
        provider.redirect.needs_secret = true;
        let some = || Some("https://i.example/x".to_owned());
        let endpoints = Endpoints { authorization: some(), device_authorization: some(), ..Endpoints::default() };
        let by = |flow, secret| choose(flow, true, &provider, &endpoints, secret).ok();
        assert_eq!((by(Flow::Auto, false), by(Flow::Device, false)), (Some(Chosen::Device), Some(Chosen::Device)));
        assert_eq!((by(Flow::Browser, false), by(Flow::Paste, false)), (None, None));
        assert_eq!(by(Flow::Auto, true), Some(Chosen::Code(Redirect::Loopback)));
    }
}

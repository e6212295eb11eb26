//! The authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252): by redirect, by paste, or both at
//! once, whichever comes first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::callbacks::{Address, Callbacks};
use super::exchange::{Exchange, is_anonymous, no_failure};
use super::login::Redirect;
use super::loopback::{Arrived, Expected, Loopback, Serving};
use super::{
    Authorized, Endpoints, Failure, Granted, LoginChannel, LoginError, LoginEvent, LoginRequest, Paste, WaitingPage,
    identity, key,
};
use crate::clock::Clock;
use crate::ipc::message::login::Stage;
use crate::oauth::authorization::{self, AuthorizationRequest, Outcome, Redirected};
use crate::oauth::http::Http;
use crate::oauth::paste::{self, Expected as ExpectedPaste};
use crate::oauth::pkce::{self, Pkce};
use crate::oauth::token_request::Parameters;
use crate::provider::schema::ErrorClass;
use crate::redact;
use crate::secret::Secret;
use crate::token::{Identity, TokenSet};

/// A login by authorization code, its endpoints known and its redirect chosen.
pub(super) struct CodeLogin {
    pub(super) request: LoginRequest,
    pub(super) endpoints: Endpoints,
    pub(super) redirect: Redirect,
}

/// What ties the person's return to this login.
struct Ties {
    redirect_uri: String,
    state: Secret,
    pkce: Pkce,
    nonce: Option<Secret>,
}

pub(super) async fn log_in(
    http: &Http,
    clock: &dyn Clock,
    login: CodeLogin,
    channel: LoginChannel,
) -> Result<Authorized, LoginError> {
    let provider = &login.request.provider;
    let mut arrival = Arrival::find(&login).await.map_err(LoginError::Impossible)?;
    let mut ties = Ties::new(arrival.redirect_uri(), &login.request.scope).map_err(no_random)?;
    let bare = provider.authorization.bare;
    if bare {
        arrival = arrival.tied_to(&ties.state);
        ties.redirect_uri = arrival.redirect_uri();
    }
    let expected = Expected {
        state: ties.state.duplicate(),
        state_in_path: bare,
        issuer: login.endpoints.issuer.clone(),
        iss_promised: login.endpoints.iss_parameter,
        provider: provider.title.clone(),
    };
    let mut serving = match arrival {
        Arrival::Page(_) => None,
        Arrival::Here(loopback) => Some(loopback.serve(expected)),
        Arrival::Callback(callbacks, address) => Some(callbacks.expect(address, expected)),
    };
    let LoginChannel { events, mut pastes } = channel;
    announce(clock, &login, &ties, serving.is_some(), &events)?;
    let deadline = Instant::now() + login.request.time_limit;
    loop {
        let (Arrived { redirected, page }, answer) = wait(&login, &ties, &mut serving, &mut pastes, deadline).await?;
        if answer.is_none() {
            let _ = events.send(LoginEvent::Stage(Stage::Exchanging));
        }
        let redeemed = meanwhile(serving.as_mut(), redeem(http, clock, &login, &ties, redirected)).await;
        let pasted = answer.is_some();
        let answered = |result| answer.map(|answer| answer.send(result));
        match redeemed {
            // Only the server can tell a code that was cut at its front; the right one is still good.
            Err(LoginError::Failed(failure)) if failure.invalid_grant && pasted => {
                answered(Err(format!("{}: copy the code again, all of it", failure.message)));
                serving.iter().for_each(Serving::open_door);
            }
            Err(error) => {
                answered(Ok(()));
                page.into_iter().for_each(|page: WaitingPage| page.finish(Err(error.to_string())));
                return Err(error);
            }
            Ok(redeemed) => {
                answered(Ok(()));
                let authorized = meanwhile(serving.as_mut(), complete(http, login, redeemed)).await;
                return Ok(Authorized { page, ..authorized });
            }
        }
    }
}

/// Where whoever pasted a code waits to hear whether it was the right one.
type Answer = oneshot::Sender<Result<(), String>>;

/// Where the person comes back to.
enum Arrival {
    /// The provider's page, which shows the code.
    Page(String),
    /// A listener of this login's own.
    Here(Loopback),
    /// A listener of all logins.
    Callback(Arc<Callbacks>, Address),
}

impl Arrival {
    async fn find(login: &CodeLogin) -> Result<Self, String> {
        let LoginRequest { provider, account, redirect_port, callbacks, .. } = &login.request;
        if let (Redirect::Page, Some(page)) = (login.redirect, &provider.redirect.page) {
            return Ok(Self::Page(page.clone()));
        }
        let name = account.split('/').next().unwrap_or_default();
        // The listener of all logins tells them apart by a state that such a server doesn't give back.
        let shared = redirect_port.is_none() && !provider.authorization.bare;
        let callbacks = callbacks.as_ref().filter(|_| shared);
        if let Some((callbacks, address)) = callbacks.and_then(|c| Some((c, c.address(provider, name)?))) {
            return Ok(Self::Callback(Arc::clone(callbacks), address));
        }
        Loopback::bind(&provider.redirect, *redirect_port).await.map(Self::Here)
    }

    fn tied_to(self, state: &Secret) -> Self {
        match self {
            Self::Here(loopback) => Self::Here(loopback.tied_to(state)),
            other => other,
        }
    }

    fn redirect_uri(&self) -> String {
        match self {
            Self::Page(page) => page.clone(),
            Self::Here(loopback) => loopback.redirect_uri().to_owned(),
            Self::Callback(_, address) => address.redirect_uri(),
        }
    }
}

fn no_random(error: getrandom::Error) -> LoginError {
    LoginError::Impossible(format!("this machine gives no random numbers: {error}"))
}

impl Ties {
    fn new(redirect_uri: String, scope: &[String]) -> Result<Self, getrandom::Error> {
        let openid = scope.iter().any(|scope| scope == "openid");
        let nonce = if openid { Some(pkce::unguessable()?) } else { None };
        Ok(Self { redirect_uri, state: pkce::unguessable()?, pkce: Pkce::new()?, nonce })
    }
}

/// Tells the person where to go.
fn announce(
    clock: &dyn Clock,
    login: &CodeLogin,
    ties: &Ties,
    redirect: bool,
    events: &mpsc::UnboundedSender<LoginEvent>,
) -> Result<(), LoginError> {
    let CodeLogin { request, endpoints, redirect: _ } = login;
    let url = AuthorizationRequest {
        endpoint: endpoints.authorization.as_deref().unwrap_or_default(),
        client_id: &request.client.id,
        redirect_uri: &ties.redirect_uri,
        redirect_parameter: request.provider.authorization.redirect_parameter.as_deref(),
        bare: request.provider.authorization.bare,
        scope: &request.scope,
        state: &ties.state,
        code_challenge: &ties.pkce.challenge,
        nonce: ties.nonce.as_ref(),
        parameters: &request.provider.authorization.parameters,
    };
    let title = &request.provider.title;
    let url =
        url.url().map_err(|_| LoginError::Impossible(format!("{title}: its authorization endpoint is no URL")))?;
    let expires_at = clock.now() + request.time_limit;
    let authorize =
        LoginEvent::Authorize { url, user_code: None, url_complete: None, redirect, paste: true, expires_at };
    // Whoever doesn't listen any more drops the login.
    let _ = events.send(authorize);
    let _ = events.send(LoginEvent::Stage(Stage::Waiting));
    Ok(())
}

/// Waits for the redirect or a paste, whichever comes first.
async fn wait(
    login: &CodeLogin,
    ties: &Ties,
    serving: &mut Option<Serving>,
    pastes: &mut mpsc::UnboundedReceiver<Paste>,
    deadline: Instant,
) -> Result<(Arrived, Option<Answer>), LoginError> {
    let redirect = async {
        match serving {
            Some(serving) => serving.redirect().await,
            None => std::future::pending().await,
        }
    };
    let arrived = tokio::select! {
        arrived = redirect => (arrived, None),
        (redirected, answer) = pasted(login, ties, pastes) => (Arrived { redirected, page: None }, Some(answer)),
        () = tokio::time::sleep_until(deadline) => {
            return Err(LoginError::TimedOut(timed_out(&login.request.provider.title, login.request.time_limit)));
        }
    };
    if let Some(serving) = serving {
        serving.close_door();
    }
    Ok(arrived)
}

/// Takes pastes until one belongs to this login; tells what is wrong with the others.
async fn pasted(login: &CodeLogin, ties: &Ties, pastes: &mut mpsc::UnboundedReceiver<Paste>) -> (Redirected, Answer) {
    // A provider that wants its state back shows `code#state`: a code without it was cut.
    let bare_code = login.redirect == Redirect::Page && !login.request.provider.token.send_state;
    let state_in_path = login.request.provider.authorization.bare;
    let expected = ExpectedPaste { redirect_uri: &ties.redirect_uri, state: &ties.state, bare_code, state_in_path };
    while let Some(Paste { text, answer }) = pastes.recv().await {
        match paste::decode(&text.expose(), expected) {
            Ok(redirected) => return (redirected, answer),
            Err(error) => {
                let _ = answer.send(Err(error.to_string()));
            }
        }
    }
    // Nobody can paste any more; the redirect may still come.
    std::future::pending().await
}

pub(super) fn timed_out(title: &str, limit: Duration) -> String {
    let limit = match limit.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    };
    format!("nobody signed in at {title} within {limit}: start the login again")
}

/// What takes its time, while the listener goes on, so that a reload finds a page.
async fn meanwhile<T>(serving: Option<&mut Serving>, work: impl Future<Output = T>) -> T {
    let late = async {
        match serving {
            // Never ends: the door is closed.
            Some(serving) => drop(serving.redirect().await),
            None => std::future::pending().await,
        }
        std::future::pending().await
    };
    tokio::select! {
        result = work => result,
        never = late => never,
    }
}

/// What a code was redeemed for.
enum Redeemed {
    Tokens(Granted),
    Key(TokenSet),
}

/// Exchanges the code.
async fn redeem(
    http: &Http,
    clock: &dyn Clock,
    login: &CodeLogin,
    ties: &Ties,
    redirected: Redirected,
) -> Result<Redeemed, LoginError> {
    let CodeLogin { request, endpoints, redirect: _ } = login;
    let issuer = endpoints.issuer.as_deref();
    let promised = endpoints.iss_parameter && redirected.addressed;
    authorization::check_issuer(issuer, promised, redirected.issuer.as_deref()).map_err(mixed_up)?;
    let code = match redirected.outcome {
        Outcome::Code(code) => code,
        Outcome::Error { error, description } => {
            return Err(provider_error(&request.provider.title, &error, description.as_deref()));
        }
    };
    let provider = &*request.provider;
    if let (Some(step), true) = (&provider.key, provider.authorization.bare) {
        let parameters =
            Parameters::default().with("code", &code.expose()).with("code_verifier", &ties.pkce.verifier.expose());
        let tokens = key::redeem(http, clock, (provider, step), &endpoints.token, parameters).await?;
        return Ok(Redeemed::Key(tokens));
    }
    let state = provider.token.send_state.then(|| ties.state.expose());
    let parameters = Parameters::default()
        .with("grant_type", "authorization_code")
        .with("code", &code.expose())
        .with("redirect_uri", &ties.redirect_uri)
        .with("code_verifier", &ties.pkce.verifier.expose())
        .with_some("state", state.as_deref());
    let exchange = Exchange {
        provider,
        token_endpoint: &endpoints.token,
        client: &request.client,
        parameters,
        what: "the login",
        issuer,
        nonce: ties.nonce.as_ref(),
        id_token_decides: true,
        repeatable: false,
    };
    Ok(Redeemed::Tokens(exchange.run(http, clock).await?))
}

async fn complete(http: &Http, login: CodeLogin, redeemed: Redeemed) -> Authorized {
    let CodeLogin { request, endpoints, redirect: _ } = login;
    match redeemed {
        Redeemed::Tokens(granted) => authorized(http, request, endpoints, granted).await,
        Redeemed::Key(tokens) => {
            let (client, identity) = (request.client, Identity::default());
            Authorized { tokens, identity, endpoints, client, is_key: true, page: None }
        }
    }
}

/// Completes a grant: the scopes asked for where the server named none (RFC 6749 section 5.1), and a name.
pub(super) async fn authorized(
    http: &Http,
    request: LoginRequest,
    endpoints: Endpoints,
    granted: Granted,
) -> Authorized {
    let Granted { mut tokens, mut identity } = granted;
    if tokens.scope.is_empty() {
        tokens.scope = request.scope;
        tokens.scope.sort();
        tokens.scope.dedup();
    }
    if let Some(userinfo) = endpoints.userinfo.as_deref().filter(|_| is_anonymous(&identity)) {
        let (subject, pointers) = (identity.subject.as_deref(), &request.provider.identity);
        let found = identity::from_userinfo(http, userinfo, &tokens.access, subject, pointers).await;
        identity = identity::or(identity, found);
    }
    Authorized { tokens, identity, endpoints, client: request.client, is_key: false, page: None }
}

fn mixed_up(reason: &'static str) -> LoginError {
    Failure { class: ErrorClass::Misconfigured, message: reason.to_owned(), ..no_failure() }.into()
}

/// RFC 6749 section 4.1.2.1.
fn provider_error(title: &str, error: &str, description: Option<&str>) -> LoginError {
    let words = redact::server_text(error);
    let description = description.map(|text| format!(" ({})", redact::server_text(text))).unwrap_or_default();
    let class = match error {
        "access_denied" => return LoginError::Denied(format!("{title} declined the login: {words}{description}")),
        "server_error" | "temporarily_unavailable" => ErrorClass::Transient,
        _ => ErrorClass::Misconfigured,
    };
    Failure { class, message: format!("{title} ended the login: {words}{description}"), ..no_failure() }.into()
}

#[cfg(test)]
mod tests;

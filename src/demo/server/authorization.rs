//! The authorization endpoint (RFC 6749 section 4.1.1, RFC 7636, RFC 9207): checks the request, asks the person, and
//! sends the browser back with a code. A request whose client or redirect is wrong is answered with a page, never with
//! a redirect (section 4.1.2.1).

use std::time::{Duration, Instant};

use hyper::Method;
use url::Url;

use super::behaviour::RedirectBehaviour;
use super::client;
use super::grants::Grant;
use super::http::{Answer, OAuthError, Parameters, Request};
use super::site::Site;
use super::{pages, random};

/// How long a code is good for. RFC 6749 section 4.1.2 recommends ten minutes at most.
const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// A checked request that waits for the person.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub client_id: String,
    redirect_uri: String,
    state: Option<String>,
    challenge: String,
    pub scope: Vec<String>,
    audiences: Vec<String>,
    nonce: Option<String>,
}

/// A code and what it has to be redeemed with.
#[derive(Debug)]
pub(super) struct Code {
    pub grant: Grant,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub challenge: String,
    pub expires: Instant,
    /// The login that it was redeemed for.
    pub redeemed: Option<usize>,
}

pub(super) fn answer(site: &Site, request: &Request) -> Answer {
    match (&request.method, request.path.ends_with("/decision")) {
        (&Method::GET, false) => begin(site, &request.query),
        (&Method::POST, false) => begin(site, &Parameters::parse(&request.body)),
        (&Method::POST, true) => decide(site, &Parameters::parse(&request.body)),
        _ => pages::problem(405, "This page takes another method."),
    }
}

fn begin(site: &Site, query: &Parameters) -> Answer {
    let (client_id, redirect_uri) = match (query.require("client_id"), query.require("redirect_uri")) {
        (Ok(client_id), Ok(redirect_uri)) => (client_id, redirect_uri),
        (Err(error), _) | (_, Err(error)) => return pages::problem(400, error.description()),
    };
    let Some(client) = client::find(&site.options.clients, client_id) else {
        return pages::problem(400, "The client is not known here.");
    };
    if !client.allows_redirect(redirect_uri) {
        return pages::problem(400, "The client has not registered this redirect URI.");
    }
    let state = query.get("state").ok().flatten().map(str::to_owned);
    match check(site, query, client_id, redirect_uri, state.clone()) {
        Err(error) => send_back(site, redirect_uri, state, Err((error.code(), error.description()))),
        Ok(pending) if site.options.auto_approve => approve(site, pending),
        Ok(pending) => {
            let id = random::value("");
            let mut state = site.state();
            let page = pages::consent(&site.options.issuer_path, &id, &pending, &state.user);
            state.pending.insert(id, pending);
            page
        }
    }
}

/// What the redirect can say is wrong.
fn check(
    site: &Site,
    query: &Parameters,
    client_id: &str,
    redirect_uri: &str,
    state: Option<String>,
) -> Result<Pending, OAuthError> {
    if query.require("response_type")? != "code" {
        return Err(OAuthError::new("unsupported_response_type", "`response_type` has to be `code`"));
    }
    if query.get("state")?.is_none() {
        return Err(OAuthError::invalid_request("`state` is missing"));
    }
    let challenge = query.require("code_challenge")?;
    if query.require("code_challenge_method")? != "S256" || challenge.len() != 43 {
        return Err(OAuthError::invalid_request("PKCE with S256 is mandatory here (RFC 7636)"));
    }
    Ok(Pending {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state,
        challenge: challenge.to_owned(),
        scope: scope(site, query)?,
        audiences: query.audiences()?,
        nonce: query.get("nonce")?.map(str::to_owned),
    })
}

/// The scope asked for (RFC 6749 section 3.3).
pub(super) fn scope(site: &Site, parameters: &Parameters) -> Result<Vec<String>, OAuthError> {
    let asked: Vec<String> =
        parameters.get("scope")?.unwrap_or_default().split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let known = &site.options.scopes;
    match asked.iter().all(|scope| known.is_empty() || known.contains(scope)) {
        true => Ok(asked),
        false => Err(OAuthError::new("invalid_scope", "a scope is not known here")),
    }
}

fn decide(site: &Site, form: &Parameters) -> Answer {
    let id = form.get("request").ok().flatten().unwrap_or_default();
    let Some(pending) = site.state().pending.remove(id) else {
        return pages::problem(400, "This request was answered before, or never made.");
    };
    match form.get("decision") {
        Ok(Some("approve")) => approve(site, pending),
        _ => {
            let denied = Err(("access_denied", "the person said no"));
            send_back(site, &pending.redirect_uri, pending.state, denied)
        }
    }
}

fn approve(site: &Site, pending: Pending) -> Answer {
    let Pending { client_id, redirect_uri, state, challenge, scope, audiences, nonce } = pending;
    let value = random::value("code_");
    let mut locked = site.state();
    let grant = Grant { client_id, user: locked.user.clone(), scope, audiences, nonce };
    let expires = Instant::now() + CODE_LIFETIME;
    let (back, sent_state) = (redirect_uri.clone(), state.clone());
    locked.codes.insert(value.clone(), Code { grant, redirect_uri, state, challenge, expires, redeemed: None });
    drop(locked);
    send_back(site, &back, sent_state, Ok(&value))
}

/// The redirect (RFC 6749 section 4.1.2), or what the test wants in its place.
fn send_back(site: &Site, uri: &str, state: Option<String>, result: Result<&str, (&str, &str)>) -> Answer {
    let Ok(mut uri) = Url::parse(uri) else { return pages::problem(400, "The redirect URI is not a URL.") };
    let behaviour = site.state().redirect.clone();
    let (mut result, mut state) = (result, state);
    let mut issuer = site.options.send_iss.then(|| site.issuer());
    match &behaviour {
        RedirectBehaviour::Decent | RedirectBehaviour::NoCode => {}
        RedirectBehaviour::Error(code, description) => result = Err((code, description)),
        RedirectBehaviour::WrongIssuer => issuer = Some("https://attacker.example".to_owned()),
        RedirectBehaviour::NoIssuer => issuer = None,
        RedirectBehaviour::WrongState => state = Some(random::value("")),
    }
    {
        let mut query = uri.query_pairs_mut();
        match result {
            Ok(_) if behaviour == RedirectBehaviour::NoCode => {}
            Ok(code) => drop(query.append_pair("code", code)),
            Err((code, description)) => {
                query.append_pair("error", code).append_pair("error_description", description);
            }
        }
        if let Some(state) = state {
            query.append_pair("state", &state);
        }
        if let Some(issuer) = issuer {
            query.append_pair("iss", &issuer);
        }
    }
    Answer::redirect(uri.into())
}

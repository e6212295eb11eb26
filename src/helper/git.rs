//! Git's credential helpers (git-credential(1), gitcredentials(7)): `get`, `store`, `erase`, `capability`.
//!
//! Git is given a token as Bearer where it offers that (2.46) and the server does not ask for Basic alone; else as the password of
//! a user. A token that was there already may have been refused meanwhile: git is told to come back once after a refusal,
//! with the token's fingerprint, and gets a new one. What git erases is reported if it is ours.
//!
//! Where no account answers, a password that git stored does. What was given from here is marked, where git takes that, so
//! that git's storing it again asks nobody.

use super::address::escaped;
use super::shown::{can_be_told, one_line};
use super::{Call, Failure, asking};
use crate::clock::Timestamp;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::password::{RemovePassword, StoreOutcome, StorePassword};
use crate::ipc::message::token::{AuthMethod, GetToken, RejectOutcome, RejectToken, Token};
use crate::redact;
use crate::secret::Secret;

/// What our state begins with; the token's fingerprint follows.
const STATE: &str = "cred-helper:token=";
/// The state of what is ours and is not renewed.
const GIVEN: &str = "cred-helper:given";
/// The user of Basic authentication where neither the request nor the configuration names one.
const USERNAME: &str = "oauth2";
/// How it is used.
pub(super) const HELP: &str = "\
With such a link in the PATH, `git config --global credential.helper cred-helper`; without one, \
`git config --global credential.helper '!cred-helper helper git'`. Rules with a path need credential.useHttpPath. Git 2.46 \
and newer is given the token as Bearer, unless the server asks for Basic alone or the rule has a `username`; older git, \
and those, as a password. A token that the server refuses is renewed and sent once more without git's user noticing \
(2.46 and newer), or reported when git erases it. Where no account answers, a password that was typed is kept in the \
vault (but for one with control characters), answers from then on, and is forgotten when the server refuses it: no other helper is needed. `cred-helper password \
list` shows them without what they are; a rule of `false` keeps none.";
const CAPABILITIES: &str = "version 0\ncapability authtype\ncapability state\n";

/// What git says of what it wants to reach.
#[derive(Debug, Default)]
pub struct Request {
    protocol: String,
    host: String,
    path: Option<String>,
    username: Option<String>,
    /// The password, or the credential of an authtype.
    secret: Option<Secret>,
    takes_authtype: bool,
    takes_state: bool,
    /// It is a token of another kind, or was never to be kept.
    passing: bool,
    /// It was given from here.
    given: bool,
    expires_at: Option<Timestamp>,
    /// What the server said in WWW-Authenticate.
    challenges: Vec<String>,
    /// The fingerprint of a token that was refused a moment ago.
    refused: Option<String>,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(operation) = call.arguments.last() else {
        return Err(Failure::Usage("git's credential helper takes one of get, store, erase and capability"));
    };
    match operation.as_str() {
        "get" => {
            let request = Request::parse(call.read_lines()?.expose().as_ref())?;
            get(call, &request)
        }
        "erase" => {
            let request = Request::parse(call.read_lines()?.expose().as_ref())?;
            erase(call, request)
        }
        "capability" => Ok(call.output.write_all(CAPABILITIES.as_bytes())?),
        "store" => {
            let request = Request::parse(call.read_lines()?.expose().as_ref())?;
            store(call, request)
        }
        // Of operations yet to come helpers say nothing.
        _ => call.read_lines().map(drop),
    }
}

fn get(call: &mut Call<'_>, request: &Request) -> Result<(), Failure> {
    let Some(target) = request.target() else { return Ok(()) };
    if let Some(fingerprint) = &request.refused {
        let reject = RejectToken { fingerprint: Some(fingerprint.clone()), ..RejectToken::default() };
        match call.agent.reject(&reject) {
            // It is tried again for what is asked next.
            Err(error) if error.kind() == ErrorKind::TemporarilyUnavailable => {}
            answer => drop(answer?),
        }
    }
    let or_password_for = Some(target.clone());
    let get = GetToken { target: Some(target), or_password_for, ..asking() };
    let token = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => return Ok(()),
        answer => answer?,
    };
    let answer = request.answer(&token)?;
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(())
}

fn erase(call: &mut Call<'_>, request: Request) -> Result<(), Failure> {
    let Some(target) = request.target() else { return Ok(()) };
    if request.secret.is_none() {
        // Git names what was refused; it is a person who does not.
        let remove = RemovePassword { url: target, username: None };
        return call.agent.remove_password(&remove).map(drop).map_err(Failure::from);
    }
    let origin = request.origin();
    let reject = RejectToken { token: request.secret, password_for: Some(target), ..RejectToken::default() };
    let rejection = match call.agent.reject(&reject) {
        // It is somebody else's, for all that can be known: that is no trouble of git's.
        Err(error) if error.data.account.is_none() => return Ok(()),
        answer => answer?,
    };
    let account = rejection.account.unwrap_or_default();
    let what = match rejection.outcome {
        RejectOutcome::Refreshed => "the server refused its token, which has been renewed",
        RejectOutcome::AlreadyReplaced => "the server refused a token that has been replaced since",
        RejectOutcome::ApiKey => "the server refuses its tokens, and its API key answers from now on",
        RejectOutcome::PasswordForgotten => {
            call.agent.tell(&format!("{origin}: the server refused the password that was kept, which is forgotten"));
            return Ok(());
        }
        RejectOutcome::UnknownToken | RejectOutcome::Unknown => return Ok(()),
    };
    call.agent.tell(&format!("{account}: {what}; try again"));
    Ok(())
}

/// Keeps a password that the server has taken.
fn store(call: &mut Call<'_>, request: Request) -> Result<(), Failure> {
    let (Some(url), false) = (request.target(), request.passing || request.given) else { return Ok(()) };
    let (origin, expires_at) = (request.origin(), request.expires_at);
    let (Some(username), Some(password)) = (request.username, request.secret) else { return Ok(()) };
    can_be_told(&password)?;
    let stored = call.agent.store_password(&StorePassword { url, username, password, expires_at, target: None })?;
    if stored.outcome == StoreOutcome::AccountAnswers {
        let account = stored.account.unwrap_or_default();
        call.agent.tell(&format!("{origin}: {account} answers there, so the password is not kept"));
    }
    Ok(())
}

impl Request {
    /// Reads `name=value` lines up to the first empty one. Names that are not known say nothing; an array's empty value
    /// takes back what was said before.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut request = Request::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').ok_or(Failure::Usage("a line of git's request has no `=`"))?;
            let some = || Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "protocol" => value.clone_into(&mut request.protocol),
                "host" => value.clone_into(&mut request.host),
                "path" => request.path = some(),
                "username" => request.username = some(),
                "password" | "credential" => request.secret = some().map(Secret::from),
                "authtype" => request.passing = true,
                "ephemeral" => request.passing |= value == "1",
                "password_expiry_utc" => request.expires_at = value.parse().ok().map(Timestamp),
                "capability[]" if value.is_empty() => (request.takes_authtype, request.takes_state) = (false, false),
                "capability[]" if value == "authtype" => request.takes_authtype = true,
                "capability[]" if value == "state" => request.takes_state = true,
                "wwwauth[]" if value.is_empty() => request.challenges.clear(),
                "wwwauth[]" => request.challenges.push(value.to_owned()),
                "state[]" if value.is_empty() => (request.refused, request.given) = (None, false),
                "state[]" => {
                    let ours = value.strip_prefix(STATE).map(str::to_owned);
                    request.given |= ours.is_some() || value == GIVEN;
                    request.refused = ours.or(request.refused);
                }
                _ => {}
            }
        }
        Ok(request)
    }

    /// What it wants to reach, as a URL. Git has taken it apart and decoded it: nothing in a part may begin another one.
    pub fn target(&self) -> Option<String> {
        let Self { protocol, host, path, username, .. } = self;
        let is_scheme = protocol.starts_with(|c: char| c.is_ascii_alphabetic())
            && protocol.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        // Libgit2 names no host where that is an address: without one nothing is said.
        let is_host = !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._~:[]".contains(c));
        let user = username.as_ref().map(|user| escaped(user, "/@:[]") + "@").unwrap_or_default();
        let path = path.as_ref().map(|path| format!("/{}", escaped(path, ""))).unwrap_or_default();
        (is_scheme && is_host).then(|| format!("{protocol}://{user}{host}{path}"))
    }

    /// What a person is told of it.
    fn origin(&self) -> String {
        redact::server_text(&format!("{}://{}", self.protocol, self.host))
    }

    fn is_web(&self) -> bool {
        ["http", "https"].iter().any(|scheme| self.protocol.eq_ignore_ascii_case(scheme))
    }

    /// Whether the server asks for Basic and for no Bearer.
    fn wants_basic(&self) -> bool {
        let asks = |scheme: &str| {
            let first = |challenge: &String| challenge.split_whitespace().next().map(str::to_owned);
            self.challenges.iter().filter_map(first).any(|first| first.eq_ignore_ascii_case(scheme))
        };
        asks("basic") && !asks("bearer")
    }

    fn answer(&self, token: &Token) -> Result<Secret, Failure> {
        let said = token.for_target.as_ref();
        let username = said.and_then(|said| said.username.as_deref());
        let bearer = self.takes_authtype && self.is_web() && username.is_none() && !self.wants_basic();
        let marked = self.takes_state && !bearer;
        // Once: who comes back after a refusal gets what there is. A key is not renewed.
        let again = said.filter(|said| {
            let renewable = said.cached && token.method == AuthMethod::Oauth;
            self.takes_state && self.is_web() && self.refused.is_none() && renewable
        });
        let exposed = one_line(token)?.expose();
        // Long enough that the token is not copied about.
        let mut text = String::with_capacity(1024 + exposed.len());
        let mut line = |name: &str, value: &str| {
            text.extend([name, "=", value, "\n"]);
        };
        if bearer {
            line("capability[]", "authtype");
        }
        if again.is_some() || marked {
            line("capability[]", "state");
        }
        if bearer {
            line("authtype", "Bearer");
            line("credential", &exposed);
            line("ephemeral", "1");
        } else {
            line("username", self.username.as_deref().or(username).unwrap_or(USERNAME));
            line("password", &exposed);
        }
        if let Some(end) = token.expires_at {
            line("password_expiry_utc", &end.0.to_string());
        }
        match again {
            Some(said) => {
                line("state[]", &format!("{STATE}{}", said.fingerprint));
                line("continue", "1");
            }
            None if marked => line("state[]", GIVEN),
            None => {}
        }
        Ok(Secret::from(text))
    }
}

#[cfg(test)]
#[path = "git/tests.rs"]
mod tests;

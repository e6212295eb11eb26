//! Docker's credential helpers (docker/docker-credential-helpers): `get`, `list`, `store`, `erase`, `version`.
//!
//! Docker, podman, skopeo, buildah, crane and oras call it so. All that they read, errors included, is standard output, and
//! the words for "nothing here" are fixed: they go on without credentials then. Passwords are kept for `docker://HOST`, apart
//! from git's for the same host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Call, Failure, NOT_KEPT, asking};
use crate::ipc::message::password::{RemovePassword, StoreOutcome, StorePassword};
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::{self, Secret};
use crate::version;

/// How it is used.
pub(super) const HELP: &str = "\
With such a link in the PATH, in ~/.docker/config.json `\"credHelpers\": {\"registry.example.com\": \"cred-helper\"}`, or for all \
registries `\"credsStore\": \"cred-helper\"`, which skopeo passes over; podman, skopeo and buildah also read `credential-helpers = \
[\"cred-helper\"]` in registries.conf. The target is https://HOST, which the rule has, too, or of a repository \
https://HOST/REPOSITORY where a tool asks for that (http:// only where it says so itself); \
Docker Hub is https://index.docker.io. The token is the password of the \
rule's `username`, else of oauth2: oauth2accesstoken for Google, for one. `username = \"<token>\"` is for registries whose token \
server takes it as a refresh token, such as Azure's. Where no account answers, what `docker login` stores is kept in the vault \
and answers, until `docker logout`. Nobody says when a registry refuses a token: `cred-helper refresh` has it renewed.";

/// What every client knows for "nothing here".
const NOT_FOUND: &str = "credentials not found in native keychain";
const NO_SERVER: &str = "no credentials server URL";
const NO_USERNAME: &str = "no credentials username";
/// The user of Basic authentication where neither the configuration nor the provider names one.
const USERNAME: &str = "oauth2";
/// Docker Hub as docker stores it, and the hosts that mean it.
const HUB: &str = "https://index.docker.io/v1/";
const HUBS: &[&str] = &["index.docker.io", "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
/// The scheme of places where passwords are kept.
const SCHEME: &str = "docker://";

/// What the clients exchange.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials {
    #[serde(rename = "ServerURL", default)]
    server: String,
    #[serde(default)]
    username: String,
    #[serde(serialize_with = "secret::exposed")]
    secret: Secret,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let answered = match call.arguments {
        [operation] => match operation.as_str() {
            "get" => get(call),
            "list" => list(call),
            "store" => store(call),
            "erase" => erase(call),
            "version" => Ok(Secret::from(format!("docker-credential-cred-helper (cred-helper) {}\n", version::own()))),
            _ => Err(usage()),
        },
        _ => Err(usage()),
    };
    let text = match answered {
        Ok(text) => text,
        Err(Failure::Agent(error)) if error.kind() == ErrorKind::UnknownTarget => return told(call, NOT_FOUND),
        Err(Failure::Agent(error)) => return told(call, &error.message),
        Err(Failure::Usage(message)) => return told(call, message),
        Err(other) => return Err(other),
    };
    Ok(call.output.write_all(text.expose().as_bytes())?)
}

fn usage() -> Failure {
    Failure::Usage("docker's credential helper takes one of get, list, store, erase and version, and nothing else")
}

/// An error in the clients' own form.
fn told(call: &mut Call<'_>, message: &str) -> Result<(), Failure> {
    writeln!(call.output, "{message}")?;
    Err(Failure::Told)
}

fn get(call: &mut Call<'_>) -> Result<Secret, Failure> {
    let asked = call.read()?.expose().trim().to_owned();
    let registry = Registry::parse(&asked)?.ok_or(Failure::Usage(NOT_FOUND))?;
    let (target, or_password_for) = (Some(registry.target()), Some(registry.place()));
    let get = GetToken { target, or_password_for, ..asking() };
    let token = call.agent.token(&get)?;
    let username = token.for_target.and_then(|said| said.username).unwrap_or_else(|| USERNAME.to_owned());
    json(&Credentials { server: asked, username, secret: token.token })
}

fn list(call: &mut Call<'_>) -> Result<Secret, Failure> {
    // What stands on standard input says nothing, and a person who calls this sends nothing.
    let kept = call.agent.passwords()?.passwords;
    let ours = kept.into_iter().filter_map(|kept| {
        let server = kept.url.strip_prefix(SCHEME)?;
        Some((if server == HUBS[0] { HUB.to_owned() } else { server.to_owned() }, kept.username))
    });
    json(&ours.collect::<BTreeMap<String, String>>())
}

fn store(call: &mut Call<'_>) -> Result<Secret, Failure> {
    let Credentials { server, username, secret } = Credentials::parse(&call.read()?.expose())?;
    let registry = Registry::parse(&server)?.ok_or(Failure::Usage("the server's URL names no host"))?;
    if username.is_empty() {
        return Err(Failure::Usage(NO_USERNAME));
    }
    let (url, target) = (registry.place(), Some(registry.target()));
    let store = StorePassword { url, username, password: secret, expires_at: None, target };
    let stored = call.agent.store_password(&store)?;
    let (host, account) = (registry.target(), stored.account.unwrap_or_default());
    let why = match stored.outcome {
        StoreOutcome::Kept => return Ok(nothing()),
        StoreOutcome::AccountAnswers => format!("{account} answers for {host} without a login, so nothing was stored"),
        StoreOutcome::NothingAnswers => {
            format!("nothing shall answer for {host} (`false` under [targets]): name another helper")
        }
        StoreOutcome::OwnToken => {
            format!("that token ends, so it was not stored: name its account for {host} under [targets] instead")
        }
        StoreOutcome::Ended => "that has ended already".to_owned(),
        StoreOutcome::Unknown => NOT_KEPT.to_owned(),
    };
    Err(Failure::Agent(Box::new(Error::new(ErrorKind::InvalidParams, why))))
}

/// Whoever logs out where an account answers has nothing here, which is no error.
fn erase(call: &mut Call<'_>) -> Result<Secret, Failure> {
    let asked = call.read()?.expose().trim().to_owned();
    if let Some(registry) = Registry::parse(&asked)? {
        call.agent.remove_password(&RemovePassword { url: registry.place(), username: None })?;
    }
    Ok(nothing())
}

fn nothing() -> Secret {
    Secret::from(String::new())
}

fn json(answer: &impl Serialize) -> Result<Secret, Failure> {
    let text = serde_json::to_string(answer).map_err(std::io::Error::from)?;
    Ok(Secret::from(text + "\n"))
}

impl Credentials {
    /// Reads what is to be stored.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|_| Failure::Usage("what docker wants stored cannot be read"))
    }
}

/// What a client names: a host, with a port or without, in a URL or alone, and perhaps a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Registry {
    /// Of the URL that an account may answer for: who names http:// sends what is answered in the open.
    scheme: &'static str,
    authority: String,
    repository: String,
}

impl Registry {
    /// Reads a server's name; `None` if it has no host.
    pub fn parse(text: &str) -> Result<Option<Self>, Failure> {
        if text.is_empty() {
            return Err(Failure::Usage(NO_SERVER));
        }
        let named = ["https://", "http://"].into_iter().find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)));
        let (scheme, rest) = named.unwrap_or(("https://", text));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host = !authority.is_empty() && authority.chars().all(|c| c.is_alphanumeric() || "-._~:[]".contains(c));
        let is_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b));
        if !is_host || !is_path || text.contains("/../") {
            return Ok(None);
        }
        let hub = HUBS.contains(&authority.to_ascii_lowercase().as_str());
        // A registry's API, which older clients name with its host.
        let repository = path.trim_matches('/');
        let repository = if ["v1", "v2"].contains(&repository) { "" } else { repository };
        let authority = if hub { HUBS[0] } else { authority };
        Ok(Some(Self { scheme, authority: authority.to_owned(), repository: repository.to_owned() }))
    }

    /// The URL that an account may answer for.
    pub fn target(&self) -> String {
        self.url(self.scheme)
    }

    /// What a password is kept for.
    fn place(&self) -> String {
        self.url(SCHEME)
    }

    fn url(&self, scheme: &str) -> String {
        let Self { scheme: _, authority, repository } = self;
        let slash = if repository.is_empty() { "" } else { "/" };
        format!("{scheme}{authority}{slash}{repository}")
    }
}

#[cfg(test)]
#[path = "docker/tests.rs"]
mod tests;

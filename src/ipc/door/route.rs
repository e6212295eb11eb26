//! What a request at the HTTP door asks for: its address and query become a method's parameters. The agent's dispatcher
//! judges them as it judges those of the socket; here only what an address can say wrong is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::account::AccountName;
use crate::ipc::message::login::{Flow, StartLogin};
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;
use crate::token::TokenKind;

/// The longest value of a parameter in characters; an issuer or a list of scopes fits.
const MAX_VALUE: usize = 4096;

/// Seconds that whoever asks for a status may wait.
const MAX_WAIT: u8 = 60;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Route {
    /// `GET /auth/{provider}/start`
    Start(Box<Start>),
    /// `GET /auth/{provider}/status`, which waits so long for a login that is under way
    Status(AccountName, Duration),
    /// `POST /auth/{provider}/paste`
    Paste(AccountName),
    /// `POST /auth/{provider}/cancel`
    Cancel(AccountName),
    /// `POST /auth/{provider}/logout`
    Logout(AccountName),
    /// `POST /auth/{provider}/refresh`
    Refresh(AccountName),
    /// `GET /v1/token/{account}`
    Token(Box<GetToken>),
    /// `POST /v1/token/{account}/reject`
    Reject(AccountName),
    /// `GET /v1/status`
    Accounts,
    /// `GET /openapi.yaml`
    Description,
}

/// What a login is started with.
#[derive(Debug, PartialEq)]
pub(crate) struct Start {
    /// A provider's name or an issuer URL.
    pub(crate) provider: String,
    pub(crate) label: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) flow: Flow,
    pub(crate) browser: bool,
    pub(crate) client_id: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) replace: bool,
    pub(crate) accept_notice: Option<String>,
}

impl From<Start> for StartLogin {
    fn from(start: Start) -> Self {
        let Start { provider, label, parameters, flow, browser, client_id, scope, replace, accept_notice } = start;
        Self { provider, label, parameters, flow, browser, client_id, scope, replace, accept_notice, ..Self::default() }
    }
}

/// Why an address asks for nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum NoRoute {
    /// There is no such address.
    NotFound,
    /// There is, for this method alone.
    Method(&'static str),
    /// Its query makes no sense.
    Wrong(String),
}

/// The body of a paste.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pasted {
    /// What the person pasted.
    pub(crate) text: Secret,
}

/// The body of a reject.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rejected {
    /// The token that a server refused.
    pub(crate) token: Secret,
}

/// Reads a body. The error quotes nothing of it.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8], needed: &str) -> Result<T, Error> {
    let wrong =
        |_| Error::new(ErrorKind::InvalidParams, format!("the body has to be a JSON object with `{needed}` alone"));
    serde_json::from_slice(bytes).map_err(wrong)
}

/// The provider of a callback's path.
pub(crate) fn callback(path: &str) -> Option<&str> {
    let provider = path.strip_prefix("/auth/")?.strip_suffix("/callback")?;
    AccountName::new(provider, None).is_ok().then_some(provider)
}

/// The path of a provider's callback.
pub(crate) fn callback_path(provider: &str) -> String {
    format!("/auth/{provider}/callback")
}

/// Finds what is asked for.
pub(crate) fn route(method: &str, path: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    let segments: Option<Vec<String>> =
        path.strip_prefix('/').map(|path| path.split('/').map(decoded).collect()).unwrap_or(None);
    let segments = segments.ok_or(NoRoute::NotFound)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let only = |allowed: &'static str| if method == allowed { Ok(()) } else { Err(NoRoute::Method(allowed)) };
    match segments.as_slice() {
        ["auth", provider, "start"] => only("GET").and_then(|()| start(provider, query)),
        ["auth", provider, "status"] => only("GET").and_then(|()| status(provider, query)),
        ["auth", provider, "paste"] => only("POST").and_then(|()| labelled(provider, query).map(Route::Paste)),
        ["auth", provider, "cancel"] => only("POST").and_then(|()| labelled(provider, query).map(Route::Cancel)),
        ["auth", provider, "logout"] => only("POST").and_then(|()| labelled(provider, query).map(Route::Logout)),
        ["auth", provider, "refresh"] => only("POST").and_then(|()| labelled(provider, query).map(Route::Refresh)),
        // An account of that label is asked for as PROVIDER%2Freject.
        ["v1", "token", provider, "reject"] => only("POST").and_then(|()| rejected(provider, query)),
        ["v1", "token", provider, label, "reject"] => {
            only("POST").and_then(|()| rejected(&format!("{provider}/{label}"), query))
        }
        ["v1", "token", account] => only("GET").and_then(|()| token(account, query)),
        ["v1", "token", provider, label] => only("GET").and_then(|()| token(&format!("{provider}/{label}"), query)),
        ["v1", "status"] => only("GET").and_then(|()| Query::read(query, &[])).map(|_| Route::Accounts),
        ["openapi.yaml"] => only("GET").and_then(|()| Query::read(query, &[])).map(|_| Route::Description),
        _ => Err(NoRoute::NotFound),
    }
}

fn start(provider: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    let names = ["label", PARAMETER, "flow", "browser", "client_id", "scope", "replace", "accept_notice"];
    let mut query = Query::read(query, &names)?;
    if !provider.contains("://") {
        AccountName::new(provider, None).map_err(|error| wrong(format!("the provider: {error}")))?;
    }
    let label = query.take("label");
    if let Some(label) = &label {
        AccountName::new("provider", Some(label)).map_err(|error| wrong(format!("`label`: {error}")))?;
    }
    let flow = match query.take("flow").as_deref() {
        None | Some("auto") => Flow::Auto,
        Some("browser") => Flow::Browser,
        Some("paste") => Flow::Paste,
        Some("device") => Flow::Device,
        Some(_) => return Err(wrong("`flow` is auto, browser, paste or device")),
    };
    let start = Start {
        provider: provider.to_owned(),
        label,
        parameters: query.pairs()?,
        flow,
        browser: query.flag("browser", true)?,
        client_id: query.take("client_id").filter(|id| !id.is_empty()),
        scope: query.words("scope"),
        replace: query.flag("replace", false)?,
        accept_notice: query.take("accept_notice"),
    };
    Ok(Route::Start(Box::new(start)))
}

fn token(account: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    let mut query = Query::read(query, &["token_type", "audience", "scope", "min_validity"])?;
    let account = named(account)?;
    let token_type = match query.take("token_type").as_deref() {
        None | Some("access") => TokenKind::Access,
        Some("id") => TokenKind::Id,
        Some(_) => return Err(wrong("`token_type` is access or id")),
    };
    let min_validity = query.take("min_validity").map(|seconds| seconds.parse::<u32>().map(u64::from));
    let get = GetToken {
        account: Some(account.to_string()),
        token_type,
        audience: query.take("audience"),
        scope: query.words("scope"),
        min_validity: min_validity.transpose().map_err(|_| wrong("`min_validity` is a number of seconds"))?,
        ..GetToken::default()
    };
    Ok(Route::Token(Box::new(get)))
}

fn rejected(account: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    Query::read(query, &[])?;
    named(account).map(Route::Reject)
}

fn status(provider: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    let mut query = Query::read(query, &["label", "wait"])?;
    let seconds = query.take("wait").map_or(Ok(0), |seconds| seconds.parse::<u8>());
    let wait =
        seconds.ok().filter(|seconds| *seconds <= MAX_WAIT).ok_or_else(|| wrong("`wait` is at most 60 seconds"))?;
    Ok(Route::Status(query.account(provider)?, Duration::from_secs(wait.into())))
}

/// A provider's account: with `label`, that one.
fn labelled(provider: &str, query: Option<&str>) -> Result<AccountName, NoRoute> {
    Query::read(query, &["label"])?.account(provider)
}

fn named(account: &str) -> Result<AccountName, NoRoute> {
    account.parse().map_err(|error: crate::account::AccountNameError| wrong(error.to_string()))
}

fn wrong(what: impl Into<String>) -> NoRoute {
    NoRoute::Wrong(what.into())
}

/// The one that may be repeated, `NAME=VALUE`: what fills a provider's open places.
const PARAMETER: &str = "parameter";

/// A query's parameters.
#[derive(Default)]
struct Query {
    once: BTreeMap<&'static str, String>,
    repeated: Vec<String>,
}

impl Query {
    /// Reads parameters of these names; others, and any that is there twice, are refused without being repeated.
    fn read(query: Option<&str>, names: &[&'static str]) -> Result<Self, NoRoute> {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
            let Some(name) = names.iter().find(|known| **known == name) else {
                return Err(wrong(match names {
                    [] => "this address takes no parameters".to_owned(),
                    names => format!("a parameter that is not known here: there are {}", names.join(", ")),
                }));
            };
            if value.chars().count() > MAX_VALUE || value.contains(char::is_control) {
                return Err(wrong(format!("`{name}` is too long, or has control characters")));
            }
            if *name == PARAMETER {
                found.repeated.push(value.into_owned());
            } else if found.once.insert(*name, value.into_owned()).is_some() {
                return Err(wrong(format!("`{name}` is there twice")));
            }
        }
        Ok(found)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.once.remove(name)
    }

    fn pairs(&mut self) -> Result<BTreeMap<String, String>, NoRoute> {
        let given = self.repeated.len();
        let pair = |text: &String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let pairs: BTreeMap<_, _> = self.repeated.iter().filter_map(pair).collect();
        if pairs.len() == given { Ok(pairs) } else { Err(wrong("`parameter` is NAME=VALUE, each name once")) }
    }

    fn account(&mut self, provider: &str) -> Result<AccountName, NoRoute> {
        let label = self.take("label");
        AccountName::new(provider, label.as_deref()).map_err(|error| wrong(error.to_string()))
    }

    fn flag(&mut self, name: &str, default: bool) -> Result<bool, NoRoute> {
        match self.take(name).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(wrong(format!("`{name}` is true or false"))),
        }
    }

    fn words(&mut self, name: &str) -> Vec<String> {
        self.take(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

/// Percent-decoding (RFC 3986 section 2.1) of one segment: clients write `@` as `%40`. `None`: not text, or empty.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;

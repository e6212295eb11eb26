//! Cargo's credential providers (the Cargo Book, Credential Provider Protocol, version 1): one JSON object a line, each with
//! its answer, until cargo hangs up. Cargo says everything in them; its command line is one flag.
//!
//! `token` is the whole value of `Authorization`. Where no account answers cargo is told `not-found`, and asks its next
//! provider. Whatever happened is told in an answer: a program that fails is a riddle to cargo's user.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::words::Words;
use super::{Call, Failure, authorization};
use crate::ipc::message::token::{AuthMethod, GetToken, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::{self, Secret};

/// What cargo starts its providers with, alone.
pub(super) const FLAG: &str = "--cargo-plugin";
/// How it is used.
pub(super) const HELP: &str = "\
Cargo runs it as `cred-helper --cargo-plugin`, by its configuration: `credential-provider = [\"cred-helper\"]` under \
[registries.NAME], or `global-credential-providers = [\"cargo:token\", \"cred-helper\"]` under [registry] for all of them. The \
target is the index's URL without `sparse+`, such as https://cargo.example.com/index; for crates.io it is https://crates.io; \
for an index in a git repository it is `registry+https://...`, because its token goes elsewhere than git's. A login's token is \
sent as `Bearer TOKEN`, a stored API key as it is, and either as Basic where the rule has a `username`: `--bearer` or `--bare` \
in that list after \"cred-helper\" says it where a registry wants it otherwise, and `--account NAME` names the account in the \
place of a rule. Cargo keeps the token for one command; what a registry refuses it doesn't say: `cred-helper reject` or \
`cred-helper refresh` has it renewed. `cargo login` and `cargo logout` are left to cargo's next provider where no account \
answers, and say which command of ours does it where one does.";

const HELLO: &[u8] = b"{\"v\":[1]}\n";
/// The indexes of crates.io, in git and over HTTP, and the target that stands for both.
const CRATES_IO: &str = "https://crates.io";
const CRATES_IO_INDEXES: [&str; 2] =
    ["https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// What cargo asks. A token that `cargo login` was given is not even read.
#[derive(Debug, Deserialize)]
pub struct Request {
    registry: Registry,
    kind: String,
    /// What follows the program's name in cargo's configuration, and `--` on its command line.
    #[serde(default)]
    args: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registry {
    index_url: String,
}

#[derive(Serialize)]
enum Answer {
    Ok(Got),
}

/// The answer to `get`; this one name has no dash in it.
#[derive(Serialize)]
struct Got {
    kind: &'static str,
    #[serde(serialize_with = "secret::exposed")]
    token: Secret,
    cache: &'static str,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    /// One token reads and publishes.
    operation_independent: bool,
}

/// How the token is sent.
enum Scheme {
    /// As its kind is usually sent.
    Usual,
    Bearer,
    Bare,
}

/// Answers until cargo hangs up.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    call.output.write_all(HELLO)?;
    call.output.flush()?;
    while let Some(line) = call.read_line()? {
        let answer = match Request::parse(&line.expose()).and_then(|request| answer(call, request)) {
            Ok(answer) => answer,
            Err(Failure::Agent(error)) => refusal(&error),
            Err(Failure::Usage(message)) => other(message),
            Err(end) => return Err(end),
        };
        call.output.write_all(answer.expose().as_bytes())?;
        call.output.write_all(b"\n")?;
        call.output.flush()?;
    }
    Ok(())
}

fn answer(call: &mut Call<'_>, request: Request) -> Result<Secret, Failure> {
    let (get, scheme) = request.question()?;
    match request.kind.as_str() {
        "get" => get_token(&call.agent.token(&get)?, &scheme),
        kind @ ("login" | "logout") => keep_or_forget(call, kind, &get),
        _ => Ok(err("operation-not-supported")),
    }
}

/// `cargo login` and `cargo logout`: logins are made and ended with us, in the sight of a person.
fn keep_or_forget(call: &mut Call<'_>, kind: &str, get: &GetToken) -> Result<Secret, Failure> {
    let account = match call.agent.token(get) {
        Ok(token) => token.account,
        // It is the next provider's to keep a token for this registry, or to forget it.
        Err(error) if error.kind() == ErrorKind::UnknownTarget => return Ok(err("url-not-supported")),
        Err(error) if error.kind() == ErrorKind::LoginRequired && kind == "logout" => return Ok(err("not-found")),
        Err(error) => match &error.data.account {
            Some(account) => account.clone(),
            None => return Err(error.into()),
        },
    };
    let command = if kind == "login" { sign_in(&account) } else { format!("cred-helper logout {account}") };
    Ok(other(&format!("{account} answers for this registry: run `{command}`")))
}

impl Request {
    /// Reads one line. Names that are not known say nothing.
    pub fn parse(line: &str) -> Result<Self, Failure> {
        serde_json::from_str(line).map_err(|_| Failure::Usage("cargo's request cannot be read"))
    }

    /// What the registry's token is asked for with.
    pub fn target(&self) -> Option<String> {
        let index = &*self.registry.index_url;
        if CRATES_IO_INDEXES.contains(&index) {
            return Some(CRATES_IO.to_owned());
        }
        match index.strip_prefix("sparse+") {
            Some(url) => Some(url.to_owned()),
            // Where its token goes the repository says, and not its host: what git may have says nothing of it.
            None => Some(format!("registry+{index}")),
        }
    }

    fn question(&self) -> Result<(GetToken, Scheme), Failure> {
        let words = Words::read(&self.args)?;
        let scheme = match words.rest {
            [] => Scheme::Usual,
            [word] if word == "--bearer" => Scheme::Bearer,
            [word] if word == "--bare" => Scheme::Bare,
            _ => {
                return Err(Failure::Usage(
                    "after cred-helper's own options go `--bearer` or `--bare` and nothing else",
                ));
            }
        };
        Ok((words.asking(|| self.target()), scheme))
    }
}

fn get_token(token: &Token, scheme: &Scheme) -> Result<Secret, Failure> {
    let named = token.for_target.as_ref().is_some_and(|said| said.username.is_some());
    let value = match scheme {
        Scheme::Bare => authorization::bare(token)?,
        Scheme::Bearer => authorization::bearer(token)?,
        Scheme::Usual if named || token.method == AuthMethod::Oauth => authorization::value(token)?,
        Scheme::Usual => authorization::bare(token)?,
    };
    let expiration = token.expires_at.map(|end| end.0);
    let cache = if expiration.is_some() { "expires" } else { "session" };
    let got = Got { kind: "get", token: value, cache, expiration, operation_independent: true };
    serde_json::to_string(&Answer::Ok(got)).map(Secret::from).map_err(|_| Failure::Usage("the answer is no JSON"))
}

/// `cred-helper login` takes a label apart from its provider.
fn sign_in(account: &str) -> String {
    match account.split_once('/') {
        Some((provider, label)) => format!("cred-helper login {provider} --account {label}"),
        None => format!("cred-helper login {account}"),
    }
}

fn refusal(error: &Error) -> Secret {
    if error.kind() == ErrorKind::UnknownTarget { err("not-found") } else { other(&error.message) }
}

/// What makes cargo stop, and is shown to its user.
fn other(message: &str) -> Secret {
    Secret::from(json!({ "Err": { "kind": "other", "message": message, "caused-by": [] } }).to_string())
}

fn err(kind: &str) -> Secret {
    Secret::from(json!({ "Err": { "kind": kind } }).to_string())
}

#[cfg(test)]
#[path = "cargo/tests.rs"]
mod tests;

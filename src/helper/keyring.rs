//! Python's `keyring` command, as pip and uv run it: `get` of a URL and a user, as text or as JSON.
//!
//! A token is the password of whatever user is asked for. A miss is exit code 1 and not a word, as keyring's own: then pip
//! and uv ask for shorter names of the same place, and go on without. What has no scheme is a miss, too: it would be
//! answered for whoever asks in the open as well.

use super::address::{has_user, with_user};
use super::shown::{can_be_told, joined, one_line, quoted};
use super::{Call, Failure, asking};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::password::{RemovePassword, StoreOutcome, StorePassword};
use crate::ipc::message::token::{GetToken, Token};
use crate::secret::Secret;

/// How it is used.
pub(super) const HELP: &str = "\
Put such a link in a directory of its own, before the one of keyring's own command in the PATH of those who are to ask here \
(Python's keyring itself is not replaced: for it there is a backend in contrib/python), and have them ask: \
PIP_KEYRING_PROVIDER=subprocess for pip 23.1 and newer, UV_KEYRING_PROVIDER=subprocess for uv. Older pip, and uv without \
authenticate = \"always\", ask only where they know a user: put one into the index's URL \
(https://__token__@pypi.example/simple). A host without a scheme is not answered. Where neither the client nor the rule names a \
user it is `__token__`. New pip shows nothing of what is said here: `keyring get URL USER` does. A token that an index refuses \
is not asked for again: `cred-helper refresh`. Where no account answers, a password does that `set` has put there for the URL, \
read from standard input, without control characters; `del` forgets it. Poetry's `poetry-repository-NAME` has one for the user \
`__token__` alone.";
/// The user that indexes take tokens for, where nobody names one.
const USERNAME: &str = "__token__";
/// What poetry puts in the place of no user.
const NO_USER: &str = "__poetry_source_empty_username__";
/// What poetry puts before the name of a repository.
const POETRY: &str = "poetry-repository-";

/// What keyring's command line says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked<'a> {
    operation: &'a str,
    service: Option<&'a str>,
    user: Option<&'a str>,
    /// Whether the user is wanted beside the password.
    both: bool,
    json: bool,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let asked = Asked::parse(call.arguments)?;
    match asked.operation {
        "get" if asked.service.is_none() || (asked.user.is_none() && !asked.both) => {
            Err(Failure::Usage("keyring get requires a service and a user; --mode creds requires a service"))
        }
        "get" => get(call, &asked),
        "set" => set(call, &asked),
        "del" => del(call, &asked),
        _ => Err(Failure::Usage("keyring takes one of get, set and del")),
    }
}

fn get(call: &mut Call<'_>, asked: &Asked<'_>) -> Result<(), Failure> {
    let Some(target) = asked.service.and_then(|service| target(service, asked.user)) else { return Err(Failure::Told) };
    let or_password_for = Some(target.clone());
    let get = GetToken { target: Some(target), or_password_for, ..asking() };
    let token = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => return Err(Failure::Told),
        answer => answer?,
    };
    let answer = asked.answer(&token)?;
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(())
}

/// Keeps what the client sends, without the end of its line.
fn set(call: &mut Call<'_>, asked: &Asked<'_>) -> Result<(), Failure> {
    let (url, username) = asked.place(call)?;
    let sent = call.read()?.expose().to_owned();
    let password = sent.strip_suffix('\n').map_or(sent.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    let password = Secret::from(password.to_owned());
    can_be_told(&password)?;
    let store = StorePassword { url, username, password, expires_at: None, target: None };
    let stored = call.agent.store_password(&store)?;
    let why = match stored.outcome {
        StoreOutcome::Kept => return Ok(()),
        StoreOutcome::OwnToken => "it is an account's token, which ends: name the account under [targets]".to_owned(),
        StoreOutcome::AccountAnswers => format!("{} answers there", stored.account.unwrap_or_default()),
        _ => "nothing answers there, as the configuration says".to_owned(),
    };
    call.agent.tell(&format!("the password is not kept: {why}"));
    Err(Failure::Told)
}

fn del(call: &mut Call<'_>, asked: &Asked<'_>) -> Result<(), Failure> {
    let (url, username) = asked.place(call)?;
    let gone = call.agent.remove_password(&RemovePassword { url, username: Some(username) })?;
    if gone.passwords.is_empty() {
        call.agent.tell("no password is kept for that URL and user");
        return Err(Failure::Told);
    }
    Ok(())
}

/// What is asked for as a URL. Poetry names its repositories, whose URLs it alone knows: a rule names them so, too. For that it
/// has to want a token, as it does to publish: what it installs from it asks for by name and then by URL, and the name is the
/// project's, which may have any URL for it.
pub fn target(service: &str, user: Option<&str>) -> Option<String> {
    match (service.strip_prefix(POETRY), user) {
        (Some(name), Some(USERNAME)) => with_user(&format!("poetry://{name}"), None),
        (Some(_), _) => None,
        (None, user) => with_user(service, user.filter(|user| *user != NO_USER)),
    }
}

impl<'a> Asked<'a> {
    /// Flags may come before and after the rest.
    fn parse(arguments: &'a [String]) -> Result<Self, Failure> {
        let mut asked = Self::default();
        let (mut rest, mut words) = (arguments.iter().map(String::as_str), Vec::new());
        while let Some(word) = rest.next() {
            let (name, written) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            match name {
                "--mode" | "--output" => {
                    let value = written.or_else(|| rest.next()).unwrap_or_default();
                    match (name, value) {
                        ("--mode", "password" | "creds") => asked.both = value == "creds",
                        ("--output", "plain" | "json") => asked.json = value == "json",
                        _ => return Err(Failure::Usage("keyring knows --mode password|creds and --output plain|json")),
                    }
                }
                _ if word.starts_with('-') => return Err(Failure::Usage("unrecognized arguments of keyring's")),
                _ => words.push(word),
            }
        }
        match words[..] {
            [] => {}
            [operation] => asked.operation = operation,
            [operation, service] => (asked.operation, asked.service) = (operation, Some(service)),
            [operation, service, user] => {
                (asked.operation, asked.service, asked.user) = (operation, Some(service), Some(user));
            }
            _ => return Err(Failure::Usage("unrecognized arguments of keyring's")),
        }
        Ok(asked)
    }

    /// Where a password is to be kept or forgotten, and whose.
    fn place(&self, call: &mut Call<'_>) -> Result<(String, String), Failure> {
        let (Some(service), Some(user)) = (self.service, self.user.filter(|user| !user.is_empty())) else {
            return Err(Failure::Usage("keyring set and del require a service and a user"));
        };
        // With another user in it, it would be asked for as that one's.
        let named = Some(user).filter(|_| service.starts_with(POETRY));
        let Some(url) = target(service, named).filter(|url| !has_user(url)) else {
            call.agent.tell(
                "passwords are kept for URLs with a scheme and without a user, such as https://pypi.example/simple",
            );
            return Err(Failure::Told);
        };
        Ok((url, user.to_owned()))
    }

    fn answer(&self, token: &Token) -> Result<Secret, Failure> {
        let ruled = token.for_target.as_ref().and_then(|said| said.username.as_deref());
        let user = self.user.filter(|user| !user.is_empty()).or(ruled).unwrap_or(USERNAME);
        let password = one_line(token)?.expose();
        Ok(match (self.json, self.both) {
            (false, false) => joined(&[&password, "\n"]),
            (false, true) => joined(&[user, "\n", &password, "\n"]),
            (true, both) => {
                let user = if both { format!("\"username\": {}, ", &*quoted(user).expose()) } else { String::new() };
                joined(&["{", &user, "\"password\": ", &quoted(&password).expose(), "}\n"])
            }
        })
    }
}

#[cfg(test)]
#[path = "keyring/tests.rs"]
mod tests;

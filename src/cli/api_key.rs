//! `api-key`: keys are read from the terminal without echo or from standard input. Arguments are seen by every process.

use std::io::{self, IsTerminal as _, Read as _};

use super::args::ApiKeyCommand;
use super::connect::{self, Connect};
use super::exit::{Failure, INTERRUPTED};
use super::login::slot;
use super::prompt::{self, Answer};
use super::{output, when};
use crate::clock::Timestamp;
use crate::ipc::client::CallError;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::api_key::{ApiKeyRemoved, ApiKeySet, RemoveApiKey, SetApiKey};
use crate::secret::Secret;

/// More than any key: what is longer is a file that was given by mistake.
const MAX_KEY: u64 = 16 * 1024;
/// A slot for a new vault and its passphrase; more than that is a circle.
const MAX_ATTEMPTS: usize = 4;

pub(super) fn run(connect: &Connect, command: &ApiKeyCommand) -> Result<(), Failure> {
    match command {
        ApiKeyCommand::Set { account, expires, json, key } => {
            if !key.is_empty() {
                return Err(Failure::Usage(ARGUMENT.to_owned()));
            }
            let account = connect::account(Some(account))?.unwrap_or_default();
            let set = set(connect, account, *expires)?;
            if *json { output::json(&set) } else { told(&stored(&set, *expires)) }
        }
        ApiKeyCommand::Remove { account, json } => {
            let request = RemoveApiKey { account: connect::account(Some(account))?.unwrap_or_default() };
            let removed = connect.ask(&request)?;
            if *json { output::json(&removed) } else { told(&forgotten(&removed)) }
        }
    }
}

const ARGUMENT: &str = "a key is no argument, because every process of this machine sees those: it is asked for, or read from \
    standard input (`cred-helper api-key set PROVIDER < FILE`). If that was a key, make a new one";

fn told(text: &str) -> Result<(), Failure> {
    output::tell(text);
    Ok(())
}

fn set(connect: &Connect, account: String, expires_at: Option<Timestamp>) -> Result<ApiKeySet, Failure> {
    let key = read_key(&account)?;
    let request = SetApiKey { account, key, expires_at, interactive: output::person_present() };
    let mut client = connect.open()?;
    for _ in 0..MAX_ATTEMPTS {
        // A keyring may ask a person.
        client.clear_deadline();
        match client.call(&request) {
            Ok(set) => return Ok(set),
            Err(CallError::Agent(error)) => slot::settle(&mut client, error)?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(ErrorKind::Internal, "the vault does not open; `cred-helper doctor` may say why"))
}

fn read_key(account: &str) -> Result<Secret, Failure> {
    let key = if io::stdin().is_terminal() { typed(account)? } else { piped()? };
    if key.is_empty() {
        let message = "the key is read from standard input, which is empty: `cred-helper api-key set PROVIDER < FILE`";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(key)
}

fn typed(account: &str) -> Result<Secret, Failure> {
    loop {
        let answer = prompt::hidden(&format!("API key of {account}: "));
        let failed = |error| Failure::System(format!("the key cannot be read from the terminal: {error}"));
        let Answer::Text(text) = answer.map_err(failed)? else { return Err(Failure::Quiet(INTERRUPTED)) };
        let key = Secret::from(text.expose().trim().to_owned());
        if !key.is_empty() {
            return Ok(key);
        }
        output::tell("Nothing was typed. Once more; Ctrl-C leaves.");
    }
}

fn piped() -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_KEY).read_to_string(&mut text);
    let key = Secret::from(text.trim().to_owned());
    drop(Secret::from(text));
    match read {
        Ok(_) => Ok(key),
        Err(error) => Err(Failure::Usage(format!("the key on standard input cannot be read: {}", error.kind()))),
    }
}

fn stored(set: &ApiKeySet, expires_at: Option<Timestamp>) -> String {
    let account = &set.account;
    let replaced = if set.replaced { ", in the place of the one before" } else { "" };
    let end = expires_at.map(|at| format!(" It ends {}.", when::local(at))).unwrap_or_default();
    let answers = match set.login {
        true => "The login answers, and where it can't the key, unless `sources` says otherwise.".to_owned(),
        false => format!("`cred-helper get-token {account}` answers with it."),
    };
    let memory = if set.persisted { "" } else { " It is in the agent's memory only and ends with the agent." };
    format!("The API key of {account} is stored{replaced}.{end} {answers}{memory}")
}

fn forgotten(removed: &ApiKeyRemoved) -> String {
    let login = if removed.login { " The login stays." } else { "" };
    format!(
        "The API key of {} is forgotten.{login} At the provider it goes on working until it is deleted there.",
        removed.account
    )
}

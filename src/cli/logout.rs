//! `logout`: revokes at the server where that is possible, and forgets.

use super::args::LogoutArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{output, picker, when};
use crate::ipc::message::account::ListAccounts;
use crate::ipc::message::login::{KeyFate, LoggedOutAccount, Logout, Revocation};

pub(super) fn run(connect: &Connect, args: &LogoutArgs) -> Result<(), Failure> {
    let request = Logout { account: account(connect, args)?, all: args.all, api_keys: args.api_key };
    let answer = connect.ask(&request)?;
    if args.json {
        return output::json(&answer);
    }
    if answer.accounts.is_empty() {
        output::tell("Nobody was signed in.");
    }
    answer.accounts.iter().map(sentence).for_each(|text| output::tell(&text));
    Ok(())
}

/// The account that is named, or that a person chooses; `None` for the one that is meant when none is named.
fn account(connect: &Connect, args: &LogoutArgs) -> Result<Option<String>, Failure> {
    if args.account.is_some() || args.all || args.json || !output::person_present() {
        return connect::account(args.account.as_deref());
    }
    let accounts = connect.ask(&ListAccounts {})?.accounts;
    if accounts.is_empty() {
        return Ok(None);
    }
    picker::pick("Sign out of which account?", picker::accounts(&accounts, when::now())).map(Some)
}

fn sentence(account: &LoggedOutAccount) -> String {
    let name = &account.account;
    let reason = account.message.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let login = match account.revocation {
        Revocation::NoLogin => String::new(),
        Revocation::Revoked => match &account.message {
            Some(what) => format!("Signed out of {name}; the server has revoked the login ({what})."),
            None => format!("Signed out of {name}; the server has revoked the login."),
        },
        Revocation::Unsupported => match &account.message {
            Some(why) => format!("Signed out of {name}; {why}."),
            None => {
                format!("Signed out of {name}; its server can't be told, so tokens handed out work until they expire.")
            }
        },
        Revocation::Failed => {
            format!(
                "Signed out of {name}, but the server could not be told{reason}. Tokens handed out work until they \
                 expire; the provider's own page of connected applications can end them."
            )
        }
        Revocation::Unknown => format!("Signed out of {name}."),
    };
    let key = match account.api_key {
        Some(KeyFate::Kept) => {
            format!("Its API key stays and answers: `cred-helper api-key remove {name}` forgets it, too.")
        }
        Some(KeyFate::Removed) => {
            format!("The API key of {name} is forgotten; at the provider it goes on working until it is deleted there.")
        }
        Some(KeyFate::Unknown) | None => String::new(),
    };
    [login, key].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_could_not_be_told_is_said_plainly() {
        let account = LoggedOutAccount {
            account: "a".to_owned(),
            revocation: Revocation::Failed,
            message: Some("no route".to_owned()),
            api_key: Some(KeyFate::Kept),
        };
        let text = sentence(&account);
        assert!(text.contains("could not be told: no route") && text.contains("until they"), "{text}");
        assert!(text.contains("Its API key stays"), "{text}");
    }
}

//! `reject`: reports a token that a server refused. It comes on standard input: arguments are seen by every process.

use std::io::{self, IsTerminal as _, Read as _};

use super::args::RejectArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::output;
use crate::ipc::message::token::{RejectOutcome, RejectToken};
use crate::secret::Secret;

/// More than any token seen.
const MAX_TOKEN: u64 = 128 * 1024;

pub(super) fn run(connect: &Connect, args: &RejectArgs) -> Result<(), Failure> {
    let account = connect::account(args.account.as_deref())?;
    let request = RejectToken { account, token: Some(refused_token()?), ..RejectToken::default() };
    let rejection = connect.ask(&request)?;
    let account = rejection.account.as_deref().unwrap_or("the account");
    match rejection.outcome {
        RejectOutcome::Refreshed => output::tell(&format!("Refreshed {account}: ask for its token again.")),
        RejectOutcome::AlreadyReplaced => {
            output::tell(&format!("{account} has had a newer token since: ask for its token again."));
        }
        RejectOutcome::ApiKey => output::tell(&format!(
            "The login of {account} is refused, however fresh its token: its API key answers from now on. Ask again."
        )),
        RejectOutcome::UnknownToken => {
            return Err(Failure::System("no account handed that token out; nothing was done".to_owned()));
        }
        RejectOutcome::PasswordForgotten | RejectOutcome::Unknown => output::tell("Reported."),
    }
    Ok(())
}

fn refused_token() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output::tell("Type or paste the refused token, then Enter and Ctrl-D (better: pipe it in).");
    }
    let mut text = String::new();
    stdin
        .lock()
        .take(MAX_TOKEN)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("the token on standard input cannot be read: {error}")))?;
    let token = Secret::from(text.trim().to_owned());
    drop(Secret::from(text));
    if token.is_empty() {
        return Err(Failure::Usage(
            "the refused token is read from standard input, which is empty: `cred-helper reject < FILE`".to_owned(),
        ));
    }
    Ok(token)
}

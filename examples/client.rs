//! Asks the agent for a token, as any program can: `cargo run --no-default-features --example client -- ACCOUNT`.
//!
//! The light library is the standard library and serde: no runtime, no HTTP, no TLS. The agent is started if none runs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it got")]

use std::process::ExitCode;
use std::time::Duration;

use cred_helper::ipc::message::Error;
use cred_helper::ipc::message::token::{GetToken, Token};
use cred_helper::ipc::start::{Start, connect_or_start};
use cred_helper::paths::Paths;

fn main() -> ExitCode {
    match token(std::env::args().nth(1)) {
        Ok(token) => {
            // The one place where the token leaves: here it would go into an Authorization header.
            let length = token.token.expose().len();
            println!("{}: a {} token of {length} characters", token.account, token.token_type);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            // Says what to do next, as the exit codes of cred-helper do.
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn token(account: Option<String>) -> Result<Token, Error> {
    let deadline = Duration::from_secs(30);
    let paths = Paths::from_env()
        .map_err(|error| Error::new(cred_helper::ipc::message::ErrorKind::Misconfigured, error.to_string()))?;
    let mut client = connect_or_start(&paths, Start::IfNeeded, deadline)?;
    client.set_deadline(deadline);
    client.call(&GetToken { account, ..GetToken::default() }).map_err(|error| error.into_error())
}

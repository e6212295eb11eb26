//! `exec`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use crate::cli::when;

/// Arguments of `exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
The command gets each account's token, or its API key, in the first of the environment variables that the provider's \
own programs read (`cred-helper provider show` names them); the provider's other ones, those for a refresh token and \
a token's end among them, are taken out of its environment, so that there is one credential to be found. --env chooses another name for an account whose provider \
has none, or for a second account of a provider. Which credential that is, `get-token` decides in the same way: a \
variable of the caller's own may come before the login, and stands in where there is neither login nor stored key.

On Unix the command replaces cred-helper, so signals, the terminal and the exit status are its own; elsewhere \
cred-helper waits and ends as it does. Before it begins, errors end with the exit codes of `get-token`; 126 is a \
command that cannot be run, 127 one that is not there.

Nothing renews what is in an environment: a command that outlives its token asks `cred-helper get-token` instead.")]
pub struct ExecArgs {
    /// The accounts whose variables the command gets; with none and no --env, the one that is meant when none is named
    pub account: Vec<String>,
    /// Put that account's token or API key in this variable; may be repeated
    #[arg(long, value_name = "NAME=ACCOUNT", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// How long the tokens should remain valid; one that doesn't is said on standard error
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = when::parse_duration)]
    pub min_validity: Duration,
    /// How long to wait for each of them
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = when::parse_duration)]
    pub timeout: Duration,
    /// Say nothing of tokens that end soon
    #[arg(long)]
    pub quiet: bool,
    /// What to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What shells take for a variable's name, and an account.
fn variable(text: &str) -> Result<(String, String), &'static str> {
    let odd = "it has to be NAME=ACCOUNT, with a name of letters, digits and underscores";
    let (name, account) = text.split_once('=').ok_or(odd)?;
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if sound && !account.is_empty() { Ok((name.to_owned(), account.to_owned())) } else { Err(odd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_a_name_that_shells_take_and_an_account() {
        assert_eq!(variable("A_1=p/work"), Ok(("A_1".to_owned(), "p/work".to_owned())));
        for text in ["A", "=p", "A=", "1A=p", "A-B=p", "A B=p", "É=p"] {
            assert!(variable(text).is_err(), "{text}");
        }
    }
}

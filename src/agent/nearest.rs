//! What is said where nobody is signed in under the name that was asked for: the nearest one that there is.

use super::resolve::login_hint;
use crate::account::AccountName;
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::{PRESETS, nearest};
use crate::redact;

/// The answer to a name that none of the accounts has.
pub(super) fn nobody(asked: &str, name: &AccountName, accounts: Vec<String>) -> Error {
    // A token pasted where a name belongs is a name of odd length: it is not repeated.
    let (shown, hint) = (redact::server_text(asked), redact::server_text(&login_hint(name)));
    let preset = || {
        let all = || PRESETS.iter().map(|preset| preset.name);
        nearest(all(), name.provider()).filter(|_| all().all(|known| known != name.provider()))
    };
    // Of `login PROVIDER --account LABEL` the label stays in one's head.
    let labelled = accounts.iter().find(|account| account.split_once('/').is_some_and(|(_, label)| label == asked));
    let near = labelled.map(String::as_str).or_else(|| nearest(accounts.iter().map(String::as_str), asked));
    let what_to_do = match (near, preset()) {
        (Some(near), _) => format!("did you mean `{near}`? Otherwise run `cred-helper login {hint}`"),
        (None, Some(near)) => format!("did you mean `{near}`? Then run `cred-helper login {near}`"),
        (None, None) => format!("run `cred-helper login {hint}`"),
    };
    let message = format!("nobody is signed in as {shown}: {what_to_do}");
    let mut error = Error::new(ErrorKind::LoginRequired, message).account(shown);
    error.data.accounts = accounts;
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_account_then_the_nearest_provider_is_asked_back() {
        let said = |asked: &str, accounts: &[&str]| {
            let accounts = accounts.iter().map(|name| (*name).to_owned()).collect();
            nobody(asked, &asked.parse().unwrap(), accounts).message
        };
        let table = [
            ("antropic", &["anthropic"][..], "did you mean `anthropic`? Otherwise run `cred-helper login antropic`"),
            (
                "anthropic/wrk",
                &["anthropic/work"],
                "did you mean `anthropic/work`? Otherwise run `cred-helper login anthropic --account wrk`",
            ),
            ("antropic", &["zeta"], "did you mean `anthropic`? Then run `cred-helper login anthropic`"),
            ("anthropic", &["zeta"], "run `cred-helper login anthropic`"),
            ("work", &[], "run `cred-helper login work`"),
            ("work", &["gitlab/work"], "did you mean `gitlab/work`? Otherwise run `cred-helper login work`"),
        ];
        for (asked, accounts, what_to_do) in table {
            assert_eq!(said(asked, accounts), format!("nobody is signed in as {asked}: {what_to_do}"));
        }
    }
}

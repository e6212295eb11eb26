//! `__complete`: the names of accounts and providers that fit where a shell completes a word. The completion scripts call it
//! with the words before that one.
//!
//! What a key press may do is little: no agent is started, nobody is asked for a passphrase, nothing but names is said, and
//! whatever goes wrong there are simply none.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::args::Cli;
use super::connect::{self, Connect};
use super::output;
use crate::account::AccountName;
use crate::ipc::message::account::ListAccounts;
use crate::ipc::message::provider::ListProviders;

/// What is before the words. It is no command of the parser's: nobody types it.
pub(super) const NAME: &str = "__complete";

/// How long somebody who has pressed a key waits for each answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which names fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Accounts,
    Providers,
    /// A provider, or an account there is already.
    Either,
}

pub(super) fn run(words: &[OsString]) {
    let mut root = Cli::command();
    root.build();
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let Some(wanted) = wanted(&root, &words) else { return };
    let names = names(wanted);
    // A shell that has gone is told nothing.
    let _ = output::data(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
}

fn names(wanted: Wanted) -> BTreeSet<String> {
    let connect = Connect::new(true);
    let mut names = BTreeSet::new();
    let Ok(paths) = connect::paths() else { return names };
    if wanted != Wanted::Providers {
        let answer = connect.ask_within(&paths, PATIENCE, &ListAccounts {});
        names.extend(answer.into_iter().flat_map(|list| list.accounts).map(|account| account.account));
    }
    if wanted != Wanted::Accounts {
        let answer = connect.ask_within(&paths, PATIENCE, &ListProviders {});
        names.extend(answer.into_iter().flat_map(|list| list.providers).map(|provider| provider.name));
    }
    // A name is nothing that a shell takes for anything else.
    names.retain(|name| name.parse::<AccountName>().is_ok());
    names
}

/// Which names fit behind these words; none where something else is due.
fn wanted(root: &Command, words: &[&str]) -> Option<Wanted> {
    let (mut command, mut before) = (root, 0);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("") => return None,
            Some(option) if !option.contains('=') => {
                let option = command.get_arguments().find(|argument| argument.get_long() == Some(option))?;
                if option.get_action().takes_values() && words.next().is_none() {
                    return of(command, option);
                }
            }
            Some(_) => {}
            None if word.starts_with('-') => {}
            None => match command.find_subcommand(word) {
                Some(found) if before == 0 => command = found,
                _ => before += 1,
            },
        }
    }
    let places: Vec<&Arg> = command.get_positionals().filter(|place| !place.is_last_set()).collect();
    let place = match places.get(before) {
        Some(place) => place,
        None => places.last().filter(|place| matches!(place.get_action(), ArgAction::Append))?,
    };
    of(command, place)
}

fn of(command: &Command, argument: &Arg) -> Option<Wanted> {
    match (command.get_name(), argument.get_id().as_str()) {
        // A label is nobody's name yet.
        ("login", "account") => None,
        ("login" | "doctor", "provider") | ("import" | "set", "account") => Some(Wanted::Either),
        (_, "account") => Some(Wanted::Accounts),
        (_, "provider") => Some(Wanted::Providers),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_takes_the_names_that_fit() {
        use Wanted::{Accounts, Either, Providers};
        let mut root = Cli::command();
        root.build();
        for (words, expected) in [
            ("", None),
            ("get-token", Some(Accounts)),
            ("--no-start get-token", Some(Accounts)),
            ("get-token --format", None),
            ("get-token --format json", Some(Accounts)),
            ("get-token --format=json --no-start", Some(Accounts)),
            ("get-token a", None),
            ("get-token --no-such-option", None),
            ("exec", Some(Accounts)),
            ("exec a b", Some(Accounts)),
            ("exec --quiet a --", None),
            ("exec a -- get-token", None),
            ("login", Some(Either)),
            ("login --account", None),
            ("doctor", Some(Either)),
            ("logout", Some(Accounts)),
            ("doctor", Some(Either)),
            ("log --account", Some(Accounts)),
            ("log", None),
            ("api-key", None),
            ("api-key set", Some(Either)),
            ("api-key remove", Some(Accounts)),
            ("account rename", Some(Accounts)),
            ("account rename a", None),
            ("account show", Some(Accounts)),
            ("provider show", Some(Providers)),
            ("import", Some(Either)),
            ("no-such-command", None),
        ] {
            let words: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(wanted(&root, &words), expected, "{words:?}");
        }
    }
}

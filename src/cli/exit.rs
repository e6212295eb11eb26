//! Exit codes: one per advice, so that a script can tell "log in" from "try later". Listed in the man pages.

use std::io;

use crate::ipc::message::{Error, ErrorKind};

/// A wrong command line.
pub const USAGE: u8 = 2;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// What the agent said, or the reason why none answers.
    Agent(Box<Error>),
    /// The command line or what was piped in is wrong.
    Usage(String),
    /// The system refused something.
    System(String),
    /// Everything has been said.
    Quiet(u8),
}

impl Failure {
    /// An error of a kind, with its one line for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error::new(kind, message).into()
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Agent(error) => error.kind().exit_code(),
            Failure::Usage(_) => USAGE,
            Failure::System(_) => 1,
            Failure::Quiet(code) => *code,
        }
    }

    /// The one line for people.
    pub fn message(&self) -> Option<&str> {
        match self {
            Failure::Agent(error) => Some(&error.message),
            Failure::Usage(message) | Failure::System(message) => Some(message),
            Failure::Quiet(_) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Agent(Box::new(error))
    }
}

/// What writing to standard output can end in. A reader that left early (`| head`) is no fault.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Quiet(0),
            _ => Failure::System(format!("cannot write the output: {error}")),
        }
    }
}

/// Every exit code and what it means, in order.
pub fn table() -> Vec<(u8, &'static str)> {
    let mut rows = vec![
        (0, "It went well."),
        (USAGE, "The command line is wrong, or a value in it."),
        (INTERRUPTED, "Interrupted with Ctrl-C."),
    ];
    for kind in ErrorKind::ALL {
        let row = (kind.exit_code(), meaning(*kind));
        if rows.iter().all(|(code, _)| *code != row.0) {
            rows.push(row);
        }
    }
    rows.sort_unstable_by_key(|(code, _)| *code);
    rows
}

fn meaning(kind: ErrorKind) -> &'static str {
    use ErrorKind as K;
    match kind {
        K::Internal | K::InvalidRequest | K::MethodNotFound | K::Unknown => {
            "Something else went wrong; the message on standard error says what."
        }
        K::InvalidParams => "The command line is wrong, or a value in it.",
        K::LoginRequired => "Nobody is signed in, or the login is dead: `cred-helper login`.",
        K::UnknownAccount => "There is no account or provider of that name.",
        K::AmbiguousAccount => "No account was named and there is more than one: name one, or `account default`.",
        K::TemporarilyUnavailable => "The server or the network: try again later.",
        K::VaultLocked => "The vault is locked: `cred-helper unlock`.",
        K::NoKeySlot => "There is nowhere to keep the vault's key: `cred-helper vault slot add`.",
        K::KeyMissing => "Logins are there, but the key that opens them is not: `cred-helper vault status`.",
        K::VaultInUse => "An agent on another host has the vault.",
        K::AgentUnreachable => "No agent answers, and none could be (or, with --no-start, should be) started.",
        K::Misconfigured => "The configuration or the provider's registration is wrong: `cred-helper config check`.",
        K::Denied => "The provider or the person said no.",
        K::Cancelled => "The login was cancelled or took too long.",
        K::NoticeRequired => "The provider's notice has to be read and accepted: `login --accept-notice`.",
        K::VaultCopied => {
            "The vault was copied from another machine or restored from a backup: log in anew, or `cred-helper vault adopt`."
        }
        K::WrongPassphrase => "The passphrase is wrong.",
        K::InvalidPaste => "What was pasted is no code, or another login's.",
        K::OtherPerson => "The server says that another person signed in: `login --replace`.",
        K::StorageFailed => "The disk refuses to keep what must be kept.",
        K::Refused => "The agent is another user's, or the effective user doesn't own the home (sudo).",
        K::KeyringRefused => "The keyring did not open: its prompt was dismissed, or access was denied.",
        K::NoSuchToken => "The login has no token of that kind.",
        K::ProjectUntrusted => "A project's .cred-helper.toml names an account: `cred-helper account trust` lets it.",
        K::NotAllowed => "The account's `allow` rules don't name the program that asks: see cred-helper.toml(5).",
        K::NotConfirmed => "A person was asked whether the program may have the token, and did not say yes.",
        K::UnknownTarget => "No account answers for that URL: see [targets] in cred-helper.toml(5).",
        K::RateLimited => {
            "The program asks for the account's token too often: see `rate_limit` in cred-helper.toml(5)."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_kind_once() {
        let rows = table();
        for kind in ErrorKind::ALL {
            assert_eq!(rows.iter().filter(|(code, _)| *code == kind.exit_code()).count(), 1, "{kind:?}");
        }
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(), 0);
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.code() == 1 && full.message().is_some());
    }
}

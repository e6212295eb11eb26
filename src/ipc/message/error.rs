//! Errors on the wire. A kind is defined by what the caller does next; the message is for people, in one line.

use serde::{Deserialize, Serialize};

use super::login::Notice;
use super::variable::Variables;
use super::vault::SlotKind;
use crate::clock::Timestamp;

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// [`ErrorKind::code`].
    pub code: i32,
    /// One line: what happened, to which account or file, and what to do next. Never a secret.
    pub message: String,
    /// What a program needs to act.
    pub data: Details,
}

/// The machine's half of an [`Error`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// What the caller does next.
    #[serde(default)]
    pub kind: ErrorKind,
    /// The account it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When it is worth asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// With [`ErrorKind::NoticeRequired`]: what a person has to read and accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// With [`ErrorKind::NoKeySlot`]: the kinds of slot that would work here, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotKind>,
    /// With [`ErrorKind::AmbiguousAccount`] and [`ErrorKind::UnknownAccount`]: the names there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The caller's environment variables that it may use in the place of an answer, best first. Only their names travel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The same with what they hold, and those that hold a refresh token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variables>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $exit:literal;)*) => {
        /// What went wrong, by what the caller does next.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
            /// A kind that this version doesn't know.
            #[default]
            #[serde(other)]
            Unknown,
        }

        impl ErrorKind {
            /// Every kind there is, for tables and tests.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$kind,)*];

            /// The JSON-RPC error code.
            pub fn code(self) -> i32 {
                match self { $(ErrorKind::$kind => $code,)* ErrorKind::Unknown => -32000 }
            }

            /// The exit code of the command line.
            pub fn exit_code(self) -> u8 {
                match self { $(ErrorKind::$kind => $exit,)* ErrorKind::Unknown => 1 }
            }
        }
    };
}

kinds! {
    /// Our own fault, or the system's: the message says which.
    Internal = -32603, 1;
    /// Not JSON, or no request (JSON-RPC 2.0 section 5.1).
    InvalidRequest = -32600, 1;
    /// No such method: the agent is older or newer than the client.
    MethodNotFound = -32601, 1;
    /// The parameters are not the method's, or a value in them is wrong.
    InvalidParams = -32602, 2;
    /// Nobody is signed in, or the login is dead: `cred-helper login`.
    LoginRequired = -32001, 10;
    /// No account or provider of that name.
    UnknownAccount = -32002, 11;
    /// No account was named and there is more than one.
    AmbiguousAccount = -32003, 12;
    /// The server or the network: ask again later.
    TemporarilyUnavailable = -32004, 13;
    /// `cred-helper unlock`.
    VaultLocked = -32005, 14;
    /// There is nowhere to keep the vault's key: `cred-helper vault slot add`.
    NoKeySlot = -32006, 15;
    /// Records are there but the key that opens them is not (a keyring was reset): `cred-helper vault status`.
    KeyMissing = -32007, 16;
    /// Another host has the vault (a shared home).
    VaultInUse = -32008, 17;
    /// No agent answers, and none could be started.
    AgentUnreachable = -32009, 18;
    /// The configuration or the provider's registration is wrong.
    Misconfigured = -32010, 19;
    /// The provider or the person said no.
    Denied = -32011, 20;
    /// The login was cancelled or took too long.
    Cancelled = -32012, 21;
    /// The provider's notice has to be read and accepted: `--accept-notice`.
    NoticeRequired = -32013, 22;
    /// The vault was copied from another machine or restored from a backup: log in anew, or `cred-helper vault adopt`.
    VaultCopied = -32014, 23;
    /// The passphrase is wrong.
    WrongPassphrase = -32015, 24;
    /// A pasted text is no code, or another login's; the login goes on waiting.
    InvalidPaste = -32016, 25;
    /// The server says that another person signed in: `--replace`.
    OtherPerson = -32017, 26;
    /// The disk refuses to keep what must be kept.
    StorageFailed = -32018, 27;
    /// The peer is another user of the machine, or the effective user does not own the home.
    Refused = -32019, 28;
    /// The keyring did not open: a prompt was dismissed, or access denied.
    KeyringRefused = -32020, 29;
    /// The login has no token of that kind, e.g. no ID token.
    NoSuchToken = -32021, 30;
    /// A project's `.cred-helper.toml` names an account and nobody has said that it may: `cred-helper account trust`.
    ProjectUntrusted = -32022, 31;
    /// The account's `allow` rules in the configuration don't name the program that asks.
    NotAllowed = -32023, 32;
    /// The account wants a person's yes, and the answer was no, or there was none.
    NotConfirmed = -32024, 33;
    /// The account's `rate_limit` is used up: ask again at `retry_at`.
    RateLimited = -32025, 34;
    /// No account answers for that URL; to other programs: nothing here.
    UnknownTarget = -32026, 35;
}

impl Error {
    /// An error of a kind, with its one line for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { code: kind.code(), message: message.into(), data: Details { kind, ..Details::default() } }
    }

    /// Says which account it is about.
    #[must_use]
    pub fn account(mut self, account: impl ToString) -> Self {
        self.data.account = Some(account.to_string());
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.data.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_exit_codes_of_different_advice_differ() {
        let codes: HashSet<_> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        let exits: Vec<_> = ErrorKind::ALL.iter().map(|k| k.exit_code()).filter(|e| *e >= 10).collect();
        assert_eq!(exits.iter().collect::<HashSet<_>>().len(), exits.len());
    }

    #[test]
    fn a_kind_of_a_newer_agent_survives() {
        let error: Error =
            serde_json::from_str(r#"{"code":-32099,"message":"m","data":{"kind":"sun_burnt","x":1}}"#).expect("parses");
        assert_eq!(error.kind(), ErrorKind::Unknown);
        assert_eq!(error.kind().exit_code(), 1);
    }
}

//! The wire's messages: JSON-RPC 2.0, one file per family of methods.
//!
//! Every method is a type of its parameters that names itself and its answer ([`Method`]), so that client and agent
//! cannot disagree. Unknown fields are ignored and unknown variants survive, so that neither end needs the other's
//! version. `man/cred-helper-protocol.7` is the contract in words.

pub mod account;
pub mod agent;
pub mod api_key;
pub mod audit;
pub mod aws;
pub mod error;
pub mod event;
pub mod import;
pub mod login;
pub mod password;
pub mod provider;
pub mod token;
pub mod variable;
pub mod vault;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::{Error, ErrorKind};

/// The newest protocol version this build speaks, beside the one before; [`agent::Hello`] tells.
pub const PROTOCOL: u32 = 1;
/// The first version there is.
const FIRST: u32 = 1;

/// What a build of that version speaks: it and the one before.
pub fn spoken(newest: u32) -> Vec<u32> {
    (newest.saturating_sub(1).max(FIRST)..=newest).collect()
}

/// The newest version that both speak: the caller, who names its own, and a build of `newest`. Whoever names none takes what
/// comes.
pub fn agreed(named: &[u32], newest: u32) -> Option<u32> {
    let both = spoken(newest).into_iter().filter(|version| named.is_empty() || named.contains(version));
    both.max()
}

/// The longest message in bytes: a token answer with the largest tokens seen is under 32 KiB.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// A method: its parameters are `Self`.
pub trait Method: Serialize + DeserializeOwned {
    /// Its name on the wire.
    const NAME: &'static str;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned;
    /// What a caller does whose connection breaks before the answer.
    const REPEATED: Repeated = Repeated::Once;
}

/// How often a request is made again whose answer didn't come, because an agent ended: it may have done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// What was asked for has happened with that end, or is worth a look first.
    Never,
    /// It was most likely not read.
    Once,
    /// Asking twice is as good as once.
    UntilAnswered,
}

/// A message sent by the agent unasked, e.g. progress of a login.
pub trait Notification: Serialize + DeserializeOwned {
    /// Its name on the wire.
    const NAME: &'static str;
}

/// A request or, without `id`, a notification (JSON-RPC 2.0 section 4).
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Always `2.0`.
    pub jsonrpc: Version,
    /// A number or a string, given back with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// The method's name.
    pub method: String,
    /// By name, as an object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub params: Value,
}

/// An answer (JSON-RPC 2.0 section 5): `result` or `error`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Response {
    /// Always `2.0`.
    pub jsonrpc: Version,
    /// The request's; null if it could not be read.
    pub id: Value,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// The constant `"2.0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// JSON-RPC 2.0.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

/// An answer without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_version_and_the_one_before_are_spoken() {
        let cases: &[(&[u32], u32, Option<u32>)] = &[
            (&[1], 1, Some(1)),
            (&[], 1, Some(1)),
            (&[2, 1], 1, Some(1)),
            (&[2], 1, None),
            (&[0], 1, None),
            // A later build: the version before it is what today's clients name.
            (&[1], 2, Some(1)),
            (&[1, 2], 2, Some(2)),
            (&[1], 3, None),
            (&[2, 3, 4], 3, Some(3)),
        ];
        for (named, newest, expected) in cases {
            assert_eq!(agreed(named, *newest), *expected, "{named:?} to an agent of {newest}");
        }
    }
}

//! `audit.*`: who asked for what, and what came of it. An entry is the same on the wire and as a line of the log's file.
//!
//! No entry holds a secret: not a token, not its fingerprint, not a name that somebody typed and no account has.

use serde::{Deserialize, Serialize};

use super::{ErrorKind, Method, Notification, Repeated};
use crate::clock::Timestamp;

/// `audit.read`: the newest entries that fit, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadAudit {
    /// None before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// None after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// An account, or a provider for all its accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A program: its path, the last part of that, or the name of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// At most so many; never more than 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// From here on [`Entry`] comes as a notification whenever one that fits is written.
    #[serde(default)]
    pub follow: bool,
}

impl Method for ReadAudit {
    const NAME: &'static str = "audit.read";
    type Answer = AuditLog;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// What the log holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditLog {
    /// Whether requests are logged.
    pub enabled: bool,
    /// Its file.
    pub file: String,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// Whether older ones that fit were left out.
    #[serde(default)]
    pub more: bool,
    /// Entries that this agent could not write.
    #[serde(default)]
    pub lost: u64,
}

/// One request, or several that were the same. As a notification: `audit.entry`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was answered.
    pub at: Timestamp,
    /// When the last of `count` was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many requests of the same kind this stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// The method; `connect` for a peer that was refused, `audit` for the log's own words.
    pub method: String,
    /// The account it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What else there is to say: an account's new name, a slot's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The peer's user, where the system says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The process that connected: `cred-helper` itself, mostly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// For whom it asked.
    #[serde(default, skip_serializing_if = "Program::is_nobody")]
    pub program: Program,
    /// What came of it.
    pub outcome: Outcome,
    /// With [`Outcome::Failed`] and [`Outcome::Denied`]: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
}

impl Notification for Entry {
    const NAME: &'static str = "audit.entry";
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_one(count: &u64) -> bool {
    *count == 1
}

/// The program a request came from: the nearest ancestor of the peer, itself included, that is neither ours nor a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    /// Its executable. Without it the program is unknown, and matches no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What its process calls itself: for people, anybody can call himself anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

impl Program {
    fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What was asked for was done.
    Done,
    /// A token was handed out that was there.
    Cached,
    /// A token was handed out that was refreshed for it.
    Refreshed,
    /// An error was answered.
    Failed,
    /// A rule of the configuration, or the person it asks, said no.
    Denied,
    /// The caller hung up before there was an answer.
    Left,
    /// So many entries before this one could not be written.
    Lost,
    /// An outcome that this version doesn't know.
    #[serde(other)]
    Unknown,
}

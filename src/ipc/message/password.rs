//! `password.*`: what other programs' helpers want kept where no account answers. A password is handed out by `token.get`
//! with [`or_password_for`](super::token::GetToken::or_password_for), and given up by `token.reject` or here.

use serde::{Deserialize, Serialize};

use super::{Method, Repeated};
use crate::clock::Timestamp;
use crate::secret::{self, Secret};

/// `password.store`: keeps a password that a server has accepted, in the place of the one before.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorePassword {
    /// What it is for: a URL, and what is below.
    pub url: String,
    /// Whose it is.
    pub username: String,
    /// The password.
    #[serde(serialize_with = "secret::exposed")]
    pub password: Secret,
    /// When it ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The URL that an account may answer for, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Method for StorePassword {
    const NAME: &'static str = "password.store";
    type Answer = PasswordStored;
}

/// What became of a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PasswordStored {
    /// Whether it is kept, or why not.
    pub outcome: StoreOutcome,
    /// The account that answers there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Whether a password is kept, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreOutcome {
    /// It is kept.
    Kept,
    /// It is a token that was handed out here.
    OwnToken,
    /// An account answers there, and would before it.
    AccountAnswers,
    /// The configuration says that nothing answers there.
    NothingAnswers,
    /// It has ended already.
    Ended,
    /// An outcome that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// `password.remove`: forgets what is kept for this very URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemovePassword {
    /// The URL.
    pub url: String,
    /// Whose; without it, everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Method for RemovePassword {
    const NAME: &'static str = "password.remove";
    /// Those that are gone.
    type Answer = Passwords;
}

/// `password.list`: what is kept, without the passwords themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListPasswords {}

impl Method for ListPasswords {
    const NAME: &'static str = "password.list";
    type Answer = Passwords;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// Passwords, sorted by URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Passwords {
    /// What they are for, and whose they are.
    pub passwords: Vec<KeptPassword>,
}

/// What may be told of a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPassword {
    /// What it is for.
    pub url: String,
    /// Whose it is.
    pub username: String,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When it ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

//! `events.subscribe`: state changes as notifications, until the connection closes.

use serde::{Deserialize, Serialize};

use super::account::AccountState;
use super::token::AuthMethod;
use super::vault::VaultState;
use super::{Done, Method, Notification, Repeated};
use crate::clock::Timestamp;

/// `events.subscribe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {}

impl Method for Subscribe {
    const NAME: &'static str = "events.subscribe";
    type Answer = Done;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// `event`: something changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

impl Notification for Event {
    const NAME: &'static str = "event";
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// An account is in another state.
    State {
        /// The account.
        account: String,
        /// Its new state.
        state: AccountState,
    },
    /// An account has new tokens.
    Refreshed {
        /// The account.
        account: String,
        /// When the access token ends.
        expires_at: Option<Timestamp>,
    },
    /// A refresh failed; it is tried again at `retry_at`.
    RefreshFailed {
        /// The account.
        account: String,
        /// One line for people.
        message: String,
        /// When it is tried again.
        retry_at: Option<Timestamp>,
    },
    /// An account that has a login and an API key answers with the other one from now on.
    Source {
        /// The account.
        account: String,
        /// With which.
        method: AuthMethod,
        /// Why, in one line.
        reason: String,
    },
    /// A login's refresh token, or an API key, ends within so many days.
    Ending {
        /// The account.
        account: String,
        /// What ends.
        what: Ends,
        /// When.
        ends_at: Timestamp,
        /// Within how many days: once for each warning there is.
        within: u16,
    },
    /// An account has another name.
    Renamed {
        /// Its old name.
        account: String,
        /// Its new name.
        to: String,
    },
    /// The vault is in another state.
    Vault {
        /// Its new state.
        state: VaultState,
    },
    /// The subscriber was too slow and missed some.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// A change that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// What has an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// A login's refresh token, and the login with it.
    RefreshToken,
    /// An API key.
    ApiKey,
    /// Something that this version doesn't know.
    #[serde(other)]
    Unknown,
}

//! `vault.*`: where logins rest, and the key slots that open it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Done, Method, Repeated};
use crate::clock::Timestamp;
use crate::secret::{self, Secret};

/// `vault.status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VaultStatus {}

impl Method for VaultStatus {
    const NAME: &'static str = "vault.status";
    type Answer = VaultReport;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// What is known of the vault without its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultReport {
    /// Its directory.
    pub directory: String,
    /// Its random id, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its state.
    pub state: VaultState,
    /// One line on the state, where there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The key's epoch; it grows when a slot is removed.
    #[serde(default)]
    pub epoch: u64,
    /// How many records there are.
    #[serde(default)]
    pub records: usize,
    /// Files that could not be opened or should not be there, by name; they are kept.
    #[serde(default)]
    pub damaged: Vec<String>,
    /// What is wrong with files of the vault and what to do, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<String>,
    /// Its key slots.
    #[serde(default)]
    pub slots: Vec<SlotReport>,
    /// The weakest slot: the vault is as strong as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_strong_as: Option<SlotKind>,
    /// When it locks itself; missing: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_lock: Option<AutoLock>,
}

/// When the vault locks itself, as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoLock {
    /// After this many seconds in which nobody used a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_idle: Option<u64>,
    /// Before the machine sleeps.
    #[serde(default)]
    pub on_suspend: bool,
    /// When the person's screen is locked.
    #[serde(default)]
    pub on_screen_lock: bool,
}

/// The states of the vault, each with its own advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultState {
    /// There is none yet: the first login makes it.
    Absent,
    /// Open.
    Unlocked,
    /// Closed: `unlock`.
    Locked,
    /// Its key's keyring is there, but the key is not: it was reset.
    KeyMissing,
    /// Its key's keyring could not be reached (no D-Bus session, no such service).
    KeyringUnavailable,
    /// It belongs to another machine: nothing is redeemed until `vault adopt` or a new login.
    Copied,
    /// It was restored from a backup: nothing is redeemed until `vault adopt` or a new login.
    Restored,
    /// A state that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// The kinds of key slot, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// No disk at all: the key and the logins live in the agent's memory.
    Memory,
    /// The session's keyring: Secret Service, macOS Keychain, Windows DPAPI.
    Keyring,
    /// A passphrase.
    Passphrase,
    /// This machine: whoever can read the user's files on it can open the vault.
    Machine,
    /// A kind that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// One key slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotReport {
    /// Its id, for `vault slot remove`.
    pub id: String,
    /// Its kind.
    pub kind: SlotKind,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether this is the slot that opened the vault.
    pub in_use: bool,
    /// What it is worth, in one line.
    pub description: String,
}

/// `vault.slot.add`: another way to open the vault; makes the vault if there is none.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddSlot {
    /// The kind.
    pub kind: SlotKind,
    /// With [`SlotKind::Passphrase`].
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub passphrase: Option<Secret>,
    /// Yes to a slot weaker than those there are.
    #[serde(default)]
    pub accept_weaker: bool,
}

impl Method for AddSlot {
    const NAME: &'static str = "vault.slot.add";
    type Answer = SlotReport;
}

/// `vault.slot.remove`: starts a new key epoch and reseals every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemoveSlot {
    /// The slot's id.
    pub id: String,
}

impl Method for RemoveSlot {
    const NAME: &'static str = "vault.slot.remove";
    type Answer = Done;
}

/// How long `vault.lock` waits for the exchanges under way; one that takes longer still keeps what it gets, sealed.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// `vault.lock`: forgets the key once the exchanges under way are safe. Holds until `vault.unlock`, restarts included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lock {}

impl Method for Lock {
    const NAME: &'static str = "vault.lock";
    type Answer = Done;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// `vault.unlock`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unlock {
    /// For a passphrase slot; without it the other slots are tried.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_option")]
    pub passphrase: Option<Secret>,
    /// Whether a person is there to answer a keyring's prompt.
    #[serde(default)]
    pub interactive: bool,
}

impl Method for Unlock {
    const NAME: &'static str = "vault.unlock";
    type Answer = Done;
}

/// `vault.adopt`: this machine takes over a vault that came from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adopt {}

impl Method for Adopt {
    const NAME: &'static str = "vault.adopt";
    type Answer = Done;
}

/// `vault.reset`: sets the vault aside (nothing is deleted) so that a new one can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reset {}

impl Method for Reset {
    const NAME: &'static str = "vault.reset";
    type Answer = WasReset;
}

/// Where the old vault went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WasReset {
    /// The directory it was moved to.
    pub moved_to: String,
}

//! What can go wrong with a vault, each with what to do next, and the wire's word for it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Barred;
use crate::clock::{Clock as _, SystemClock};
use crate::ipc::message::vault::SlotKind;
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::owner::{Owner, host_name};

/// Why a vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk.
    #[error("could not {action} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent has it.
    #[error("{}", in_use(owner.as_deref(), directory))]
    InUse {
        /// Who, where its file can be read.
        owner: Option<Box<Owner>>,
        /// The vault's directory.
        directory: PathBuf,
    },
    /// It is closed.
    #[error("the vault is locked{0}: run `cred-helper unlock`")]
    Locked(&'static str),
    /// There is nowhere to keep the key.
    #[error(
        "there is nowhere to keep the vault's key ({why}): run `cred-helper vault slot add passphrase` (or `machine`, which protects less)"
    )]
    NoKeySlot {
        /// The kinds that would work here, best first.
        possible: Vec<SlotKind>,
        /// Why the keyring won't do.
        why: String,
    },
    /// Records are there, their key is not.
    #[error("the vault's key is missing ({0}): restore it, or set the vault aside with `cred-helper vault reset`")]
    KeyMissing(String),
    /// No keyring can be reached.
    #[error("the keyring with the vault's key could not be reached ({0}): start it, then run `cred-helper unlock`")]
    KeyringUnavailable(String),
    /// The keyring did not open.
    #[error("the keyring did not give the vault's key ({0}): run `cred-helper unlock` and answer its prompt")]
    KeyringRefused(String),
    /// It came from another machine.
    #[error(
        "the vault was copied from another machine or installation; its logins may be in use there: \
         sign in anew there or here, or run `cred-helper vault adopt`"
    )]
    Copied,
    /// It is older than what this installation has seen of it.
    #[error(
        "the vault was restored from a backup; its logins may be used up: sign in anew, or run `cred-helper vault adopt`"
    )]
    Restored,
    /// That login must not be redeemed.
    #[error("{}", barred(*.0))]
    Barred(Barred),
    /// A passphrase that opens nothing.
    #[error("the passphrase is wrong; the next try counts in {} s", wait.as_secs())]
    WrongPassphrase {
        /// How long until the next try is looked at.
        wait: Duration,
    },
    /// A try before its time.
    #[error("too many wrong passphrases: try again in {} s", wait.as_secs().max(1))]
    TooSoon {
        /// How long until the next try is looked at.
        wait: Duration,
    },
    /// The question is not one that can be answered.
    #[error("{0}")]
    Invalid(String),
    /// A file of a newer version.
    #[error("{} has format {found}, which this version does not know: use a newer cred-helper", path.display())]
    Format {
        /// The file; it is kept.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A file that is not what was written.
    #[error("{} is damaged and was kept: restore it from a backup{advice}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What else can be done.
        advice: &'static str,
    },
    /// What was found on the disk at the last look, in one line.
    #[error("{0}")]
    Storage(String),
    /// A record was replaced or removed by somebody else meanwhile.
    #[error("the login was changed meanwhile: read it again")]
    Stale,
    /// No random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// Our own fault.
    #[error("{0}")]
    Internal(&'static str),
}

impl VaultError {
    pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Disk { action, path, source }
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk { .. } | Self::Damaged { .. } | Self::Format { .. } | Self::Storage(_) => {
                ErrorKind::StorageFailed
            }
            Self::InUse { .. } => ErrorKind::VaultInUse,
            Self::Locked(_) | Self::KeyringUnavailable(_) => ErrorKind::VaultLocked,
            Self::NoKeySlot { .. } => ErrorKind::NoKeySlot,
            Self::KeyMissing(_) => ErrorKind::KeyMissing,
            Self::KeyringRefused(_) => ErrorKind::KeyringRefused,
            Self::Copied | Self::Restored | Self::Barred(Barred::Foreign) => ErrorKind::VaultCopied,
            Self::Barred(Barred::RolledBack) => ErrorKind::LoginRequired,
            Self::WrongPassphrase { .. } | Self::TooSoon { .. } => ErrorKind::WrongPassphrase,
            Self::Invalid(_) => ErrorKind::InvalidParams,
            Self::Stale | Self::Random(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        let mut wire = Error::new(error.kind(), error.to_string());
        match error {
            VaultError::NoKeySlot { possible, .. } => wire.data.slots = possible,
            VaultError::WrongPassphrase { wait } | VaultError::TooSoon { wait } => {
                wire.data.retry_at = Some(SystemClock.now() + wait);
            }
            _ => {}
        }
        wire
    }
}

fn barred(why: Barred) -> &'static str {
    match why {
        Barred::RolledBack => "its record was restored from a backup, and its refresh token was used since",
        Barred::Foreign => {
            "it came with a vault that was copied or restored, and may be used up or in use elsewhere \
             (to take everything over: `cred-helper vault adopt`)"
        }
    }
}

fn in_use(owner: Option<&Owner>, directory: &Path) -> String {
    let directory = directory.display();
    match owner {
        Some(owner) if owner.host != host_name() => format!(
            "the vault in {directory} is in use by the agent on {} (process {}): stop that one first, or use a \
             vault of this machine's own",
            owner.host, owner.pid
        ),
        Some(owner) => {
            format!("the vault in {directory} is in use by the agent at {} (process {})", owner.socket, owner.pid)
        }
        None => format!("the vault in {directory} is in use by another agent"),
    }
}

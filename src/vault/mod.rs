//! Where logins rest: sealed records, and the key slots that open them.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | a login, as it is kept |
//! | `records`, `prepared` | reading, writing and replacing records; what is in hand before a refresh goes out |
//! | `sealed`, `seal` | a record's file; keys and sealing |
//! | `header`, `wrap` | `vault.json`; how a slot's key opens the vault's |
//! | `unlock`, `slots`, `epoch` | opening and closing; adding and removing slots; a new key for everything |
//! | `slot` | the places where a key can live, one file each |
//! | `ownership`, `passing` | the lock that makes an agent the owner; handing the vault to a successor |
//! | `machine`, `disk` | this machine; files that survive a kill |
//!
//! Nothing is ever deleted because it could not be opened, and a key is minted only for a vault that has neither slots
//! nor records. Everything here blocks.

mod arrivals;
mod disk;
mod epoch;
mod error;
#[cfg(any(feature = "fuzzing", all(test, feature = "agent", feature = "cli")))]
pub(crate) mod fuzzing;
mod header;
mod machine;
mod ownership;
#[cfg(unix)]
mod passing;
mod prepared;
pub mod record;
mod records;
mod seal;
mod sealed;
mod slot;
mod slots;
#[cfg(test)]
mod tests;
mod unlock;
mod wrap;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::disk::Disk;
pub use self::error::VaultError;
use self::header::{Header, Keys};
pub use self::machine::MachineId;
use self::ownership::Ownership;
#[cfg(unix)]
pub use self::passing::Passed;
pub use self::prepared::{Mark, Prepared};
pub use self::records::{Loaded, RecordId, Stored, Written};
use self::slot::Place;
pub use self::slot::{Cost, KeyringChoice};
use crate::clock::{Clock, SystemClock};
pub use crate::fault::Faults;
use crate::ipc::message::vault::{SlotKind, SlotReport, VaultReport, VaultState};
use crate::paths::Paths;
use crate::version;

/// Where a vault is, and what it may use.
#[derive(Clone)]
pub struct OpenOptions {
    /// Its directory.
    pub vault_dir: PathBuf,
    /// The installation's own directory, which no backup of the vault brings along.
    pub state_dir: PathBuf,
    /// Where the agent listens, for the owner's file.
    pub socket: String,
    /// The agent's version, for the owner's file.
    pub version: String,
    /// Which keyring may be used.
    pub keyring: KeyringChoice,
    /// Where the machine's id comes from.
    pub machine: MachineId,
    /// What a new passphrase slot costs.
    pub passphrase_cost: Cost,
    /// How long a keyring has that asks nobody.
    pub keyring_patience: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tests' hand on the disk.
    pub faults: Option<Arc<Faults>>,
}

impl OpenOptions {
    /// The user's own vault.
    pub fn new(paths: &Paths) -> Self {
        Self {
            vault_dir: paths.vault_dir.clone(),
            state_dir: paths.state_dir.clone(),
            socket: paths.socket.to_string_lossy().into_owned(),
            version: version::own().to_owned(),
            keyring: KeyringChoice::default(),
            machine: MachineId::default(),
            passphrase_cost: Cost::default(),
            // A keyring that D-Bus has to start first takes a second or two.
            keyring_patience: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            faults: None,
        }
    }
}

/// A vault, owned by this process until it is dropped. Copies are handles on the same one.
#[derive(Clone)]
pub struct Vault {
    shared: Arc<Shared>,
}

struct Shared {
    options: OpenOptions,
    disk: Disk,
    inner: Mutex<Inner>,
    /// Held by whatever changes slots, header or state, keyring prompts included.
    admin: Mutex<()>,
    /// Held while records are written; a new epoch holds it for all of them.
    writes: Mutex<()>,
    // Dropped last: the lock goes when nothing writes any more.
    ownership: Ownership,
}

impl Shared {
    fn new(options: OpenOptions, disk: Disk, ownership: Ownership) -> Self {
        Self { options, disk, inner: Mutex::default(), admin: Mutex::default(), writes: Mutex::default(), ownership }
    }
}

/// What is known; held for moments only.
#[derive(Default)]
struct Inner {
    header: Option<Header>,
    /// The records of a vault without a disk, sealed as they would be there.
    memory: Option<BTreeMap<RecordId, Vec<u8>>>,
    keys: Option<Arc<Keys>>,
    /// The slot that opened it.
    opened_by: Option<String>,
    copied: bool,
    trouble: Option<Trouble>,
    /// The highest version seen of each record; `u64::MAX` once it was removed.
    seen: HashMap<RecordId, u64>,
    damaged: Vec<String>,
    wrong_passphrases: u32,
    /// On the boot clock.
    next_try: Duration,
    /// How often it was locked: an unlocking that began before loses.
    locks: u64,
    /// Whether what a killed agent left half-placed was looked for: once, before anything is prepared.
    arrivals_finished: bool,
}

/// What stood in the way at the last try.
#[derive(Clone, Debug)]
enum Trouble {
    KeyMissing(String),
    KeyringUnavailable(String),
    Other(String),
}

impl Vault {
    /// Becomes the vault's owner and reads what can be read without its key.
    pub fn open(options: OpenOptions) -> Result<Self, VaultError> {
        let disk = Disk { faults: options.faults.clone() };
        disk.make_directory(&options.vault_dir)?;
        let ownership = Ownership::take(&options)?;
        let records = options.vault_dir.join("records");
        disk.make_directory(&options.state_dir)?;
        disk.make_directory(&records)?;
        disk.sweep(&options.vault_dir);
        disk.sweep(&records);
        let vault = Self { shared: Arc::new(Shared::new(options, disk, ownership)) };
        *vault.inner() = vault.read_header()?;
        Ok(vault)
    }

    /// Tells clients of every environment who the owner is and where it listens. Nothing else depends on it.
    pub fn announce(&self) -> Result<(), VaultError> {
        self.shared.ownership.announce(&self.shared.options, &self.shared.disk)
    }

    fn read_header(&self) -> Result<Inner, VaultError> {
        let mut inner = Inner::default();
        let path = self.header_file();
        match disk::read(&path)?.map(|bytes| Header::parse(&path, &bytes)) {
            Some(Ok(header)) => {
                inner.copied = self.binding(&header.body.id)? != Some(header.binding.clone());
                inner.header = Some(header);
            }
            // Kept as it is; `reset` sets it aside.
            Some(Err(error)) => inner.trouble = Some(Trouble::Other(error.to_string())),
            None if self.record_ids()?.is_empty() => {}
            None => inner.trouble = Some(Trouble::KeyMissing(format!("{} is gone", path.display()))),
        }
        Ok(inner)
    }

    /// Its state.
    pub fn state(&self) -> VaultState {
        self.inner().state()
    }

    /// What is known of it without its key.
    pub fn report(&self) -> VaultReport {
        let records = self.record_ids().map(|ids| ids.len()).unwrap_or_default();
        let inner = self.inner();
        let header = inner.header.as_ref();
        let slots: Vec<SlotReport> = header.map_or_else(Vec::new, |header| {
            header.body.slots.iter().map(|slot| slots::report(slot, inner.opened_by.as_deref())).collect()
        });
        VaultReport {
            directory: self.shared.options.vault_dir.display().to_string(),
            id: header.map(|header| header.body.id.clone()),
            state: inner.state(),
            message: inner.message(),
            epoch: header.map_or(0, |header| header.body.epoch),
            records,
            damaged: inner.damaged.clone(),
            as_strong_as: slots.iter().map(|slot| slot.kind).max(),
            slots,
            auto_lock: None,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        hold(&self.shared.inner)
    }

    fn header_file(&self) -> PathBuf {
        self.shared.options.vault_dir.join("vault.json")
    }

    /// Writes the header, unless the vault is one without a disk.
    fn write_header(&self, header: &Header) -> Result<(), VaultError> {
        if header.body.slots.iter().any(|slot| slot.kind == SlotKind::Memory) {
            return Ok(());
        }
        self.shared.disk.replace(&self.header_file(), &header.bytes()?)
    }

    fn place<'a>(&'a self, vault: &'a str, slot: &'a str) -> Place<'a> {
        let options = &self.shared.options;
        Place {
            vault,
            slot,
            state_dir: &options.state_dir,
            disk: &self.shared.disk,
            machine: &options.machine,
            keyring: &options.keyring,
            cost: options.passphrase_cost,
            patience: options.keyring_patience,
        }
    }
}

impl Inner {
    fn state(&self) -> VaultState {
        match (&self.header, &self.trouble) {
            _ if self.copied => VaultState::Copied,
            _ if self.keys.is_some() => VaultState::Unlocked,
            (_, Some(Trouble::KeyMissing(_))) => VaultState::KeyMissing,
            (_, Some(Trouble::KeyringUnavailable(_))) => VaultState::KeyringUnavailable,
            (None, None) => VaultState::Absent,
            _ => VaultState::Locked,
        }
    }

    fn message(&self) -> Option<String> {
        if self.copied {
            return Some(VaultError::Copied.to_string());
        }
        if self.keys.is_some() {
            return None;
        }
        let sticky = self.header.as_ref().is_some_and(|header| header.sticky);
        match &self.trouble {
            _ if sticky => Some(unlock::STICKY.to_string()),
            Some(Trouble::KeyMissing(why)) => Some(VaultError::KeyMissing(why.clone()).to_string()),
            Some(Trouble::KeyringUnavailable(why)) => Some(VaultError::KeyringUnavailable(why.clone()).to_string()),
            Some(Trouble::Other(why)) => Some(why.clone()),
            None => self.header.is_some().then(|| VaultError::Locked("").to_string()),
        }
    }

    /// The keys, or why there are none.
    fn opened(&self) -> Result<Arc<Keys>, VaultError> {
        if self.copied {
            return Err(VaultError::Copied);
        }
        match (&self.keys, &self.trouble) {
            (Some(keys), _) => Ok(keys.clone()),
            (None, _) if self.header.as_ref().is_some_and(|header| header.sticky) => Err(unlock::STICKY),
            (None, Some(Trouble::KeyMissing(why))) => Err(VaultError::KeyMissing(why.clone())),
            (None, Some(Trouble::KeyringUnavailable(why))) => Err(VaultError::KeyringUnavailable(why.clone())),
            (None, Some(Trouble::Other(why))) if self.header.is_none() => Err(VaultError::Invalid(why.clone())),
            (None, _) => Err(VaultError::Locked("")),
        }
    }

    fn vault_id(&self) -> Result<String, VaultError> {
        self.header.as_ref().map(|header| header.body.id.clone()).ok_or(VaultError::Locked(""))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("directory", &self.shared.options.vault_dir).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves what the lock guards whole: it is only ever changed after the disk was.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

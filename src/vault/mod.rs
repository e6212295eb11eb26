//! Where logins rest: sealed records, and the key slots that open them.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | a login, as it is kept |
//! | `records`, `prepared` | reading, writing and replacing records; what is in hand before a refresh goes out |
//! | `sealed`, `seal` | a record's file; keys and sealing |
//! | `state`, `unopened` | what is known of it, and of its files that are not well, and what whoever asks is told |
//! | `header`, `wrap` | `vault.json`; how a slot's key opens the vault's |
//! | `ledger`, `restored` | which version of each record is the newest; what came back from a backup or from elsewhere |
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
mod ledger;
mod machine;
mod ownership;
#[cfg(unix)]
mod passing;
mod prepared;
pub mod record;
mod records;
mod restored;
mod seal;
mod sealed;
mod slot;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod unlock;
mod unopened;
mod wrap;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::disk::Disk;
pub use self::error::VaultError;
use self::header::Header;
use self::ledger::Ledger;
pub use self::machine::MachineId;
use self::ownership::Ownership;
#[cfg(unix)]
pub use self::passing::{Handing, Passed};
pub use self::prepared::{Mark, Prepared};
pub use self::records::{Loaded, RecordId, Stored, Written};
pub use self::restored::Barred;
use self::slot::Place;
pub use self::slot::{Cost, KeyringChoice};
use self::state::{Elsewhere, Inner, Trouble};
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
    /// Held while the header is changed, from reading it to knowing that it is written.
    header: Mutex<()>,
    ledger: Mutex<Ledger>,
    /// What of which vault's ledger was counted last.
    counted: Mutex<(String, u64)>,
    // Dropped last: the lock goes when nothing writes any more.
    ownership: Ownership,
}

impl Shared {
    fn new(options: OpenOptions, disk: Disk, ownership: Ownership) -> Self {
        Self {
            options,
            disk,
            inner: Mutex::default(),
            admin: Mutex::default(),
            writes: Mutex::default(),
            header: Mutex::default(),
            ledger: Mutex::default(),
            counted: Mutex::default(),
            ownership,
        }
    }
}

impl Vault {
    /// Becomes the vault's owner and reads what can be read without its key.
    pub fn open(options: OpenOptions) -> Result<Self, VaultError> {
        let disk = Disk { faults: options.faults.clone(), ..Disk::default() };
        disk.make_directory(&options.vault_dir)?;
        let ownership = Ownership::take(&options)?;
        let records = options.vault_dir.join("records");
        disk.make_directory(&options.state_dir)?;
        disk.make_directory(&records)?;
        disk.sweep(&options.vault_dir);
        disk.sweep(&records);
        let vault = Self { shared: Arc::new(Shared::new(options, disk, ownership)) };
        let begun = vault.finish_reset();
        *vault.inner() = match begun {
            Ok(()) => vault.read_header(),
            Err(error) => Inner { trouble: Some(Trouble::from(&error)), ..Inner::default() },
        };
        Ok(vault)
    }

    /// Tells clients of every environment who the owner is and where it listens. Nothing else depends on it.
    pub fn announce(&self) -> Result<(), VaultError> {
        self.shared.ownership.announce(&self.shared.options, &self.shared.disk)
    }

    /// What stands in the way of reading it is the vault's trouble, not its end: whoever asks is told, and `reset` sets it
    /// aside.
    fn read_header(&self) -> Inner {
        let mut inner = Inner::default();
        let path = self.header_file();
        let found = disk::read(&path).and_then(|bytes| bytes.map(|bytes| Header::parse(&path, &bytes)).transpose());
        let known = found.and_then(|header| match header {
            Some(header) => Ok((self.binding(&header.body.id)? != Some(header.binding.clone()), Some(header))),
            None if self.record_ids()?.is_empty() => Ok((false, None)),
            None => Err(VaultError::KeyMissing(format!("{} is gone", path.display()))),
        });
        match known {
            Ok((copied, header)) => {
                inner.elsewhere = copied.then_some(Elsewhere::Copied);
                inner.header = header;
            }
            Err(error) => inner.trouble = Some(Trouble::from(&error)),
        }
        inner
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
            damaged: inner.unopened.iter().map(|unopened| unopened.file.clone()).collect(),
            trouble: inner.trouble_lines(),
            as_strong_as: slots.iter().map(|slot| slot.kind).max(),
            slots,
            auto_lock: None,
        }
    }

    /// What is wrong with its files and what to do, one line each, as of the last look.
    pub fn trouble(&self) -> Vec<String> {
        self.inner().trouble_lines()
    }

    /// Whether it lives in memory alone.
    pub fn is_in_memory(&self) -> bool {
        self.inner().memory.is_some()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        hold(&self.shared.inner)
    }

    fn header_file(&self) -> PathBuf {
        self.shared.options.vault_dir.join("vault.json")
    }

    /// Changes the header, on the disk first. One change at a time; who only asks for the state does not wait for the disk.
    fn change_header<T>(&self, change: impl FnOnce(&mut Header) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let _turn = hold(&self.shared.header);
        let mut header = self.inner().header.clone().ok_or(VaultError::Locked(""))?;
        let result = change(&mut header)?;
        self.write_header(&header)?;
        self.inner().header = Some(header);
        Ok(result)
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

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("directory", &self.shared.options.vault_dir).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves what the lock guards whole: it is only ever changed after the disk was.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

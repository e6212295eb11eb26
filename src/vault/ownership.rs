//! One owner per vault: the lock held all the agent's life, and the file that names it.
//!
//! The lock decides and the file tells: an agent that can't write the file (a full disk) serves all the same, and clients
//! of its own environment find it by its socket.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::OpenOptions;
use super::disk::{self, Disk};
use super::error::VaultError;
use crate::clock::boot_id;
use crate::ipc::owner::{Owner, host_name, lock_file, read_owner};

/// The lock; it goes when this is dropped, or the process ends.
pub(super) struct Ownership {
    owner_file: PathBuf,
    /// A successor holds it, too, and the owner's file is its own.
    pub(super) passed_on: AtomicBool,
    lock: File,
}

impl Ownership {
    pub(super) fn take(options: &OpenOptions) -> Result<Self, VaultError> {
        let owner_file = options.vault_dir.join("owner.json");
        let Some(lock) = lock(&owner_file)? else {
            let owner = read_owner(&owner_file).map(Box::new);
            return Err(VaultError::InUse { owner, directory: options.vault_dir.clone() });
        };
        Ok(Self { owner_file, passed_on: AtomicBool::default(), lock })
    }

    /// Goes on with a lock that another owner holds: the same open file, so that it is free at no instant.
    #[cfg(unix)]
    pub(super) fn inherit(options: &OpenOptions, lock: File) -> Result<Self, VaultError> {
        use std::os::unix::fs::MetadataExt as _;
        let owner_file = options.vault_dir.join("owner.json");
        let path = lock_file(&owner_file);
        let failed = || VaultError::disk("lock", &path);
        let (held, there) = (lock.metadata().map_err(failed())?, std::fs::metadata(&path).map_err(failed())?);
        if (held.dev(), held.ino()) != (there.dev(), there.ino()) || lock.try_lock().is_err() {
            return Err(VaultError::Internal("what was handed over is not this vault's lock"));
        }
        // Never the owner's to remove, before it is one.
        Ok(Self { owner_file, passed_on: AtomicBool::new(true), lock })
    }

    /// The lock once more, for a successor.
    #[cfg(unix)]
    pub(super) fn duplicate_lock(&self) -> Result<File, VaultError> {
        self.lock.try_clone().map_err(VaultError::disk("lock", &lock_file(&self.owner_file)))
    }

    /// Writes who and where the owner is. What an earlier owner left there is gone even if that fails.
    pub(super) fn announce(&self, options: &OpenOptions, disk: &Disk) -> Result<(), VaultError> {
        self.passed_on.store(false, Ordering::Relaxed);
        let owner = Owner {
            host: host_name(),
            boot: boot_id(),
            pid: std::process::id(),
            socket: options.socket.clone(),
            version: options.version.clone(),
        };
        let json = serde_json::to_vec(&owner).map_err(|_| VaultError::Internal("the owner could not be written"))?;
        disk.replace(&self.owner_file, &json).inspect_err(|_| drop(std::fs::remove_file(&self.owner_file)))
    }
}

/// The lock; `None` if an owner holds it.
///
/// A client that looks whether there is an owner shares the lock for an instant. Whoever finds it taken learns by sharing it
/// too whether that is all, and then waits for those instants alone: nobody else becomes the owner out of turn.
fn lock(owner_file: &Path) -> Result<Option<File>, VaultError> {
    let path = lock_file(owner_file);
    let failed = || VaultError::disk("lock", &path);
    let turn = open(&owner_file.with_extension("turn")).and_then(|turn| turn.lock().map(|()| turn).map_err(failed()));
    let lock = open(&path)?;
    match lock.try_lock() {
        Ok(()) => return Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(failed()(error)),
    }
    if turn.is_err() || lock.try_lock_shared().is_err() {
        return Ok(None);
    }
    // What it shares goes with the file: the standard library unlocks twice on Windows, which Wine calls a conflict.
    drop(lock);
    let lock = open(&path)?;
    lock.lock().map_err(failed())?;
    Ok(Some(lock))
}

/// A disk that can only be read has the file of an earlier start.
fn open(path: &Path) -> Result<File, VaultError> {
    disk::open_lock_file(path).or_else(|error| File::open(path).map_err(|_| error))
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if *self.passed_on.get_mut() {
            return;
        }
        // Before the lock goes, so that nobody's else is removed. The lock file itself stays: whoever waits has it open.
        let _ = std::fs::remove_file(&self.owner_file);
        // Said, not left to the closing: a program that another thread starts has a copy of every open file until it runs.
        let _ = self.lock.unlock();
    }
}

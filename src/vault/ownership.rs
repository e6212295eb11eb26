//! One owner per vault: the lock held all the agent's life, and the file that names it.

use std::fs::File;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::disk::{self, Disk};
use super::error::VaultError;
use super::{OpenOptions, machine};
use crate::ipc::owner::{Owner, host_name, lock_file, read_owner, take_lock};

/// A client that looks whether the lock is held holds it for an instant itself: that long is waited for.
const GLANCES: u32 = 20;
const GLANCE: Duration = Duration::from_millis(10);

/// The lock; it goes when this is dropped, or the process ends.
pub(super) struct Ownership {
    owner_file: PathBuf,
    _lock: File,
}

impl Ownership {
    pub(super) fn take(options: &OpenOptions, disk: &Disk) -> Result<Self, VaultError> {
        let owner_file = options.vault_dir.join("owner.json");
        let Some(lock) = lock(&owner_file)? else {
            let owner = read_owner(&owner_file).map(Box::new);
            return Err(VaultError::InUse { owner, directory: options.vault_dir.clone() });
        };
        let owner = Owner {
            host: host_name(),
            boot: machine::boot_id(),
            pid: std::process::id(),
            socket: options.socket.clone(),
            version: options.version.clone(),
        };
        let json = serde_json::to_vec(&owner).map_err(|_| VaultError::Internal("the owner could not be written"))?;
        disk.replace(&owner_file, &json)?;
        Ok(Self { owner_file, _lock: lock })
    }
}

fn lock(owner_file: &std::path::Path) -> Result<Option<File>, VaultError> {
    let path = lock_file(owner_file);
    for _ in 0..GLANCES {
        let taken = take_lock(disk::open_lock_file(&path)?).map_err(VaultError::disk("lock", &path))?;
        if taken.is_some() {
            return Ok(taken);
        }
        sleep(GLANCE);
    }
    Ok(None)
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Before the lock goes, so that nobody's else is removed. The lock file itself stays: whoever waits has it open.
        let _ = std::fs::remove_file(&self.owner_file);
    }
}

//! Files that are either the old or the new one, whatever happens: temporary file, fsync, rename, directory fsync.
//!
//! Files are 0600 in directories of 0700. Every step is a fault point: tests stop there, as a kill would, or refuse writes
//! for a while, as a full disk does.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
mod writers;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use self::writers::Writers;
use self::writers::Writing;
use super::error::VaultError;
use super::seal::random_name;
use crate::fault::{self, Faults};

/// Begins every temporary file's name; such a file is nobody's once its agent is gone.
const TEMPORARY: &str = ".new-";

/// Writes to one vault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) faults: Option<Arc<Faults>>,
    pub(crate) writers: Arc<Writers>,
}

/// A temporary file with its space in hand.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    file: File,
    /// What is in it already.
    written: Option<Vec<u8>>,
}

impl Temporary {
    /// What was written into it ahead of its time.
    pub(crate) fn written(&self) -> Option<&[u8]> {
        self.written.as_deref()
    }
}

impl Disk {
    /// A directory of the user's alone. One that was missing is synced with those above it that were: what is in a directory
    /// is lost with it.
    pub(crate) fn make_directory(&self, path: &Path) -> Result<(), VaultError> {
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
        let is_new = !path.exists();
        for directory in missing.into_iter().rev().chain([path]) {
            self.step("disk.make_directory")
                .and_then(|_writing| system::make_directory(directory))
                .map_err(VaultError::disk("make the directory", directory))?;
            if is_new {
                self.sync_directory(directory)?;
            }
        }
        Ok(())
    }

    /// The old content or `bytes`, nothing between.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
        let directory = path.parent().ok_or(VaultError::Internal("a file without a directory"))?;
        let temporary = self.prepare(directory, 0)?;
        self.finish(temporary, path, bytes)
    }

    /// A temporary file in that directory that has room for `size` bytes.
    fn prepare(&self, directory: &Path, size: u64) -> Result<Temporary, VaultError> {
        self.prepare_named(directory, &format!("{TEMPORARY}{}", random_name()?), size)
    }

    /// One that is found again after a kill, by its name: whether it is whole is its reader's to say.
    pub(crate) fn prepare_named(&self, directory: &Path, name: &str, size: u64) -> Result<Temporary, VaultError> {
        let path = directory.join(name);
        let failed = || VaultError::disk("make a file in", directory);
        let created = self.step("disk.create").and_then(|_writing| system::create(&path));
        let temporary = Temporary { file: created.map_err(failed())?, path, written: None };
        let room = self.step("disk.allocate").and_then(|_writing| match size {
            0 => Ok(()),
            size => system::allocate(&temporary.file, size),
        });
        match room {
            Ok(()) => Ok(temporary),
            Err(error) => {
                self.discard(temporary);
                Err(failed()(error))
            }
        }
    }

    /// Writes `bytes` ahead of their time: a kill leaves them there, to be found by the file's name.
    pub(crate) fn write_ahead(&self, temporary: &mut Temporary, bytes: Vec<u8>) -> Result<(), VaultError> {
        self.write(&mut temporary.file, &bytes).map_err(VaultError::disk("write", &temporary.path))?;
        temporary.written = Some(bytes);
        Ok(())
    }

    /// Puts `bytes` in the temporary file and that in the place of `path`. What was written ahead stays there on an error.
    pub(crate) fn finish(&self, mut temporary: Temporary, path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
        let written = match temporary.written() {
            Some(written) if written == bytes => Ok(()),
            _ => self.write(&mut temporary.file, bytes),
        };
        let synced = || self.step("disk.sync").and_then(|_writing| temporary.file.sync_all());
        let placed = || self.step("disk.rename").and_then(|_writing| place(&temporary.path, path));
        let placed = written.and_then(|()| synced()).and_then(|()| placed());
        if let Err(error) = placed {
            if temporary.written.is_none() {
                self.discard(temporary);
            }
            return Err(VaultError::disk("write", path)(error));
        }
        self.sync_directory(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let _writing = self.step("disk.write")?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)
    }

    /// Removes a file that means nothing any more, whether or not that works.
    pub(crate) fn forget(&self, path: &Path) {
        let _ = self.writers.begin().and_then(|_writing| fs::remove_file(path));
    }

    /// Gives the temporary file up.
    pub(crate) fn discard(&self, temporary: Temporary) {
        if !self.faults.as_ref().is_some_and(|faults| faults.stopped()) {
            // What stays is swept at the next start.
            let _ = fs::remove_file(&temporary.path);
        }
    }

    /// Removes a file that need not be there.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), VaultError> {
        let removed = self.step("disk.remove").and_then(|_writing| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        });
        removed.map_err(VaultError::disk("remove", path))?;
        self.sync_directory(path)
    }

    /// Puts a file that was found whole in the place of `path`, as [`Disk::finish`] would have.
    pub(crate) fn adopt(&self, found: &Path, path: &Path) -> Result<(), VaultError> {
        // Windows syncs what is open for writing, and renames what is open no more.
        let sync = |_writing| File::options().write(true).open(found)?.sync_all();
        let synced = self.step("disk.sync").and_then(sync);
        let placed = synced.and_then(|()| self.step("disk.rename").and_then(|_writing| fs::rename(found, path)));
        placed.map_err(VaultError::disk("write", path))?;
        self.sync_directory(path)
    }

    /// Moves a file or directory; both ends are in this vault.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), VaultError> {
        let moved = self.step("disk.rename").and_then(|_writing| fs::rename(from, to));
        moved.map_err(VaultError::disk("move", from))?;
        self.sync_directory(from)?;
        self.sync_directory(to)
    }

    /// Removes temporary files that nobody holds any more; the vault's lock is held.
    pub(crate) fn sweep(&self, directory: &Path) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes `bytes` from `at` on into a file; not synced. False if the file is not that long: it is not the one meant.
    pub(crate) fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> Result<bool, VaultError> {
        let written = self.step("disk.append").and_then(|_writing| {
            let mut file = match File::options().write(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                file => file?,
            };
            if file.metadata()?.len() < at {
                return Ok(false);
            }
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes).map(|()| true)
        });
        written.map_err(VaultError::disk("write", path))
    }

    /// Syncs a file that is there.
    pub(crate) fn sync(&self, path: &Path) -> Result<(), VaultError> {
        let synced = self.step("disk.sync").and_then(|_writing| File::options().write(true).open(path)?.sync_all());
        synced.map_err(VaultError::disk("write", path))
    }

    /// Whether a file of that many bytes could be made in the directory now.
    pub(crate) fn probe(&self, directory: &Path, size: u64) -> Result<(), VaultError> {
        self.prepare(directory, size).map(|temporary| self.discard(temporary))
    }

    fn sync_directory(&self, of: &Path) -> Result<(), VaultError> {
        let directory = of.parent().unwrap_or(of);
        self.step("disk.sync_directory")
            .and_then(|_writing| system::sync_directory(directory))
            .map_err(VaultError::disk("write", directory))
    }

    /// A write begins, if this process may write. What tests do to the whole process happens, then what they do to this disk.
    fn step(&self, point: &str) -> io::Result<Writing<'_>> {
        let writing = self.writers.begin()?;
        fault::step(point)?;
        self.faults.as_ref().map_or(Ok(()), |faults| faults.reach(point))?;
        Ok(writing)
    }
}

/// A file can't take the place of a directory: that is put aside, whoever made it.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        // Each system has its own error for that.
        Err(_) if fs::symlink_metadata(to).is_ok_and(|found| found.is_dir()) => {
            let aside = random_name().map_err(io::Error::other)?;
            fs::rename(to, to.with_extension(format!("aside-{}", &aside[..8])))?;
            fs::rename(from, to)
        }
        other => other,
    }
}

/// A file for the lock, made if it is not there.
pub(crate) fn open_lock_file(path: &Path) -> Result<File, VaultError> {
    system::open_or_create(path).map_err(VaultError::disk("open", path))
}

/// No file of a vault comes near this, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The whole file, or `None` if there is none. What is no regular file is an error: a pipe would never end, a link leads
/// elsewhere.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    match read_regular(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(VaultError::disk("read", path)(error)),
    }
}

fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let file = system::open_to_read(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > LARGEST {
        return Err(io::Error::other("it is far too large"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

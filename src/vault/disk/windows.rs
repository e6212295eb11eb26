//! The disk on Windows: the profile's own access lists, preallocation by length; NTFS journals its directories.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// NTFS reserves the clusters of a file whose end is set.
pub(super) fn allocate(file: &File, size: u64) -> io::Result<()> {
    file.set_len(size)?;
    file.sync_all()
}

pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

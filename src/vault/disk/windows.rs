//! The disk on Windows: the profile's own access lists, preallocation by length. NTFS journals its directories, and a
//! directory that is flushed has its journal written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use windows_sys::Win32::Foundation::{
    ERROR_CRC, ERROR_DISK_FULL, ERROR_GEN_FAILURE, ERROR_IO_DEVICE, ERROR_WRITE_FAULT,
};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

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

/// Where the file system (FAT, a share) flushes no directories, that is no reason not to write.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    match directory.and_then(|directory| directory.sync_all()) {
        Err(error) if !is_the_disks(&error) => Ok(()),
        synced => synced,
    }
}

fn is_the_disks(error: &io::Error) -> bool {
    let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
    matches!(code, Some(ERROR_CRC | ERROR_WRITE_FAULT | ERROR_GEN_FAILURE | ERROR_IO_DEVICE | ERROR_DISK_FULL))
}

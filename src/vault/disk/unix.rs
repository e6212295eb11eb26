//! The disk on Unix: modes, preallocation, directory fsync.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let found = fs::metadata(path)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    // One made by hand, or restored from a backup, may be open to others.
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Doesn't wait for the other end of a pipe, and follows no link.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::LOOP) => io::Error::other("it is a link"),
        _ => error,
    })
}

/// Space that a full disk can't take back before the write. Where the file system has no such call, zeros do.
pub(super) fn allocate(mut file: &File, size: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    // Room beyond the end, where the system has that: the file is as long as what is written, at every instant.
    #[cfg(target_os = "linux")]
    const BEYOND_THE_END: FallocateFlags = FallocateFlags::KEEP_SIZE;
    #[cfg(not(target_os = "linux"))]
    const BEYOND_THE_END: FallocateFlags = FallocateFlags::empty();
    match fallocate(file, BEYOND_THE_END, 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            io::copy(&mut io::Read::take(io::repeat(0), size), &mut file)?;
        }
        other => other?,
    }
    file.sync_all()
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

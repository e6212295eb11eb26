//! A file that is replaced as a whole: readers see the old token or the new one. Its owner alone reads it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::secret::Secret;

/// Puts the token there; what is no regular file is left alone.
pub(super) fn write(path: &Path, token: &Secret) -> Result<(), Failure> {
    let refused = |error: io::Error| Failure::System(format!("{} cannot be written: {error}", path.display()));
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(Failure::System(format!("{} is there already and no file: it is left alone", path.display())));
    }
    let beside = beside(path).map_err(refused)?;
    let written = create(&beside, token).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        refused(error)
    })
}

/// A name in the same directory that nobody else takes.
pub(super) fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}", std::process::id())))
}

fn create(path: &Path, token: &Secret) -> io::Result<()> {
    // Of an earlier process of this number.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(token.expose().as_bytes())
}

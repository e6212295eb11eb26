//! Linux: a FIFO, made anew for each reader, so that nobody reads two tokens, or half of another one's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::replace::beside;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::secret::Secret;

/// Answers readers until the command is ended; each gets what `token` says when it comes.
pub(super) fn serve(path: &Path, token: &dyn Fn() -> Result<Secret, Failure>) -> Result<(), Failure> {
    let refused = |error: io::Error| Failure::System(format!("{} cannot be served: {error}", path.display()));
    if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_fifo()) {
        return Err(Failure::System(format!("{} is there already and no FIFO: it is left alone", path.display())));
    }
    // Who can have no token learns it before there is something to read.
    drop(token()?);
    make(path).map_err(refused)?;
    loop {
        let mut reader = next_reader(path).map_err(refused)?;
        // Whoever opens the path from now on waits for a turn of its own.
        make(path).map_err(refused)?;
        match token() {
            // A reader that has left wants none.
            Ok(token) => drop(reader.write_all(token.expose().as_bytes())),
            Err(failure) => output::failure(&failure),
        }
    }
}

/// Returns when somebody has opened it.
fn next_reader(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn make(path: &Path) -> io::Result<()> {
    let beside = beside(path)?;
    // Of an earlier process of this number.
    let _ = fs::remove_file(&beside);
    mknodat(CWD, &beside, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    fs::rename(&beside, path)
}

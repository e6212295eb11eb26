//! Another program's file, opened with care: a regular file of this user, bounded, that nobody else can write to.
//!
//! A link is followed: the programs' own directories are often links into a managed home. What it leads to is what is
//! checked.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::redact;

#[cfg(not(unix))]
#[path = "file/other.rs"]
mod system;
#[cfg(unix)]
#[path = "file/unix.rs"]
mod system;

/// Larger than any program's file of logins.
const MAX_SIZE: u64 = 256 * 1024;
/// A file that was written so lately may be written again without its time telling.
const SETTLED: Duration = Duration::from_secs(1);

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: (u64, u64),
}

/// A file that was read.
pub struct Contents {
    /// All of it.
    pub text: Zeroizing<String>,
    /// Its state; `None` where it may change without another one.
    pub stamp: Option<Stamp>,
    /// What the link leads to, where it is one.
    pub target: Option<PathBuf>,
    /// Whether others than its owner can read it.
    pub exposed: bool,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("{0} is not there")]
    Missing(String),
    /// The system says no.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, io::ErrorKind),
    /// A directory, a pipe, a device.
    #[error("{0} is not a regular file")]
    NotAFile(String),
    /// It belongs to somebody else.
    #[error("{0} belongs to another user: whoever writes it would choose whose token is handed out")]
    Foreign(String),
    /// Its group or everybody may write to it.
    #[error("{0} can be written by others: run `chmod go-w` on it, if what is in it is yours")]
    Writable(String),
    /// It is too large.
    #[error("{0} is over 256 KiB")]
    TooLarge(String),
    /// It is no text.
    #[error("{0} is not UTF-8 text")]
    NotText(String),
}

/// The state of a file now.
///
/// # Errors
/// What the system says.
pub fn stamp(path: &Path) -> io::Result<Stamp> {
    fs::metadata(path).map(|metadata| stamp_of(&metadata))
}

fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    Stamp { modified: metadata.modified().ok(), length: metadata.len(), identity: system::identity(metadata) }
}

/// Opens a file for reading, and waits for nobody to write to it.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path) -> io::Result<File> {
    system::open(path)
}

/// Reads a file whole.
///
/// # Errors
/// It is missing, somebody else's, too large, or no text.
pub fn read(path: &Path) -> Result<Contents, FileError> {
    // Somebody may have pasted a token where a path belongs.
    let shown = || redact::server_text(&path.display().to_string());
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing(shown()),
        kind => FileError::Unreadable(shown(), kind),
    };
    let mut file = open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile(shown()));
    }
    if !system::is_own(&metadata) {
        return Err(FileError::Foreign(shown()));
    }
    if system::others_may_write(&metadata) {
        return Err(FileError::Writable(shown()));
    }
    let text = read_text(&mut file, &metadata, &shown, unreadable)?;
    let settled = |stamp: &Stamp| {
        stamp.modified.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > SETTLED)
    };
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink());
    Ok(Contents {
        text,
        stamp: Some(stamp_of(&metadata)).filter(settled),
        target: fs::canonicalize(path).ok().filter(|_| is_link),
        exposed: system::others_may_read(&metadata),
    })
}

fn read_text(
    file: &mut File,
    metadata: &fs::Metadata,
    shown: &impl Fn() -> String,
    unreadable: impl Fn(io::Error) -> FileError,
) -> Result<Zeroizing<String>, FileError> {
    if metadata.len() > MAX_SIZE {
        return Err(FileError::TooLarge(shown()));
    }
    // Whole from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_SIZE + 1).unwrap_or(usize::MAX)));
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    text(bytes, MAX_SIZE)
        .map_err(|too_large| if too_large { FileError::TooLarge(shown()) } else { FileError::NotText(shown()) })
}

/// Reads what is piped in, as bounded as a file.
///
/// # Errors
/// It is too large, or no text.
pub fn read_piped(input: impl io::Read) -> Result<Zeroizing<String>, FileError> {
    let shown = || "standard input".to_owned();
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_SIZE + 1).unwrap_or(usize::MAX)));
    let read = input.take(MAX_SIZE + 1).read_to_end(&mut bytes);
    read.map_err(|error| FileError::Unreadable(shown(), error.kind()))?;
    text(bytes, MAX_SIZE)
        .map_err(|too_large| if too_large { FileError::TooLarge(shown()) } else { FileError::NotText(shown()) })
}

/// `Err(true)`: it is too large.
fn text(mut bytes: Zeroizing<Vec<u8>>, limit: u64) -> Result<Zeroizing<String>, bool> {
    if bytes.len() as u64 > limit {
        return Err(true);
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(false)
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn made(directory: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, bytes).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        path
    }

    #[test]
    fn only_a_small_text_that_nobody_else_writes_is_read() {
        let home = tempfile::tempdir().expect("a directory");
        let make = |name: &str, bytes: &[u8], mode| made(home.path(), name, bytes, mode);
        let good = read(&make("good", b"{}", 0o600)).expect("read");
        assert_eq!((good.text.as_str(), good.exposed, good.target), ("{}", false, None));
        assert!(read(&make("shown", b"{}", 0o644)).expect("read").exposed);
        let refused = |path: &Path| read(path).map(|_| ()).expect_err("refused").to_string();
        assert!(refused(&make("open", b"{}", 0o666)).contains("written by others"));
        assert!(refused(&make("large", &vec![b' '; 300_000], 0o600)).contains("256 KiB"));
        assert!(refused(&make("binary", &[0xff], 0o600)).contains("UTF-8"));
        assert!(refused(home.path()).contains("regular file"));
        assert!(refused(&home.path().join("none")).contains("is not there"));
    }

    #[test]
    fn a_link_is_followed_and_named() {
        let home = tempfile::tempdir().expect("a directory");
        let target = made(home.path(), "target", b"{}", 0o600);
        let link = home.path().join("link");
        symlink(&target, &link).expect("a link");
        assert_eq!(read(&link).expect("read").target, Some(fs::canonicalize(&target).expect("a path")));
    }

    // macOS has no mknodat.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_holds_nobody_up() {
        let home = tempfile::tempdir().expect("a directory");
        let pipe = home.path().join("pipe");
        let mode = rustix::fs::Mode::from_bits_truncate(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        assert!(matches!(read(&pipe), Err(FileError::NotAFile(_))));
    }

    #[test]
    fn a_file_that_changes_has_another_stamp_and_a_fresh_one_has_none() {
        let home = tempfile::tempdir().expect("a directory");
        let path = made(home.path(), "file", b"{}", 0o600);
        assert_eq!(read(&path).expect("read").stamp, None);
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        fs::File::open(&path).and_then(|file| file.set_modified(long_ago)).expect("a time");
        let before = read(&path).expect("read").stamp.expect("settled");
        assert_eq!(stamp(&path).ok(), Some(before));
        made(home.path(), "file", b"[]", 0o600);
        assert_ne!(stamp(&path).ok(), Some(before));
    }
}

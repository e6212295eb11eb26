//! Other tools' files: read whole, replaced whole. A link is followed, so that dotfiles kept elsewhere stay links; owner's
//! mode stays; a crash leaves the old file or the new one. What a kill leaves beside it, `.NAME.PID.cred-helper`, the next
//! change of that file removes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::exit::Failure;
use crate::ipc::message::ErrorKind;

/// Larger than any settings.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Longer than anything takes between writing a file and putting it in its place.
const LEFT: Duration = Duration::from_secs(600);

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Original {
    /// Where it really is.
    place: PathBuf,
    /// What is in it; `None` if there is no file.
    pub(super) text: Option<String>,
}

impl Original {
    /// Reads it.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::System(format!("{} {what}", path.display()));
        let place = match path.canonicalize() {
            Ok(place) => place,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(wrong(&format!("cannot be read: {error}")));
            }
            Err(_) if fs::symlink_metadata(path).is_ok() => {
                return Err(wrong("is a link that leads nowhere: make what it leads to, or remove it"));
            }
            Err(_) => return Ok(Self { place: path.to_owned(), text: None }),
        };
        // A pipe of that name would hang the open.
        let found = fs::metadata(&place).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if !found.is_file() || found.len() > LARGEST {
            return Err(wrong("is no settings file"));
        }
        if !is_own(&found) {
            return Err(wrong("belongs to another user: nothing was changed"));
        }
        let mut bytes = Vec::new();
        let read = File::open(&place).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        read.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("is no text in UTF-8: nothing was changed"))?;
        Ok(Self { place, text: Some(text) })
    }

    /// The directories that writing it makes, outermost first.
    pub(super) fn missing_directories(&self) -> Vec<PathBuf> {
        let missing = self.place.ancestors().skip(1).take_while(|directory| !directory.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        missing
    }

    /// Puts another text in its place, if it still is as it was read.
    pub(super) fn replace(&self, text: &str) -> Result<(), Failure> {
        let wrong = |error: io::Error| Failure::System(format!("{} cannot be written: {error}", self.place.display()));
        let parent = self.place.parent().unwrap_or(Path::new("."));
        make_directories(parent).map_err(wrong)?;
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        remove_left(parent, &name);
        let temporary = parent.join(format!(".{name}.{}.cred-helper", std::process::id()));
        let written = self.write(&temporary, text).and_then(|()| {
            self.is_as_it_was()?;
            fs::rename(&temporary, &self.place)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(wrong)
    }

    fn is_as_it_was(&self) -> io::Result<()> {
        if fs::read_to_string(&self.place).ok() == self.text {
            return Ok(());
        }
        Err(io::Error::other("another program has changed it meanwhile; run this again"))
    }

    fn write(&self, temporary: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(temporary)?;
        file.write_all(text.as_bytes())?;
        if let Ok(found) = fs::metadata(&self.place) {
            file.set_permissions(found.permissions())?;
        }
        file.sync_all()
    }

    /// Takes it away if it still is as it was read, with the directories that were made for it if nothing else is in them.
    pub(super) fn delete(&self, directories: &[PathBuf]) -> Result<(), Failure> {
        self.is_as_it_was()
            .and_then(|()| fs::remove_file(&self.place))
            .map_err(|error| Failure::System(format!("{} cannot be removed: {error}", self.place.display())))?;
        remove_empty(directories);
        Ok(())
    }
}

/// With sudo the home is often still the user's, and what is written there would be root's.
pub(super) fn refuse_anothers_home(home: &Path) -> Result<(), Failure> {
    match fs::metadata(home) {
        Ok(found) if !is_own(&found) => {
            let message = format!("{} belongs to another user: don't use sudo, or set HOME with it", home.display());
            Err(Failure::new(ErrorKind::Refused, message))
        }
        _ => Ok(()),
    }
}

/// Takes away what runs that were killed have left of a file.
fn remove_left(directory: &Path, name: &str) {
    let is_ours = |file: &str| {
        let pid = file.strip_prefix('.').and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        let pid = pid.and_then(|file| file.strip_suffix(".cred-helper")).unwrap_or_default();
        !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let found = || entry.metadata().ok().filter(|found| found.is_file() && is_own(found));
        if entry.file_name().to_str().is_some_and(is_ours) && found().is_some_and(|found| is_left(&found)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_left(found: &fs::Metadata) -> bool {
    found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT))
}

/// Only the user looks into directories that are made here: tools keep secrets in some of them.
pub(super) fn make_directories(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Outermost first.
pub(super) fn remove_empty(directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

#[cfg(unix)]
fn is_own(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw()
}

#[cfg(windows)]
fn is_own(_metadata: &fs::Metadata) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_stays_one_and_its_file_keeps_its_mode() {
        let stage = tempfile::tempdir().expect("a directory");
        let (real, link) = (stage.path().join("dotfiles/rc"), stage.path().join("rc"));
        fs::create_dir(stage.path().join("dotfiles")).expect("a directory");
        fs::write(&real, "a").expect("a file");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("a mode");
        symlink("dotfiles/rc", &link).expect("a link");
        Original::read(&link).expect("read").replace("b").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&real).expect("read"), "b");
        assert_eq!(fs::metadata(&real).expect("there").mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(stage.path().join("dotfiles")).expect("read").count(), 1, "nothing beside it");
    }

    #[test]
    fn what_a_killed_run_has_left_goes_with_the_next_change() {
        let stage = tempfile::tempdir().expect("a directory");
        let at = |name: &str| stage.path().join(name);
        let old = std::time::SystemTime::now() - LEFT * 2;
        for (name, modified) in [
            (".rc.123.cred-helper", Some(old)),
            (".rc.124.cred-helper", None),
            (".rc.x.cred-helper", Some(old)),
            (".other.123.cred-helper", Some(old)),
            ("rc", Some(old)),
        ] {
            let file = File::create(at(name)).expect("a file");
            modified.map(|modified| file.set_modified(modified)).transpose().expect("a time");
        }
        Original::read(&at("rc")).expect("read").replace("x").expect("written");
        let mut left: Vec<_> = fs::read_dir(stage.path()).expect("read").flatten().map(|it| it.file_name()).collect();
        left.sort();
        assert_eq!(left, [".other.123.cred-helper", ".rc.124.cred-helper", ".rc.x.cred-helper", "rc"]);
    }

    #[test]
    fn a_new_file_is_its_users_alone_and_goes_with_its_directories() {
        let stage = tempfile::tempdir().expect("a directory");
        let path = stage.path().join("a/b/rc");
        let original = Original::read(&path).expect("read");
        let directories = original.missing_directories();
        assert_eq!(directories, [stage.path().join("a"), stage.path().join("a/b")]);
        original.replace("x").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        Original::read(&path).expect("read").delete(&directories).expect("gone");
        assert!(!stage.path().join("a").exists());
    }

    #[test]
    fn what_is_no_file_of_the_users_is_refused_and_what_changed_meanwhile_is_left() {
        let stage = tempfile::tempdir().expect("a directory");
        let at = |name: &str| stage.path().join(name);
        symlink("nowhere", at("dangling")).expect("a link");
        fs::write(at("binary"), b"\xff").expect("a file");
        fs::create_dir(at("directory")).expect("a directory");
        for name in ["dangling", "binary", "directory"] {
            let failure = Original::read(&at(name)).expect_err(name);
            assert!(failure.message().is_some_and(|message| message.contains(name)), "{failure:?}");
        }
        fs::write(at("rc"), "a").expect("a file");
        let original = Original::read(&at("rc")).expect("read");
        fs::write(at("rc"), "b").expect("a file");
        assert!(original.replace("c").is_err());
        assert!(original.delete(&[]).is_err());
        assert_eq!(fs::read_to_string(at("rc")).expect("read"), "b");
    }
}

//! Where the agent's successor is: the executable that a client would start, as it was found when this agent started. Never
//! a path that somebody sends, nor one of PATH or the working directory.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::ipc::start::agent_executable;
use crate::paths::Paths;

/// The executable's place, and what lay there at first.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    at_start: Option<Identity>,
}

/// Tells one file from another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Place {
    /// Looks it up as a client does; to be called before anything can have replaced it.
    pub(super) fn find(paths: &Paths) -> Option<Self> {
        let path = agent_executable(paths).ok()?;
        let at_start = identity(&path).ok();
        Some(Self { path, at_start })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file lies there now, if it is another than at the start.
    pub(super) fn replaced(&self) -> Option<Identity> {
        identity(&self.path).ok().filter(|now| Some(*now) != self.at_start)
    }

    /// Passes if only this user or root can have put it there.
    pub(super) fn check(&self) -> io::Result<()> {
        let real = self.path.canonicalize()?;
        if !std::fs::metadata(&real)?.is_file() {
            return Err(io::Error::other(format!("{} is no file", real.display())));
        }
        for path in [Some(real.as_path()), real.parent()].into_iter().flatten() {
            check_owner(path)?;
        }
        Ok(())
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    let modified = (found.mtime(), found.mtime_nsec());
    Ok(Identity { device: found.dev(), inode: found.ino(), length: found.len(), modified })
}

fn check_owner(path: &Path) -> io::Result<()> {
    let found = std::fs::metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && found.uid() != 0 {
        return Err(io::Error::other(format!("{} belongs to user {}", path.display(), found.uid())));
    }
    // A group of the user's own (many systems give each user one) is no other user's.
    let by_group = found.mode() & 0o020 != 0 && found.gid() != rustix::process::getegid().as_raw() && found.gid() != 0;
    if by_group || found.mode() & 0o002 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(io::Error::other(format!("others may write {} (mode {mode:04o})", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_could_have_put_there_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent");
        let place = Place { path: path.clone(), at_start: None };
        assert!(place.check().is_err() && place.replaced().is_none(), "nothing is there");
        fs::write(&path, "one").unwrap();
        let allow = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (file, above, passes) in [(0o755, 0o700, true), (0o757, 0o700, false), (0o755, 0o777, false)] {
            allow(&path, file);
            allow(directory.path(), above);
            assert_eq!(place.check().is_ok(), passes, "{file:o} in {above:o}");
        }
        allow(directory.path(), 0o700);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(place.check().is_err(), "a directory");
    }

    #[test]
    fn another_file_in_its_place_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent");
        fs::write(&path, "one").unwrap();
        let place = Place { at_start: identity(&path).ok(), path: path.clone() };
        assert_eq!(place.replaced(), None);
        let new = directory.path().join("new");
        fs::write(&new, "two").unwrap();
        fs::rename(&new, &path).unwrap();
        assert!(place.replaced().is_some());
    }
}

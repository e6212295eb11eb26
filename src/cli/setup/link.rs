//! Links by which tools find this program under the names that they start. Nothing is ever put over another file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::exit::Failure;
use super::file;
use super::machine::{Machine, file_name};

/// A name that leads here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it is, or will be.
    pub(super) path: PathBuf,
    /// Whether the tool looks for it in the PATH.
    pub(super) in_path: bool,
}

impl Link {
    /// One that the PATH should lead to: where it does already, else beside the program, else in `~/.local/bin`.
    pub(super) fn beside(machine: &Machine<'_>, name: &str) -> Self {
        let found = machine.find(name).filter(|path| machine.is_us(path));
        let own = machine.program.parent().unwrap_or(Path::new("."));
        let local = machine.home.join(".local").join("bin");
        let directory = if may_write(own) { own } else { &local };
        Self { path: found.unwrap_or_else(|| directory.join(file_name(name))), in_path: true }
    }

    /// One in a directory that the tool is told of.
    pub(super) fn within(directory: &Path, name: &str) -> Self {
        Self { path: directory.join(file_name(name)), in_path: false }
    }

    /// Whether it leads here.
    pub(super) fn leads_to(&self, machine: &Machine<'_>) -> bool {
        machine.is_us(&self.path)
    }

    /// Why the tool doesn't find it, though it is there.
    pub(super) fn doubt(&self, machine: &Machine<'_>) -> Option<String> {
        let (name, directory) = (self.path.file_name()?.to_string_lossy(), self.path.parent()?);
        if !self.in_path {
            return None;
        }
        match machine.find(name.trim_end_matches(std::env::consts::EXE_SUFFIX)) {
            Some(first) if machine.is_us(&first) => None,
            Some(first) => {
                Some(format!("{} is another program, and comes first in the PATH: remove it", first.display()))
            }
            None => Some(format!("{name} is looked for in the PATH: put {} in it", directory.display())),
        }
    }

    /// Makes it; the directories that had to be made for it.
    pub(super) fn make(&self, machine: &Machine<'_>) -> Result<Vec<PathBuf>, Failure> {
        let (path, program) = (&self.path, &machine.program);
        let missing = path.ancestors().skip(1).take_while(|directory| !directory.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        let parent = path.parent().unwrap_or(Path::new("."));
        file::make_directories(parent).and_then(|()| replace(program, path)).map_err(|error| {
            let (path, program) = (path.display(), program.display());
            Failure::System(match error.kind() {
                io::ErrorKind::AlreadyExists => format!("{path} is another program's: remove it, or rename it"),
                _ => format!("{path} cannot be made a link to {program} ({error}): make it, then run this again"),
            })
        })?;
        Ok(missing)
    }

    /// Takes it away, if it leads here.
    pub(super) fn remove(&self, machine: &Machine<'_>, directories: &[PathBuf]) {
        let dangles = fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink()) && !self.path.exists();
        if dangles || self.leads_to(machine) {
            let _ = fs::remove_file(&self.path);
        }
        file::remove_empty(directories);
    }
}

/// A link that leads nowhere was one to a version that is gone.
fn replace(program: &Path, path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) && !path.exists() {
        fs::remove_file(path)?;
    }
    link(program, path)
}

#[cfg(unix)]
fn link(program: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(program, path)
}

/// Symbolic links are for administrators; a hard link is for one drive.
#[cfg(windows)]
fn link(program: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(program, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::copy(program, path).map(drop),
        made => made,
    }
}

#[cfg(unix)]
fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(windows)]
fn may_write(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|found| !found.permissions().readonly())
}

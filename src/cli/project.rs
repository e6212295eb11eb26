//! `.cred-helper.toml`: a project may name the account that is meant inside it, and nothing else.
//!
//! Looked for from the working directory upwards, never outside the home and never another user's: a directory that
//! somebody else wrote must not choose whose token is handed out.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::exit::Failure;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::token::ProjectAccount;

const NAME: &str = ".cred-helper.toml";
/// Far more than one line needs.
const MAX_SIZE: u64 = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Project {
    account: String,
}

/// What the nearest file says, if there is one.
pub(super) fn find(home: &Path) -> Result<Option<ProjectAccount>, Failure> {
    let Ok(directory) = std::env::current_dir() else { return Ok(None) };
    find_from(&directory, home)
}

fn find_from(directory: &Path, home: &Path) -> Result<Option<ProjectAccount>, Failure> {
    let (Ok(directory), Ok(home)) = (directory.canonicalize(), home.canonicalize()) else { return Ok(None) };
    let inside = directory.ancestors().take_while(|ancestor| ancestor.starts_with(&home));
    for candidate in inside.map(|ancestor| ancestor.join(NAME)) {
        if fs::symlink_metadata(&candidate).is_ok() {
            return read(candidate).map(Some);
        }
    }
    Ok(None)
}

fn read(path: PathBuf) -> Result<ProjectAccount, Failure> {
    let wrong = |what: &str| Failure::new(ErrorKind::Misconfigured, format!("{}: {what}", path.display()));
    // A pipe of that name would hang the open.
    let before = fs::metadata(&path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if !before.is_file() {
        return Err(wrong("is not a regular file"));
    }
    let file = File::open(&path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let metadata = file.metadata().map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if !owned_by_us(&metadata) {
        return Err(wrong("belongs to another user; name the account on the command line"));
    }
    let mut text = String::new();
    file.take(MAX_SIZE).read_to_string(&mut text).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let account = parse(&text).ok_or_else(|| wrong("has to be one line, `account = \"NAME\"`, and nothing else"))?;
    Ok(ProjectAccount { file: path.display().to_string(), account })
}

/// The account it names. The parser's own message would quote the file.
pub(crate) fn parse(text: &str) -> Option<String> {
    toml::from_str(text).ok().map(|project: Project| project.account)
}

#[cfg(unix)]
fn owned_by_us(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw()
}

/// Inside the user's profile directory, which is the user's.
#[cfg(windows)]
fn owned_by_us(_metadata: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_within_the_home_counts() {
        let root = tempfile::tempdir().expect("directory");
        let home = root.path().join("home");
        let deep = home.join("a/b");
        fs::create_dir_all(&deep).expect("directories");
        fs::write(root.path().join(NAME), "account = 'outside'").expect("file");
        assert_eq!(find_from(&deep, &home).expect("none"), None);
        assert_eq!(find_from(root.path(), &home).expect("none"), None);
        fs::write(home.join(NAME), "account = 'p/home'").expect("file");
        fs::write(home.join("a").join(NAME), "account = 'p/a'").expect("file");
        let found = find_from(&deep, &home).expect("found").expect("one");
        assert_eq!(found.account, "p/a");
        assert!(Path::new(&found.file).ends_with("a/.cred-helper.toml"));
    }

    #[test]
    fn anything_but_an_account_is_refused_without_quoting_it() {
        let home = tempfile::tempdir().expect("directory");
        for text in ["account = 1", "account = 'a'\ncommand = 'canary'", "canary", ""] {
            fs::write(home.path().join(NAME), text).expect("file");
            let failure = find_from(home.path(), home.path()).expect_err(text);
            assert_eq!(failure.code(), ErrorKind::Misconfigured.exit_code());
            assert!(!failure.message().unwrap_or_default().contains("canary"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_or_pipe_of_that_name_is_no_project_and_does_not_hang() {
        let home = tempfile::tempdir().expect("directory");
        fs::create_dir(home.path().join(NAME)).expect("directory");
        assert!(find_from(home.path(), home.path()).is_err());
    }
}

//! The file that says where the door is: URL, port, secret and process, for programs of this user alone. It appears whole,
//! and goes with the agent; one that a killed agent left behind holds a secret that opens nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::fault;
use crate::secret::{self, Secret};

#[derive(Serialize)]
struct Contents<'a> {
    url: String,
    port: u16,
    #[serde(serialize_with = "secret::exposed")]
    secret: &'a Secret,
    pid: u32,
}

/// Writes it in the place of the one before.
pub(super) fn write(path: &Path, port: u16, secret: &Secret) -> io::Result<()> {
    let contents = Contents { url: format!("http://127.0.0.1:{port}"), port, secret, pid: std::process::id() };
    let text = Secret::from(serde_json::to_string(&contents)?);
    let temporary = path.with_extension("part");
    // What a killed agent left may be anything.
    remove(&temporary);
    fault::point("door.write");
    let mut file = create(&temporary)?;
    file.write_all(text.expose().as_bytes())?;
    drop(file);
    fault::point("door.rename");
    fs::rename(temporary, path)
}

/// Takes it away, if it is there.
pub(super) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// A new file that nobody else may read, from its first instant on.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

//! Which notices a person has accepted: a small file beside the vault, so that each is shown once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Agent;
use crate::clock::Timestamp;
use crate::ipc::message::login::Notice;
use crate::ipc::message::{Error, ErrorKind};

type Accepted = BTreeMap<String, Timestamp>;

impl Agent {
    /// Passes if the notice has been accepted, before or now with `accept`.
    pub(super) fn check_notice(&self, notice: Option<Notice>, accept: Option<&str>) -> Result<(), Error> {
        let Some(notice) = notice else { return Ok(()) };
        let file = file(&self.paths.state_dir);
        let mut accepted = read(&file);
        if accepted.contains_key(&notice.id) {
            return Ok(());
        }
        if accept != Some(notice.id.as_str()) {
            let message = format!("{}: read the notice and accept it with --accept-notice", notice.title);
            let mut error = Error::new(ErrorKind::NoticeRequired, message);
            error.data.notice = Some(notice);
            return Err(error);
        }
        accepted.insert(notice.id, self.clock.now());
        write(&file, &accepted).map_err(|error| {
            let message =
                format!("{} cannot be written ({}); free space or mend its mode", file.display(), error.kind());
            Error::new(ErrorKind::StorageFailed, message)
        })
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("notices.json")
}

/// A file that is damaged or gone only means that the notice is shown again.
fn read(file: &Path) -> Accepted {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(file: &Path, accepted: &Accepted) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let temporary = file.with_extension("part");
    fs::write(&temporary, serde_json::to_vec(accepted)?)?;
    fs::rename(temporary, file)
}

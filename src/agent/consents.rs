//! What a person has agreed to: notices that were read, and projects' files that may name an account. A small file beside
//! the vault, so that each is asked for once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Agent;
use super::audit::Asking;
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::ipc::message::account::TrustProject;
use crate::ipc::message::login::Notice;
use crate::ipc::message::token::ProjectAccount;
use crate::ipc::message::{Done, Error, ErrorKind};
use crate::redact;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Consents {
    /// Notices by id, and when they were accepted.
    #[serde(default)]
    notices: BTreeMap<String, Timestamp>,
    /// Projects' files, and the account that each may name: a file that changes is asked for again.
    #[serde(default)]
    projects: BTreeMap<String, String>,
}

impl Agent {
    /// Passes if the notice has been accepted, before or now with `accept`.
    pub(super) fn check_notice(&self, notice: Option<Notice>, accept: Option<&str>) -> Result<(), Error> {
        let Some(notice) = notice else { return Ok(()) };
        if self.consents().notices.contains_key(&notice.id) {
            return Ok(());
        }
        if accept != Some(notice.id.as_str()) {
            let message = format!("{}: read the notice and accept it with --accept-notice", notice.title);
            let mut error = Error::new(ErrorKind::NoticeRequired, message);
            error.data.notice = Some(notice);
            return Err(error);
        }
        self.agree(|consents| consents.notices.insert(notice.id, self.clock.now()))
    }

    /// Passes if a person has said that this file may name this account: whoever writes into a directory that we work in
    /// must not choose whose token is handed out.
    pub(super) fn check_project(&self, project: &ProjectAccount) -> Result<(), Error> {
        if self.consents().projects.get(&project.file) == Some(&project.account) {
            return Ok(());
        }
        let (file, account) = (redact::server_text(&project.file), redact::server_text(&project.account));
        let message = format!(
            "{file} names the account {account}: if that is what you want run `cred-helper account trust` there once, \
             else name an account"
        );
        Err(Error::new(ErrorKind::ProjectUntrusted, message))
    }

    pub(super) fn trust_project(&self, trust: TrustProject, asking: &Asking) -> Result<Done, Error> {
        let TrustProject { file, account } = trust;
        if let Ok(account) = account.parse::<AccountName>() {
            asking.about(account);
            asking.detail(redact::server_text(&file));
        }
        self.agree(|consents| consents.projects.insert(file, account))?;
        Ok(Done {})
    }

    /// A file that is damaged or gone only means that a person is asked again.
    fn consents(&self) -> Consents {
        let read = fs::read(self.consents_file()).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn agree<T>(&self, agreed: impl FnOnce(&mut Consents) -> T) -> Result<(), Error> {
        let mut consents = self.consents();
        agreed(&mut consents);
        let file = self.consents_file();
        write(&file, &consents).map_err(|error| {
            let message =
                format!("{} cannot be written ({}); free space or mend its mode", file.display(), error.kind());
            Error::new(ErrorKind::StorageFailed, message)
        })
    }

    fn consents_file(&self) -> PathBuf {
        self.paths.state_dir.join("consents.json")
    }
}

fn write(file: &Path, consents: &Consents) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let temporary = file.with_extension("part");
    fs::write(&temporary, serde_json::to_vec(consents)?)?;
    fs::rename(temporary, file)
}

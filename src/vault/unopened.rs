//! Files of a vault that are not well: which, why, and what a person can do about each, in one line.

use super::records::file_name;
use super::sealed::Closed;
use super::{RecordId, Vault, hold};

/// A file that holds no login, or none that may be used.
#[derive(Clone, Debug)]
pub(super) struct Unopened {
    /// Its name.
    pub(super) file: String,
    /// What is wrong with it and what to do.
    pub(super) line: String,
}

impl Vault {
    pub(super) fn unopened(&self, id: &RecordId, closed: &Closed) -> Unopened {
        let path = self.record_file(id);
        let path = path.display();
        let line = match closed {
            Closed::Damaged => {
                format!("{path} is damaged and was kept: restore its newest state, or log in to that account again")
            }
            Closed::Foreign => format!("{path} was written by a newer version, or its key is gone; it was kept"),
            Closed::LoggedOut => format!("{path} is of a login that was logged out, and came back: it can be removed"),
            Closed::Missing => {
                format!("{path} is gone though nobody logged out: restore its newest state, or log in again")
            }
            Closed::Unreadable(why) => {
                format!("{why}; whatever is there was kept: put the record back, or log in again")
            }
        };
        Unopened { file: file_name(id), line }
    }

    pub(super) fn unopened_ledger(&self) -> Option<Unopened> {
        let path = self.ledger_file();
        let line = format!(
            "{} is damaged: what was restored from a backup meanwhile may not be noticed; it is kept and begun anew",
            path.display()
        );
        let damaged = hold(&self.shared.ledger).is_damaged();
        damaged.then(|| Unopened { file: "ledger".into(), line })
    }
}

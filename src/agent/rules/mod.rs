//! Who may have an account's tokens: the `allow`, `rate_limit` and `confirm` of the configuration, in that order.
//!
//! They guard against accidents (a script that asks for the wrong account, a loop gone wild), not against malware of the
//! same user, which can start or be whatever program it likes. A program that can't be told matches no rule.

mod confirm;
mod pinentry;
mod rate;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::Agent;
use super::accounts::Account;
use super::audit::Asking;
use crate::account::AccountName;
use crate::config::Access;
use crate::ipc::message::agent::{Check, CheckResult};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::Origin;
use crate::redact;

/// What the rules remember.
#[derive(Default)]
pub(super) struct Rules {
    rates: Mutex<rate::Rates>,
    confirmations: confirm::Confirmations,
}

impl Rules {
    /// Whoever was confirmed has to be confirmed again.
    pub(super) fn forget(&self) {
        self.confirmations.forget();
    }
}

/// An account that a program asks for.
#[derive(Clone)]
struct Wanted {
    account: AccountName,
    incarnation: u64,
    origin: Origin,
}

impl Agent {
    /// Passes if the account's rules let this program have its token. Without rules it looks at nothing.
    pub(super) async fn admit(&self, incarnation: u64, asking: &Asking, deadline: Instant) -> Result<(), Error> {
        if self.config.accounts.is_empty() && !self.config.rules_unread {
            return Ok(());
        }
        let account = self.table().get(incarnation).map(|account| account.record.account.clone());
        let account = account.ok_or_else(|| self.gone())?;
        if self.config.rules_unread {
            return Err(self.rules_unread(&account));
        }
        let Some(access) = self.config.access(&account) else { return Ok(()) };
        let wanted = Wanted { account, incarnation, origin: asking.peer().origin().clone() };
        let listed = match access.allow {
            Some((paths, _)) => Some(is_listed(paths, &wanted.origin, deadline).await),
            None => None,
        };
        if listed == Some(false) && !access.confirm {
            return Err(self.not_allowed(&wanted, &access));
        }
        self.count(&wanted, &access)?;
        if access.confirm && listed != Some(true) {
            let question = confirm::Asked {
                terminal: asking.peer().terminal(),
                pinentry: self.config.pinentry.clone(),
                holds: access.confirm_for,
                deadline,
            };
            // A lock makes the question pointless.
            self.gate.unless_locked(self.rules.confirmations.confirm(wanted, question, &self.clock)).await??;
        }
        Ok(())
    }

    /// Passes if this program has not asked too often. A refresh hands nothing out, so no other rule is for it; but a loop
    /// gone wild costs the server most with these.
    pub(super) fn admit_refresh(&self, account: &Account, asking: &Asking) -> Result<(), Error> {
        let record = &account.record;
        let Some(access) = self.config.access(&record.account) else { return Ok(()) };
        let (account, incarnation) = (record.account.clone(), record.incarnation);
        self.count(&Wanted { account, incarnation, origin: asking.peer().origin().clone() }, &access)
    }

    /// One request more for its `rate_limit`.
    fn count(&self, wanted: &Wanted, access: &Access<'_>) -> Result<(), Error> {
        let Some(limit) = access.rate_limit else { return Ok(()) };
        let mut rates = self.rules.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.take(wanted, limit, self.clock.boot(), self.clock.now())
    }

    fn not_allowed(&self, wanted: &Wanted, access: &Access<'_>) -> Error {
        let Wanted { account, origin, .. } = wanted;
        let table = access.allow.map_or(account.provider(), |(_, table)| table);
        let file = self.paths.config_file.display();
        let message = match &origin.path {
            Some(path) => format!(
                "{account}: {path} may not have its tokens; if it should, add \"{path}\" to `allow` in [accounts.\"{table}\"] of {file} \
                 and run `cred-helper agent stop`",
                path = shown(path)
            ),
            None => format!(
                "{account}: {} is unknown, and `allow` in [accounts.\"{table}\"] of {file} only lets in executables that \
                 it names; see cred-helper.toml(5)",
                described(origin)
            ),
        };
        Error::new(ErrorKind::NotAllowed, message).account(account)
    }

    /// A mistake in the file must not switch its rules off.
    fn rules_unread(&self, account: &AccountName) -> Error {
        let wrong = self.config_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        let message = format!(
            "{account}: the configuration may have rules for it and cannot be read{wrong}; mend it and run `cred-helper agent stop`"
        );
        Error::new(ErrorKind::Misconfigured, message).account(account)
    }

    /// Whether the rules can do what they say, for `doctor`.
    pub(super) fn check_rules(&self) -> Vec<Check> {
        let warning = |message: String| Check { name: "rules".to_owned(), result: CheckResult::Warning, message };
        let mut found = Vec::new();
        let table = self.table();
        for name in self.config.accounts.keys().filter(|name| *name != "*") {
            let of = |account: &AccountName| account.to_string() == **name || account.provider() == name.as_str();
            if table.loaded && !table.account_names().into_iter().any(of) {
                found.push(warning(format!("[accounts.\"{name}\"] is for no account there is; was it renamed?")));
            }
        }
        let named: BTreeSet<String> = self.config.targets.accounts().map(ToString::to_string).collect();
        for account in named.iter().filter(|_| table.loaded) {
            if let Err(error) = table.find(Some(account)) {
                found.push(warning(format!("[targets] names {account}: {}", error.message)));
            }
        }
        if cfg!(not(target_os = "linux")) && self.config.accounts.values().any(|table| table.allow.is_some()) {
            found.push(warning("programs cannot be told apart on this system: `allow` lets in nobody".to_owned()));
        }
        let asks = self.config.accounts.values().any(|table| table.confirm == Some(true));
        if let Some(Err(error)) = asks.then(|| pinentry::program(self.config.pinentry.as_deref())) {
            found.push(warning(error));
        }
        found
    }
}

/// Whether that executable is one of these. A link in the list stands for what it leads to now; it may lie on a server that
/// hangs, so nobody but this caller waits for that.
async fn is_listed(paths: &[PathBuf], origin: &Origin, deadline: Instant) -> bool {
    let Some(path) = origin.path.clone() else { return false };
    if paths.contains(&path) {
        return true;
    }
    let paths = paths.to_vec();
    let leads_to = move || paths.iter().any(|listed| listed.canonicalize().is_ok_and(|real| real == path));
    let looking = tokio::task::spawn_blocking(leads_to);
    tokio::time::timeout_at(deadline, looking).await.is_ok_and(|found| found.unwrap_or(false))
}

/// A path for people, on one line and not longer than one.
fn shown(path: &Path) -> String {
    let path = redact::visible(&path.to_string_lossy());
    let length = path.chars().count();
    if length <= 200 {
        path
    } else {
        path.chars().take(100).chain("...".chars()).chain(path.chars().skip(length - 97)).collect()
    }
}

/// A program for people.
fn described(origin: &Origin) -> String {
    let Origin { path, name, pid, started: _ } = origin;
    let process = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    match (path, name) {
        (Some(path), _) => format!("{}{process}", shown(path)),
        (None, Some(name)) => format!("a program that calls itself {}{process}", redact::visible(name)),
        (None, None) => format!("a program that nobody could tell{process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_exact_executable_or_what_a_link_leads_to_is_listed() {
        let directory = tempfile::tempdir().expect("a directory");
        let real = directory.path().canonicalize().expect("a path").join("tool-1.2");
        std::fs::write(&real, "").expect("written");
        let listed = async |paths: &[&Path], path: Option<&Path>| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).to_owned()).collect();
            let origin = Origin { path: path.map(Path::to_owned), ..Origin::default() };
            is_listed(&paths, &origin, Instant::now() + std::time::Duration::from_secs(10)).await
        };
        let git = Path::new("/usr/bin/git");
        assert!(listed(&[git], Some(git)).await);
        for other in ["/usr/bin/git2", "/usr/bin/git/x", "/opt/usr/bin/git"] {
            assert!(!listed(&[git, Path::new("/usr/bin")], Some(Path::new(other))).await, "{other}");
        }
        assert!(!listed(&[git], None).await, "unknown matches nothing");
        #[cfg(unix)]
        {
            let link = directory.path().join("tool");
            std::os::unix::fs::symlink(&real, &link).expect("a link");
            assert!(listed(&[&link], Some(&real)).await);
        }
    }

    #[test]
    fn a_program_is_described_on_one_short_line() {
        let long = PathBuf::from(format!("/{}/git", "a".repeat(4000)));
        for origin in [
            Origin { path: Some(long), name: None, pid: Some(7), started: Some(9) },
            Origin { path: Some("/tmp/a\nb\u{202e}".into()), name: None, pid: Some(7), started: Some(9) },
            Origin { path: None, name: Some("\x1b[2J".into()), pid: Some(7), started: Some(9) },
            Origin::default(),
        ] {
            let text = described(&origin);
            assert!(text.len() < 260 && !text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text}");
        }
    }
}

//! What may be told of accounts and of the agent itself; no token is among it.

use std::sync::Arc;

use super::audit::Asking;
use super::resolve::Found;
use super::{Agent, memory};
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::ipc::message::account::{AccountStatus, Accounts, Problem, RenameAccount, SetDefault, ShowAccount};
use crate::ipc::message::agent::{AgentReport, Check, CheckResult, Checks};
use crate::ipc::message::event::Change;
use crate::ipc::message::vault::{VaultReport, VaultState};
use crate::ipc::message::{Done, Error, ErrorKind};
use crate::version;

impl Agent {
    pub(super) async fn list_accounts(self: &Arc<Self>) -> Result<Accounts, Error> {
        self.ensure_open().await?;
        self.mend_soon();
        let kept = self.kept_on_disk();
        let table = self.table();
        let default = table.find(None).ok().map(|found| found.account);
        let all = table.account_names().into_iter().filter_map(|name| table.found(name));
        let accounts = all.filter_map(|found| self.status(&table, &found, default.as_ref(), kept)).collect();
        Ok(Accounts { accounts, trouble: self.vault.trouble(), passwords: table.passwords.told() })
    }

    pub(super) async fn show_account(self: &Arc<Self>, show: ShowAccount) -> Result<AccountStatus, Error> {
        let opened = self.ensure_open().await;
        let kept = self.kept_on_disk();
        let answering = show.target.as_deref().map(|url| self.answers_for(url, show.account.as_ref(), opened.clone()));
        let answering = answering.transpose()?;
        opened?;
        let table = self.table();
        let default = table.find(None).ok().map(|found| found.account);
        let found = answering.map_or_else(|| table.find(show.account.as_deref()), Ok)?;
        self.status(&table, &found, default.as_ref(), kept).ok_or_else(|| self.gone())
    }

    fn kept_on_disk(&self) -> bool {
        !self.vault.is_in_memory()
    }

    pub(super) async fn set_default(self: &Arc<Self>, default: SetDefault, asking: &Asking) -> Result<Done, Error> {
        self.ensure_open().await?;
        let (incarnation, latest) = {
            let table = self.table();
            let latest = table.all().filter_map(|account| account.record.default_since).max().unwrap_or(0);
            let found = table.find(Some(&default.account))?;
            asking.about(&found.account);
            (found.login.or(found.key).ok_or_else(|| self.gone())?, latest)
        };
        self.change(incarnation, |record| record.default_since = Some(latest + 1)).await?;
        Ok(Done {})
    }

    pub(super) async fn rename(self: &Arc<Self>, rename: RenameAccount, asking: &Asking) -> Result<Done, Error> {
        self.ensure_open().await?;
        let _turn = self.naming.lock().await;
        let Found { account: from, login, key } = self.table().find(Some(&rename.account))?;
        asking.about(&from);
        let to = new_name(&from, &rename.to)?;
        asking.detail(&to);
        // A key may join a login, and the other way round: a rename that was interrupted ends so.
        let taken = self.table().found(&to);
        if taken.is_some_and(|to| (login.is_some() && to.login.is_some()) || (key.is_some() && to.key.is_some())) {
            let message = format!("{to} is an account already: log it out or rename it first");
            return Err(Error::new(ErrorKind::InvalidParams, message));
        }
        for incarnation in [key, login].into_iter().flatten() {
            self.change(incarnation, |record| record.account = to.clone()).await?;
        }
        self.note_source(&from);
        self.note_source(&to);
        self.announce(Change::Renamed { account: from.to_string(), to: to.to_string() });
        Ok(Done {})
    }

    pub(super) fn agent_report(&self) -> AgentReport {
        AgentReport {
            pid: std::process::id(),
            version: version::own().to_owned(),
            uptime: self.clock.boot().saturating_sub(self.started).as_secs(),
            socket: self.paths.socket.display().to_string(),
            vault: self.paths.vault_dir.display().to_string(),
            vault_state: self.vault.state(),
            accounts: self.table().account_names().len(),
            connections: self.connections.count(),
            exchanges: self.gate.exchanges(),
            memory: memory::own(),
            http: self.door_report(),
            configuration_error: self.config_error.as_ref().map(ToString::to_string),
        }
    }

    pub(super) async fn doctor(self: &Arc<Self>) -> Checks {
        let open = self.ensure_open().await;
        let configuration = match &self.config_error {
            None => check("configuration", CheckResult::Ok, self.paths.config_file.display().to_string()),
            Some(error) => check("configuration", CheckResult::Failed, error.to_string()),
        };
        self.mend_soon();
        let vault = match (open, self.with_vault(|vault| Ok(vault.report())).await) {
            (Err(error), _) | (_, Err(error)) => check("vault", CheckResult::Failed, error.message),
            (Ok(()), Ok(report)) => check_vault(report),
        };
        let mut checks = vec![configuration, vault, self.check_audit()];
        if let Some((result, message)) = self.sealer.as_ref().map(|sealer| sealer.report()) {
            checks.push(check("memory", result, message.to_owned()));
        }
        if let Some(trouble) = self.auto_lock_trouble() {
            checks.push(check("automatic lock", CheckResult::Warning, trouble));
        }
        checks.extend(self.check_proxy());
        checks.extend(self.check_rules());
        checks.extend(self.check_door());
        checks.extend(self.check_units());
        for missing in &self.unprotected {
            checks.push(check("protection", CheckResult::Warning, missing.clone()));
        }
        let now = self.clock.now();
        checks.extend(self.list_accounts().await.into_iter().flat_map(|accounts| check_accounts(accounts, now)));
        checks.extend(self.vault.trouble().into_iter().map(|line| check("vault's files", CheckResult::Failed, line)));
        Checks { checks }
    }

    /// Without one there is nothing to say.
    fn check_proxy(&self) -> Option<Check> {
        match self.http.proxy() {
            Ok(proxy) => {
                proxy.map(|proxy| check("proxy", CheckResult::Ok, format!("servers are asked through {proxy}")))
            }
            Err(why) => Some(check("proxy", CheckResult::Failed, why)),
        }
    }
}

fn check(name: &str, result: CheckResult, message: String) -> Check {
    Check { name: name.to_owned(), result, message }
}

fn check_accounts(accounts: Accounts, now: Timestamp) -> Vec<Check> {
    let of = |account: AccountStatus| -> Vec<Check> {
        let name = account.account;
        let failed = |problem: Option<Problem>| {
            problem.map(|problem| check(&format!("account {name}"), CheckResult::Failed, problem.message))
        };
        let ends = |what: &str, at: Option<Timestamp>, within: Option<u16>, mended: &str| {
            let when = match within {
                _ if at.is_some_and(|at| at <= now) => "has ended".to_owned(),
                within => format!("ends within {} days", within?),
            };
            let message = format!("{name}: its {what} {when}: run `cred-helper {mended} {name}`");
            Some(check(&format!("account {name}"), CheckResult::Warning, message))
        };
        let login = ends("refresh token", account.refresh_expires_at, account.ends_within, "login");
        let key = account.api_key;
        let key_ends = key.as_ref().and_then(|key| ends("API key", key.expires_at, key.ends_within, "api-key set"));
        [failed(account.problem), failed(key.and_then(|key| key.problem)), login, key_ends]
            .into_iter()
            .flatten()
            .collect()
    };
    accounts.accounts.into_iter().flat_map(of).collect()
}

fn check_vault(report: VaultReport) -> Check {
    match (report.state, report.message) {
        (VaultState::Absent, _) => check("vault", CheckResult::Ok, "the first login makes it".to_owned()),
        (VaultState::Copied | VaultState::Restored, Some(message)) => check("vault", CheckResult::Failed, message),
        _ => {
            let strength = report
                .as_strong_as
                .map_or_else(String::new, |kind| format!(", as strong as its {kind:?} slot").to_lowercase());
            let records = if report.records == 1 { "record" } else { "records" };
            check("vault", CheckResult::Ok, format!("{} {records}{strength}", report.records))
        }
    }
}

/// `work` or `anthropic/work`; the provider stays.
fn new_name(from: &AccountName, to: &str) -> Result<AccountName, Error> {
    let odd = |error: crate::account::AccountNameError| {
        Error::new(ErrorKind::InvalidParams, format!("the new name: {error}"))
    };
    if to == from.provider() {
        return AccountName::new(to, None).map_err(odd);
    }
    if !to.contains('/') {
        return AccountName::new(from.provider(), Some(to)).map_err(odd);
    }
    let name: AccountName = to.parse().map_err(odd)?;
    if name.provider() != from.provider() {
        let message = format!("{from} stays with its provider: its new name starts with {}/", from.provider());
        return Err(Error::new(ErrorKind::InvalidParams, message));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_keeps_the_provider() {
        let from: AccountName = "anthropic/old".parse().unwrap();
        let name = |to| new_name(&from, to).map(|name| name.to_string()).map_err(|error| error.kind());
        assert_eq!(name("work"), Ok("anthropic/work".to_owned()));
        assert_eq!(name("anthropic/work"), Ok("anthropic/work".to_owned()));
        assert_eq!(name("anthropic"), Ok("anthropic".to_owned()));
        assert_eq!(name("google/work"), Err(ErrorKind::InvalidParams));
        assert_eq!(name("a b"), Err(ErrorKind::InvalidParams));
    }
}

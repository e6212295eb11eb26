//! What may be told of accounts and of the agent itself; no token is among it.

use std::sync::Arc;

use super::accounts::Account;
use super::audit::Asking;
use super::{Agent, memory};
use crate::account::AccountName;
use crate::ipc::message::account::{
    AccountState, AccountStatus, Accounts, Problem, RenameAccount, SetDefault, ShowAccount,
};
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
        let default = table.resolve(None).ok().map(|account| account.record.incarnation);
        let accounts = table.iter().map(|account| self.status(account, default, kept)).collect();
        Ok(Accounts { accounts, trouble: self.vault.trouble() })
    }

    pub(super) async fn show_account(self: &Arc<Self>, show: ShowAccount) -> Result<AccountStatus, Error> {
        self.ensure_open().await?;
        let kept = self.kept_on_disk();
        let table = self.table();
        let default = table.resolve(None).ok().map(|account| account.record.incarnation);
        Ok(self.status(table.resolve(show.account.as_deref())?, default, kept))
    }

    fn kept_on_disk(&self) -> bool {
        !self.vault.is_in_memory()
    }

    fn status(&self, account: &Account, default: Option<u64>, kept: bool) -> AccountStatus {
        let record = &account.record;
        let dead = record.dead.as_ref();
        let state = match dead {
            _ if account.barred.is_some() => AccountState::ReauthorizationRequired,
            Some(_) => AccountState::ReauthorizationRequired,
            None if self.logins.concerns(&record.account) => AccountState::Authorizing,
            None => AccountState::SignedIn,
        };
        let died = dead.map(|dead| Problem {
            kind: ErrorKind::LoginRequired,
            message: super::failures::dead_error(account, &dead.message).message,
            since: dead.at,
            retry_at: None,
        });
        let barred = account.barred.map(|why| {
            let error = super::failures::barred_error(account, why);
            Problem { kind: error.kind(), message: error.message, since: record.signed_in_at, retry_at: None }
        });
        AccountStatus {
            account: record.account.to_string(),
            provider_title: account.provider.title.clone(),
            default: default == Some(record.incarnation),
            state,
            identity: record.identity.clone(),
            scope: record.tokens.scope.clone(),
            issuer: record.issuer.clone(),
            client_id: Some(record.client_id.clone()),
            expires_at: super::tokens::ends_at(account, self.clock.moment()),
            refreshable: super::accounts::renews_itself(record, &account.provider),
            id_token: record.tokens.id.is_some(),
            signed_in_at: record.signed_in_at,
            refreshed_at: record.refreshed_at,
            used_at: account.used_at(),
            refresh_at: self.schedule.of(record.incarnation).map(|at| self.wall_at(at)),
            persisted: account.persisted && kept,
            answer_lost: account.answer_lost,
            problem: barred.or(died).or_else(|| account.unwritten.clone()).or_else(|| account.problem.clone()),
        }
    }

    pub(super) async fn set_default(self: &Arc<Self>, default: SetDefault, asking: &Asking) -> Result<Done, Error> {
        self.ensure_open().await?;
        let (incarnation, latest) = {
            let table = self.table();
            let latest = table.iter().filter_map(|account| account.record.default_since).max().unwrap_or(0);
            let account = table.resolve(Some(&default.account))?;
            asking.about(&account.record.account);
            (account.record.incarnation, latest)
        };
        self.change(incarnation, |record| record.default_since = Some(latest + 1)).await?;
        Ok(Done {})
    }

    pub(super) async fn rename(self: &Arc<Self>, rename: RenameAccount, asking: &Asking) -> Result<Done, Error> {
        self.ensure_open().await?;
        let _turn = self.naming.lock().await;
        let (incarnation, from) = {
            let table = self.table();
            let account = table.resolve(Some(&rename.account))?;
            (account.record.incarnation, account.record.account.clone())
        };
        asking.about(&from);
        let to = new_name(&from, &rename.to)?;
        asking.detail(&to);
        if self.table().named(&to).is_some() {
            let message = format!("{to} is an account already: log it out or rename it first");
            return Err(Error::new(ErrorKind::InvalidParams, message));
        }
        self.change(incarnation, |record| record.account = to.clone()).await?;
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
            accounts: self.table().len(),
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
        checks.extend(self.check_rules());
        checks.extend(self.check_door());
        for missing in &self.unprotected {
            checks.push(check("protection", CheckResult::Warning, missing.clone()));
        }
        for account in self.table().iter() {
            let status = self.status(account, None, true);
            if let Some(problem) = status.problem {
                checks.push(check(&format!("account {}", status.account), CheckResult::Failed, problem.message));
            }
        }
        checks.extend(self.vault.trouble().into_iter().map(|line| check("vault's files", CheckResult::Failed, line)));
        Checks { checks }
    }
}

fn check(name: &str, result: CheckResult, message: String) -> Check {
    Check { name: name.to_owned(), result, message }
}

fn check_vault(report: VaultReport) -> Check {
    match (report.state, report.message) {
        (VaultState::Absent, _) => check("vault", CheckResult::Ok, "the first login makes it".to_owned()),
        (VaultState::Copied | VaultState::Restored, Some(message)) => check("vault", CheckResult::Failed, message),
        _ => {
            let strength = report
                .as_strong_as
                .map_or_else(String::new, |kind| format!(", as strong as its {kind:?} slot").to_lowercase());
            check("vault", CheckResult::Ok, format!("{} records{strength}", report.records))
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

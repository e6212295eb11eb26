//! What may be told of an account, its login and its API key; neither a token nor a key is among it.

use super::Agent;
use super::accounts::{Account, Table, renews_itself};
use super::ends::Ending;
use super::failures::{barred_error, dead_error};
use super::resolve::Found;
use super::sources::{Answers, key_ends};
use super::tokens::ends_at;
use crate::account::AccountName;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::account::{AccountState, AccountStatus, ApiKeyStatus, Problem};
use crate::ipc::message::token::{AuthMethod, GetToken};
use crate::token::Identity;

/// So much of a key's fingerprint tells keys apart and says nothing of them.
const FINGERPRINT: usize = 4;

impl Agent {
    /// `kept`: whether there is a disk that keeps it.
    pub(super) fn status(
        &self,
        table: &Table,
        found: &Found,
        default: Option<&AccountName>,
        kept: bool,
    ) -> Option<AccountStatus> {
        let key = found.key.and_then(|key| table.get(key));
        let status = match found.login.and_then(|login| table.get(login)) {
            Some(login) => self.login_status(login, kept),
            None => self.without_login(key?),
        };
        let mut status = AccountStatus {
            default: default == Some(&found.account),
            api_key: key.map(|key| self.key_status(key, kept)),
            ..status
        };
        if key.is_some()
            && let Answers::Key(why) = self.answers(table, found, &GetToken::default())
        {
            status.method = AuthMethod::ApiKey;
            (status.fallback_since, status.fallback_reason) = why.map(|why| (why.since, why.reason)).unzip();
        }
        Some(status)
    }

    fn login_status(&self, account: &Account, kept: bool) -> AccountStatus {
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
            message: dead_error(account, &dead.message).message,
            since: dead.at,
            retry_at: None,
        });
        let ending = Ending::of(account, self.clock.moment());
        AccountStatus {
            state,
            identity: record.identity.clone(),
            scope: record.tokens.scope.clone(),
            issuer: record.issuer.clone(),
            client_id: Some(record.client_id.clone()).filter(|id| !id.is_empty()),
            expires_at: ends_at(account, self.clock.moment()),
            refreshable: renews_itself(record, &account.provider),
            refresh_expires_at: ending.map(|ending| ending.at),
            ends_within: ending.and_then(|ending| ending.within(self.clock.now())),
            id_token: record.tokens.id.is_some(),
            refreshed_at: record.refreshed_at,
            refresh_at: self.schedule.of(record.incarnation).map(|at| self.wall_at(at)),
            persisted: account.persisted && kept,
            answer_lost: account.answer_lost,
            imported: record.imported.clone(),
            problem: barred(account).or(died).or_else(|| account.unwritten.clone()).or_else(|| account.problem.clone()),
            ..plain(account)
        }
    }

    fn without_login(&self, key: &Account) -> AccountStatus {
        let authorizing = self.logins.concerns(&key.record.account);
        let state = if authorizing { AccountState::Authorizing } else { AccountState::SignedOut };
        AccountStatus { state, ..plain(key) }
    }

    fn key_status(&self, account: &Account, kept: bool) -> ApiKeyStatus {
        let refused = account.not_before.is_some_and(|until| until > self.clock.boot());
        let now = self.clock.moment();
        ApiKeyStatus {
            fingerprint: account.fingerprint.iter().take(FINGERPRINT).map(|byte| format!("{byte:02x}")).collect(),
            stored_at: account.record.signed_in_at,
            expires_at: key_ends(account, now),
            ends_within: Ending::of(account, now).and_then(|ending| ending.within(now.wall)),
            used_at: account.used_at(),
            persisted: account.persisted && kept,
            problem: barred(account)
                .or_else(|| account.unwritten.clone())
                .or_else(|| account.problem.clone().filter(|_| refused)),
        }
    }
}

fn barred(account: &Account) -> Option<Problem> {
    let error = barred_error(account, account.barred?);
    Some(Problem { kind: error.kind(), message: error.message, since: account.record.signed_in_at, retry_at: None })
}

/// What every account has.
fn plain(account: &Account) -> AccountStatus {
    AccountStatus {
        account: account.record.account.to_string(),
        provider_title: account.provider.title.clone(),
        default: false,
        state: AccountState::SignedOut,
        identity: Identity::default(),
        scope: Vec::new(),
        issuer: None,
        client_id: None,
        expires_at: None,
        refreshable: false,
        refresh_expires_at: None,
        ends_within: None,
        id_token: false,
        signed_in_at: account.record.signed_in_at,
        refreshed_at: None,
        used_at: account.used_at(),
        refresh_at: None,
        persisted: true,
        answer_lost: false,
        imported: None,
        problem: None,
        method: AuthMethod::Oauth,
        fallback_since: None,
        fallback_reason: None,
        api_key: None,
    }
}

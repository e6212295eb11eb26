//! Signing out: revoked at the server where it can be, and forgotten whether or not that worked.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::accounts::Account;
use super::audit::Asking;
use super::resolve::Found;
use super::{Agent, refresher};
use crate::account::AccountName;
use crate::fault;
use crate::grant::{self, Client, TokenHint};
use crate::ipc::message::account::AccountState;
use crate::ipc::message::event::Change;
use crate::ipc::message::login::{KeyFate, LoggedOut, LoggedOutAccount, Logout, Revocation};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::secret::Secret;
use crate::token::TokenSet;
use crate::vault::Barred;
use crate::vault::record::Record;

/// How long a person waits for a server that is asked to revoke.
const PATIENCE: Duration = Duration::from_secs(10);

impl Agent {
    pub(super) async fn logout(self: &Arc<Self>, logout: Logout, asking: &Asking) -> Result<LoggedOut, Error> {
        self.ensure_open().await?;
        let all: Vec<Found> = {
            let table = self.table();
            if logout.all {
                table.account_names().into_iter().filter_map(|name| table.found(name)).collect()
            } else {
                vec![table.find(logout.account.as_deref())?]
            }
        };
        if let [only] = &all[..]
            && only.login.is_none()
            && !logout.api_keys
            && !logout.all
        {
            return Err(keys_stay(&only.account));
        }
        let mut accounts = Vec::with_capacity(all.len());
        for found in all {
            asking.about(&found.account);
            accounts.extend(self.log_out(found, logout.api_keys).await?);
        }
        Ok(LoggedOut { accounts })
    }

    /// The login, and if that is asked for the key, too.
    async fn log_out(self: &Arc<Self>, found: Found, api_keys: bool) -> Result<Option<LoggedOutAccount>, Error> {
        let account = match found.login {
            Some(login) => self.forget(login).await?,
            None => None,
        };
        let api_key = match found.key {
            Some(key) if api_keys => {
                self.forget_key(key, &found.account).await?;
                Some(KeyFate::Removed)
            }
            key => key.map(|_| KeyFate::Kept),
        };
        let no_login = LoggedOutAccount {
            account: found.account.to_string(),
            revocation: Revocation::NoLogin,
            message: None,
            api_key,
        };
        Ok(match account {
            Some(account) => {
                fault::point("logout.revoke");
                Some(LoggedOutAccount { api_key, ..self.revoke_now(&account).await })
            }
            None => Some(no_login).filter(|_| api_key == Some(KeyFate::Removed)),
        })
    }

    /// Takes a login out of the vault and the table. An exchange under way finds it gone and gives back what it got.
    pub(super) async fn forget(self: &Arc<Self>, incarnation: u64) -> Result<Option<Account>, Error> {
        let account = self.take_out(incarnation).await?;
        if let Some(account) = &account {
            let name = &account.record.account;
            self.announce(Change::State { account: name.to_string(), state: AccountState::SignedOut });
            self.note_source(name);
        }
        Ok(account)
    }

    /// Takes a login or a key out of the vault and the table.
    pub(super) async fn take_out(self: &Arc<Self>, incarnation: u64) -> Result<Option<Account>, Error> {
        let write = self.table().get(incarnation).map(|account| Arc::clone(&account.write));
        let Some(write) = write else { return Ok(None) };
        let _turn = write.lock_owned().await;
        let Some(id) = self.table().get(incarnation).map(|account| account.stored.0.clone()) else { return Ok(None) };
        self.with_vault(move |vault| vault.remove(&id)).await?;
        self.schedule.forget(incarnation);
        Ok(self.table().remove(incarnation))
    }

    async fn revoke_now(&self, account: &Account) -> LoggedOutAccount {
        let record = &account.record;
        let name = record.account.to_string();
        if account.barred == Some(Barred::Foreign) {
            let message = Some("not revoked: it may be in use where the vault came from".to_owned());
            return LoggedOutAccount { account: name, revocation: Revocation::Unsupported, message, api_key: None };
        }
        if let Some(imported) = record.read_only() {
            let message = Some(format!("not revoked: the login is {}'s, and goes on there", imported.source.shown()));
            return LoggedOutAccount { account: name, revocation: Revocation::Unsupported, message, api_key: None };
        }
        let Some(endpoint) = &record.revocation_endpoint else {
            let message = match &account.provider.revocation_page {
                Some(page) => format!("its server can't be told by a program: end the login at {page}"),
                None => "its server has no revocation endpoint: tokens handed out work until they expire".to_owned(),
            };
            let message = Some(message);
            return LoggedOutAccount { account: name, revocation: Revocation::Unsupported, message, api_key: None };
        };
        let client = refresher::client(record, &account.provider);
        if lacks_secret(&account.provider, &client) {
            let end = account.provider.revocation_page.as_ref().map(|page| format!(": end the login at {page}"));
            let message = format!(
                "its server revokes only for a client that shows its secret, and this one has none{}",
                end.unwrap_or_default()
            );
            let message = Some(message);
            return LoggedOutAccount { account: name, revocation: Revocation::Unsupported, message, api_key: None };
        }
        let (token, hint) = revocable(&account.provider, &record.tokens);
        let places = (endpoint.as_str(), refresher::server(record));
        let asking = grant::revoke(&self.http, &account.provider, places, &client, &token, hint);
        let (revocation, message) = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(())) => {
                let partly = account.provider.revocation.is_some() && record.tokens.refresh.is_some();
                (Revocation::Revoked, partly.then(|| ACCESS_ALONE.to_owned()))
            }
            Ok(Err(failure)) => (Revocation::Failed, Some(failure.message)),
            Err(_) => (Revocation::Failed, Some("the server did not answer".to_owned())),
        };
        LoggedOutAccount { account: name, revocation, message, api_key: None }
    }

    /// Revokes a login's token behind the caller's back: one that was replaced by a new login, or came too late.
    pub(super) fn revoke_later(
        self: &Arc<Self>,
        record: Arc<Record>,
        provider: Arc<Provider>,
        (token, hint): (Secret, TokenHint),
    ) {
        let Some(endpoint) = record.revocation_endpoint.clone() else { return };
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let client = refresher::client(&record, &provider);
            if lacks_secret(&provider, &client) {
                return;
            }
            let places = (endpoint.as_str(), refresher::server(&record));
            let asking = grant::revoke(&agent.http, &provider, places, &client, &token, hint);
            if let Err(failure) = asking.await {
                warn!(account = %record.account, "could not revoke a token that is no longer used: {}", failure.message);
            }
        });
    }
}

const ACCESS_ALONE: &str = "its access token, that is: it takes no refresh token back, which nobody has any more";

/// What ends a login: its refresh token, unless there is none or the server revokes access tokens alone.
pub(super) fn revocable(provider: &Provider, tokens: &TokenSet) -> (Secret, TokenHint) {
    match &tokens.refresh {
        Some(refresh) if provider.revocation.is_none() => (refresh.duplicate(), TokenHint::Refresh),
        _ => (tokens.access.duplicate(), TokenHint::Access),
    }
}

/// Whether nothing that this client can show lets the server revoke.
fn lacks_secret(provider: &Provider, client: &Client) -> bool {
    provider.revocation.as_ref().is_some_and(|step| step.needs_secret) && client.secret.is_none()
}

fn keys_stay(name: &AccountName) -> Error {
    let message = format!("{name} has an API key and no login: `cred-helper api-key remove {name}` forgets the key");
    Error::new(ErrorKind::LoginRequired, message).account(name)
}

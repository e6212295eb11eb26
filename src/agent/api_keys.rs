//! `api_key.*`: an account's API key, kept in a record of its own that no login, refresh or logout touches.

use std::sync::Arc;

use tracing::info;

use super::accounts::Account;
use super::audit::Asking;
use super::providers::Named;
use super::{Agent, random};
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::fault;
use crate::ipc::message::account::AccountState;
use crate::ipc::message::api_key::{ApiKeyRemoved, ApiKeySet, RemoveApiKey, SetApiKey};
use crate::ipc::message::event::Change;
use crate::ipc::message::login::StartLogin;
use crate::ipc::message::{Error, ErrorKind};
use crate::redact;
use crate::secret::Secret;
use crate::vault::record::Record;

/// More than any key seen, and what a header carries.
const LONGEST: usize = 8192;

impl Agent {
    pub(super) async fn set_api_key(self: &Arc<Self>, set: SetApiKey, asking: &Asking) -> Result<ApiKeySet, Error> {
        let SetApiKey { account, key, expires_at, interactive } = set;
        check(&key)?;
        if expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(Error::new(ErrorKind::InvalidParams, "the key has ended already; nothing was stored"));
        }
        self.ensure_ready(interactive).await?;
        // A lock waits for it: what is kept behind its back would stay in memory.
        let _pass = self.gate.enter_to_keep().await?;
        let (named, account) = self.account_of_key(&account)?;
        // A key given for a label by mistake is not written down.
        asking.about(redact::server_text(&account.to_string()));
        let replaced = self.keep_key(&named, &account, key, expires_at).await?;
        let login = self.table().named(&account).is_some();
        let persisted = !self.vault.is_in_memory();
        Ok(ApiKeySet { account: account.to_string(), replaced, login, persisted })
    }

    /// The account that a key is for: the one that the name means, or a new one at a provider that is known.
    fn account_of_key(&self, asked: &str) -> Result<(Named, AccountName), Error> {
        let account = match self.table().find(Some(asked)) {
            Ok(found) => found.account,
            Err(error) if error.kind() != ErrorKind::LoginRequired => return Err(error),
            // It parses, or the error would be another one.
            Err(error) => asked.parse().map_err(|_| error)?,
        };
        let start = StartLogin {
            provider: account.provider().to_owned(),
            label: account.label().map(str::to_owned),
            ..StartLogin::default()
        };
        Ok((self.named_provider(&start)?, account))
    }

    /// Keeps a key. Whether it took another one's place.
    pub(super) async fn keep_key(
        self: &Arc<Self>,
        named: &Named,
        account: &AccountName,
        key: Secret,
        expires_at: Option<Timestamp>,
    ) -> Result<bool, Error> {
        let record = Record::api_key(account.clone(), random(), key, expires_at, self.clock.moment());
        let issuer = named.provider.issuer.clone().filter(|_| named.by_issuer);
        let mut record = Record { issuer, ..named.of_it(record) };
        fault::point("api_key.keep");
        let _turn = self.naming.lock().await;
        if self.vault.is_from_elsewhere() {
            self.with_vault(|vault| vault.begin_anew()).await?;
        }
        let before = self.table().key_of(account).map(|key| (Arc::clone(&key.write), key.record.incarnation));
        let (_write, before) = match before {
            None => (None, None),
            Some((write, incarnation)) => {
                let write = write.lock_owned().await;
                // It may have been removed meanwhile.
                let table = self.table();
                let found = table.get(incarnation).map(|key| (key.stored.clone(), key.record.default_since));
                (Some(write), found)
            }
        };
        let stored = match before {
            None => {
                let writing = record.duplicate();
                let written = self.with_vault(move |vault| vault.create(&writing)).await?;
                (written.id, written.version)
            }
            Some(((id, version), default_since)) => {
                record.default_since = default_since;
                let (writing, at) = (record.duplicate(), id.clone());
                (id, self.with_vault(move |vault| vault.renew(&at, version, &writing)).await?)
            }
        };
        let key = Account::new(stored, record, Arc::clone(&named.provider));
        self.plan_end(&key, self.clock.moment());
        let before = self.table().insert(key);
        let replaced = before.is_some();
        before.iter().for_each(|before| self.schedule.forget(before.record.incarnation));
        info!(%account, replaced, "an API key is stored");
        self.note_source(account);
        self.settle_soon();
        Ok(replaced)
    }

    pub(super) async fn remove_api_key(
        self: &Arc<Self>,
        remove: RemoveApiKey,
        asking: &Asking,
    ) -> Result<ApiKeyRemoved, Error> {
        self.ensure_open().await?;
        let found = self.table().find(Some(&remove.account))?;
        let account = found.account;
        asking.about(&account);
        let key = found.key.ok_or_else(|| {
            Error::new(ErrorKind::NoSuchToken, format!("{account} has no API key to remove")).account(&account)
        })?;
        self.forget_key(key, &account).await?;
        Ok(ApiKeyRemoved { account: account.to_string(), login: found.login.is_some() })
    }

    /// Forgets a key; whoever subscribed hears of an account that is gone with it.
    pub(super) async fn forget_key(self: &Arc<Self>, key: u64, account: &AccountName) -> Result<(), Error> {
        let removed = self.take_out(key).await?;
        let login = self.table().named(account).is_some();
        if removed.is_some() && !login {
            self.announce(Change::State { account: account.to_string(), state: AccountState::SignedOut });
        }
        self.note_source(account);
        Ok(())
    }
}

/// What can't be a key, because no header carries it. It is not repeated.
fn check(key: &Secret) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::new(ErrorKind::InvalidParams, format!("that is no API key: {what}")));
    let text = key.expose();
    match text.len() {
        0 => wrong("it is empty"),
        LONGEST.. => wrong("it is longer than any; was a file read by mistake?"),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            wrong("it has blanks, line ends or other characters that no header carries")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_carries_is_no_key() {
        let secret = |text: &str| Secret::from(text.to_owned());
        assert_eq!(check(&secret("sk-ant-api03-x_y=")), Ok(()));
        for text in ["", "a b", "a\r\nX: y", "a\u{e9}", &"x".repeat(LONGEST)] {
            let error = check(&secret(text)).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidParams && (text.is_empty() || !error.message.contains(text)));
        }
    }
}

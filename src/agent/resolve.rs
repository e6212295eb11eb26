//! How a name finds an account: the named one, a provider's only one or the one chosen there last, the default, or the
//! only one there is.
//!
//! An account has a login, an API key, or both; both go by the same name.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{Account, Table};
use super::nearest::nobody;
use crate::account::AccountName;
use crate::ipc::message::{Error, ErrorKind};

/// What an account has, by incarnation; at least one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) account: AccountName,
    pub(super) login: Option<u64>,
    pub(super) key: Option<u64>,
}

impl Table {
    /// What is there under that very name.
    pub(super) fn found(&self, name: &AccountName) -> Option<Found> {
        let (login, key) = (self.names.get(name).copied(), self.keys.get(name).copied());
        let found = Found { account: name.clone(), login, key };
        (login.is_some() || key.is_some()).then_some(found)
    }

    /// The names of all accounts, sorted.
    pub(super) fn account_names(&self) -> BTreeSet<&AccountName> {
        self.names.keys().chain(self.keys.keys()).collect()
    }

    /// Those at one provider, sorted.
    fn names_at(&self, provider: &str) -> Vec<&AccountName> {
        let Ok(bare) = AccountName::new(provider, None) else { return Vec::new() };
        let at = [&self.names, &self.keys].into_iter().flat_map(|names: &BTreeMap<AccountName, u64>| {
            names.range(bare.clone()..).map(|(name, _)| name).take_while(|name| name.provider() == provider)
        });
        at.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The account a caller means.
    pub(super) fn find(&self, asked: Option<&str>) -> Result<Found, Error> {
        match asked {
            Some(asked) => self.find_named(asked),
            None => self.find_default_account(),
        }
    }

    /// The login of the account a caller means.
    pub(super) fn resolve(&self, asked: Option<&str>) -> Result<&Account, Error> {
        let found = self.find(asked)?;
        found.login.and_then(|login| self.get(login)).ok_or_else(|| {
            let (name, hint) = (&found.account, login_hint(&found.account));
            let message = format!("{name} has an API key and no login: run `cred-helper login {hint}`");
            Error::new(ErrorKind::LoginRequired, message).account(name)
        })
    }

    fn find_named(&self, asked: &str) -> Result<Found, Error> {
        let name: AccountName = asked
            .parse()
            .map_err(|error| Error::new(ErrorKind::InvalidParams, format!("not an account name: {error}")))?;
        if let Some(found) = self.found(&name) {
            return Ok(found);
        }
        let of_provider = self.names_at(name.provider());
        if name.label().is_none()
            && let Some(found) = only(&of_provider).and_then(|only| self.found(only))
        {
            return Ok(found);
        }
        if name.label().is_none()
            && let Some(found) = self.chosen(&of_provider).and_then(|chosen| self.found(chosen))
        {
            return Ok(found);
        }
        if name.label().is_none() && !of_provider.is_empty() {
            let names = texts(of_provider);
            let message = format!(
                "{name} has several accounts ({}): name one, or set one with `cred-helper account default`",
                names.join(", ")
            );
            return Err(listing(ErrorKind::AmbiguousAccount, message, names));
        }
        Err(nobody(asked, &name, texts(self.account_names())))
    }

    fn find_default_account(&self) -> Result<Found, Error> {
        if let Some(account) = self.default_account()
            && let Some(found) = self.found(&account.record.account)
        {
            return Ok(found);
        }
        let all: Vec<_> = self.account_names().into_iter().collect();
        if let Some(found) = only(&all).and_then(|only| self.found(only)) {
            return Ok(found);
        }
        if all.is_empty() {
            let message = "nobody is signed in: run `cred-helper login PROVIDER`";
            return Err(Error::new(ErrorKind::LoginRequired, message));
        }
        let names = texts(all);
        let message = format!(
            "there are several accounts ({}): name one, or set one with `cred-helper account default`",
            names.join(", ")
        );
        Err(listing(ErrorKind::AmbiguousAccount, message, names))
    }

    /// The one of them whose login or key was made the default last.
    fn chosen<'a>(&self, names: &[&'a AccountName]) -> Option<&'a AccountName> {
        let since = |name: &AccountName| {
            let both = [self.named(name), self.key_of(name)].into_iter().flatten();
            both.filter_map(|account| account.record.default_since).max()
        };
        let chosen = names.iter().filter_map(|name| Some((since(name)?, *name)));
        chosen.max_by_key(|(since, _)| *since).map(|(_, name)| name)
    }

    /// What was made the default.
    pub(super) fn default_account(&self) -> Option<&Account> {
        self.get(self.default?)
    }
}

fn only<'a>(names: &[&'a AccountName]) -> Option<&'a AccountName> {
    match names {
        [only] => Some(only),
        _ => None,
    }
}

fn texts<'a>(names: impl IntoIterator<Item = &'a AccountName>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

fn listing(kind: ErrorKind, message: String, accounts: Vec<String>) -> Error {
    let mut error = Error::new(kind, message);
    error.data.accounts = accounts;
    error
}

pub(super) fn login_hint(name: &AccountName) -> String {
    match name.label() {
        Some(label) => format!("{} --account {label}", name.provider()),
        None => name.provider().to_owned(),
    }
}

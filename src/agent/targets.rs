//! Which account answers for a target, a URL that another program wants to reach: the one that a rule names, else the only
//! one that is signed in at the provider whose own it is. For everything else there is no answer.
//!
//! The default account and a project's say nothing of hosts and play no part here.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use super::accounts::{Fingerprint, Table};
use super::audit::Asking;
use super::resolve::Found;
use super::{Agent, fingerprint};
use crate::account::AccountName;
use crate::config::Rule;
use crate::ipc::message::token::{ForTarget, GetToken, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::provider::schema::ProviderTarget;
use crate::provider::target::Target;
use crate::redact;

/// The providers that could have an account, once they were looked for: hosts that nobody knows are asked for often.
pub(super) type Known = OnceLock<Vec<(String, Arc<Provider>)>>;

/// What answers for a target.
struct Answering {
    found: Found,
    /// The user name beside which the server takes the token for a password.
    username: Option<String>,
}

/// A fingerprint as it is written.
fn hex(fingerprint: &[u8]) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprint that a caller names.
pub(super) fn unhex(text: &str) -> Result<Fingerprint, Error> {
    let wrong = || Error::new(ErrorKind::InvalidParams, "`fingerprint` is one that an answer had");
    let mut bytes = Fingerprint::default();
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

impl Agent {
    /// `token.get` for a target.
    pub(super) async fn answer_target(
        self: &Arc<Self>,
        url: &str,
        opened: Result<(), Error>,
        get: &GetToken,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Token, Error> {
        if get.account.is_some() || get.project.is_some() {
            return Err(not_both());
        }
        let target = self.target(url)?;
        asking.detail(shown(&target));
        let answering = match (self.answering(&target, opened.clone()), &get.or_password_for) {
            (Err(error), Some(place)) if error.kind() == ErrorKind::UnknownTarget => {
                return self.answer_password(place, &target, opened, asking);
            }
            (answering, _) => answering,
        };
        let Answering { found, username } = answering?;
        let origin = self.is_whole_host(&target).then(|| target.origin());
        asking.about(&found.account);
        let mut token = self.answer_account(&found, get, asking, deadline).await?;
        let fingerprint = hex(&fingerprint(&token.token));
        token.for_target = Some(ForTarget { username, origin, fingerprint, cached: asking.is_cached(), exact: false });
        Ok(token)
    }

    /// The account that `token.get` would ask for a target.
    pub(super) fn answers_for(
        &self,
        url: &str,
        account: Option<&String>,
        opened: Result<(), Error>,
    ) -> Result<Found, Error> {
        match account {
            Some(_) => Err(not_both()),
            None => self.answering(&self.target(url)?, opened).map(|answering| answering.found),
        }
    }

    /// What a caller wants to reach.
    pub(super) fn target(&self, url: &str) -> Result<Target, Error> {
        let target = Target::of_request(url);
        let target = target.map_err(|error| Error::new(ErrorKind::UnknownTarget, error.to_string()))?;
        match &self.config_error {
            None => Ok(target),
            Some(error) => {
                let message = format!(
                    "which account answers for {} cannot be read: {error}; mend it and run `cred-helper agent stop`",
                    shown(&target)
                );
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
        }
    }

    /// What answers for it. Whether the vault could be opened matters only where it may have something.
    fn answering(&self, target: &Target, opened: Result<(), Error>) -> Result<Answering, Error> {
        match self.config.targets.rule(target) {
            Some(Rule::Nothing) => Err(nothing_here(target)),
            Some(Rule::Account(rule)) => {
                opened?;
                let table = self.table();
                let found = table.find(Some(&rule.account.to_string()))?;
                Ok(table.answering(found, rule.username.clone(), target))
            }
            None => match opened {
                Ok(()) => self.own(target),
                Err(error) if self.known_provider_at(target).is_some() => Err(error),
                Err(_) => Err(nothing_here(target)),
            },
        }
    }

    /// The only account at the provider whose own the target is.
    fn own(&self, target: &Target) -> Result<Answering, Error> {
        let table = self.table();
        let Some(accounts) = table.own.at(target) else {
            drop(table);
            return Err(self.nobody_at(target));
        };
        let mut answering = accounts.iter().filter_map(|name| table.found(name));
        match (answering.next(), accounts.len()) {
            (Some(found), 1) => Ok(table.answering(found, None, target)),
            _ => Err(self.several(accounts, target)),
        }
    }

    /// Whether the same answers for whatever is asked at its host.
    fn is_whole_host(&self, target: &Target) -> bool {
        let host = target.whole_host();
        let (all, parts) = self.config.targets.at_host(&host);
        !parts && (all || self.table().own.is_whole(&host))
    }

    fn several(&self, accounts: &BTreeSet<AccountName>, target: &Target) -> Error {
        let accounts: Vec<_> = accounts.iter().map(ToString::to_string).collect();
        let (names, url, file) = (accounts.join(", "), shown(target), self.paths.config_file.display());
        let message = format!(
            "there are several accounts at {url} ({names}): say in {file} which one answers, under [targets]: \"{url}\" = \"{}\"",
            accounts[0]
        );
        let mut error = Error::new(ErrorKind::AmbiguousAccount, message);
        error.data.accounts = accounts;
        error
    }

    /// The account that answers for what its provider has there.
    pub(super) fn own_account(&self, target: &Target) -> Result<AccountName, Error> {
        self.own(target).map(|answering| answering.found.account)
    }

    /// Where it is a provider's own, logging in there is all that is missing.
    fn nobody_at(&self, target: &Target) -> Error {
        let Some(provider) = self.known_provider_at(target) else { return nothing_here(target) };
        let url = shown(target);
        let message =
            format!("nobody is signed in at {provider}, to which {url} belongs: run `cred-helper login {provider}`");
        Error::new(ErrorKind::UnknownTarget, message).account(provider)
    }

    /// The provider whose own it is, of those that could have an account, as far as is known without the vault.
    fn known_provider_at(&self, target: &Target) -> Option<String> {
        let known = self.providers.get_or_init(|| {
            let presets = crate::provider::PRESETS.iter().map(|preset| preset.name);
            let configured = self.config.providers.keys().map(String::as_str);
            presets.chain(configured).filter_map(|name| Some((name.to_owned(), self.known_provider(name)?))).collect()
        });
        known.iter().find(|(_, provider)| of_provider(provider, target).is_some()).map(|(name, _)| name.clone())
    }
}

impl Table {
    /// What its provider says of its own host holds whoever names the account.
    fn answering(&self, found: Found, username: Option<String>, target: &Target) -> Answering {
        let account = found.login.or(found.key).and_then(|it| self.get(it));
        let own = account.and_then(|account| of_provider(&account.provider, target));
        let username = username.or_else(|| own.and_then(|own| own.username.clone()));
        Answering { found, username }
    }
}

/// What of the provider's own covers a target most closely.
fn of_provider<'a>(provider: &'a Provider, target: &Target) -> Option<&'a ProviderTarget> {
    let read = provider.targets.iter().filter_map(|own| Some((own.url.as_ref().ok()?, own)));
    let covering = read.filter(|(url, _)| url.covers(target));
    covering.max_by_key(|(url, _)| url.closeness()).map(|(_, own)| own)
}

fn not_both() -> Error {
    Error::new(ErrorKind::InvalidParams, "an account is asked for or a target, not both")
}

pub(super) fn nothing_here(target: &Target) -> Error {
    let message = format!(
        "no account answers for {}: name one under [targets] in the configuration, see cred-helper.toml(5)",
        shown(target)
    );
    Error::new(ErrorKind::UnknownTarget, message)
}

/// A target for people and for the log.
pub(super) fn shown(target: &Target) -> String {
    redact::server_text(&target.origin())
}

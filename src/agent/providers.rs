//! Which provider a person means: a preset, one of the configuration's, one that is signed in to already, or an issuer.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use url::Url;

use super::Agent;
use crate::account::AccountName;
use crate::ipc::message::login::Notice;
use crate::ipc::message::provider::{ProviderSummary, Providers, ShowProvider};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::{PRESETS, Provider, is_secure_url};
use crate::redact;
use crate::vault::record::Record;

/// A provider that a login names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Its name in account names.
    pub(super) name: String,
    pub(super) provider: Arc<Provider>,
    /// Whether it is known by its issuer alone.
    pub(super) by_issuer: bool,
}

impl Agent {
    /// The provider of that name, or of that issuer URL.
    pub(super) fn provider(&self, asked: &str) -> Result<Named, Error> {
        if asked.contains("://") {
            return self.provider_by_issuer(asked);
        }
        if let Some(provider) = self.known_provider(asked) {
            return Ok(Named { name: asked.to_owned(), provider, by_issuer: false });
        }
        // An issuer that was signed in to by URL goes by its short name afterwards.
        let issuer = {
            let table = self.table();
            let mut accounts = table.iter().filter(|account| account.record.by_issuer);
            accounts.find(|account| account.record.account.provider() == asked).and_then(|a| a.record.issuer.clone())
        };
        match issuer {
            Some(issuer) => Ok(by_issuer(asked.to_owned(), &issuer)),
            None => Err(self.unknown_provider(asked)),
        }
    }

    /// A preset or one of the configuration's, which come first.
    pub(super) fn known_provider(&self, name: &str) -> Option<Arc<Provider>> {
        if let Some(provider) = self.config.providers.get(name) {
            return Some(Arc::clone(provider));
        }
        let preset = PRESETS.iter().find(|preset| preset.name == name)?;
        preset.provider().ok().map(Arc::new)
    }

    /// The provider that a stored login belongs to. One that is configured no more is known by what the login kept.
    pub(super) fn provider_of(&self, record: &Record) -> Arc<Provider> {
        let known = if record.by_issuer { None } else { self.known_provider(record.account.provider()) };
        known.unwrap_or_else(|| match &record.issuer {
            Some(issuer) => by_issuer(String::new(), issuer).provider,
            None => Arc::new(Provider::from_issuer(&record.token_endpoint)),
        })
    }

    fn provider_by_issuer(&self, issuer: &str) -> Result<Named, Error> {
        if Url::parse(issuer).is_err() {
            let message = "that is no URL: an issuer looks like https://id.example.com";
            return Err(Error::new(ErrorKind::InvalidParams, message));
        }
        if !is_secure_url(issuer) {
            let message = "an issuer has to be an https URL (http is for 127.0.0.1, [::1] and localhost only)";
            return Err(Error::new(ErrorKind::InvalidParams, message));
        }
        if redact::url(issuer).len() != issuer.len() {
            let message = "an issuer is a URL without user, query and fragment (RFC 8414 section 2)";
            return Err(Error::new(ErrorKind::InvalidParams, message));
        }
        let configured = self.config.providers.iter().find(|(_, provider)| provider.issuer.as_deref() == Some(issuer));
        if let Some((name, provider)) = configured {
            return Ok(Named { name: name.clone(), provider: Arc::clone(provider), by_issuer: false });
        }
        let taken = |name: &str| {
            self.known_provider(name).is_some()
                || self.table().iter().any(|account| {
                    account.record.account.provider() == name && account.record.issuer.as_deref() != Some(issuer)
                })
        };
        Ok(by_issuer(issuer_name(issuer, taken)?, issuer))
    }

    fn unknown_provider(&self, asked: &str) -> Error {
        let own = self.config.providers.keys().map(String::as_str);
        let presets = PRESETS.iter().map(|preset| preset.name);
        let names: Vec<&str> = presets.filter(|name| !self.config.providers.contains_key(*name)).chain(own).collect();
        let hint = match crate::provider::nearest(names.iter().copied(), asked) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}; any OpenID Connect issuer works by its https URL", names.join(", ")),
        };
        Error::new(ErrorKind::UnknownAccount, format!("no provider of that name: {hint}"))
    }

    pub(super) fn list_providers(&self) -> Providers {
        let presets = PRESETS.iter().filter(|preset| !self.config.providers.contains_key(preset.name));
        let presets = presets.filter_map(|preset| Some(summary(preset.name, "preset", &preset.provider().ok()?)));
        let own = self.config.providers.iter().map(|(name, provider)| summary(name, "configuration", provider));
        let mut providers: Vec<_> = presets.chain(own).collect();
        for account in self.table().iter().filter(|account| account.record.by_issuer) {
            let name = account.record.account.provider();
            if providers.iter().all(|provider| provider.name != name) {
                providers.push(summary(name, "login", &account.provider));
            }
        }
        providers.sort_by(|a, b| a.name.cmp(&b.name));
        Providers { providers }
    }

    pub(super) fn show_provider(&self, show: &ShowProvider) -> Result<ProviderSummary, Error> {
        let found = self.list_providers().providers.into_iter().find(|provider| provider.name == show.provider);
        found.ok_or_else(|| self.unknown_provider(&show.provider))
    }
}

fn by_issuer(name: String, issuer: &str) -> Named {
    let mut provider = Provider::from_issuer(issuer);
    // What an OpenID Connect server needs to give an ID token and a refresh token.
    provider.scopes = ["openid", "offline_access", "profile", "email"].map(str::to_owned).to_vec();
    Named { name, provider: Arc::new(provider), by_issuer: true }
}

/// A name for an issuer: its host, with the port if it has one, and the last segment of its path where the host is
/// taken by another issuer.
fn issuer_name(issuer: &str, taken: impl Fn(&str) -> bool) -> Result<String, Error> {
    let odd =
        || Error::new(ErrorKind::InvalidParams, "that issuer makes no account name; give it one in the configuration");
    let url = Url::parse(issuer).map_err(|_| odd())?;
    let host = url.host_str().ok_or_else(odd)?.replace(['[', ']'], "").replace(':', "-");
    let host = host.trim_start_matches('-').to_owned();
    let base = match url.port() {
        Some(port) => format!("{host}-{port}"),
        None => host,
    };
    let last = url.path().rsplit('/').find(|segment| !segment.is_empty());
    let candidates = std::iter::once(base.clone())
        .chain(last.map(|last| format!("{base}-{last}")))
        .chain((2..100).map(|n| format!("{base}-{n}")));
    let mut free = candidates.filter(|name| AccountName::new(name, None).is_ok() && !taken(name));
    free.next().ok_or_else(odd)
}

/// The notice as it goes over the wire; its id changes with its text, so that a changed notice is shown again.
pub(super) fn notice(provider: &Provider) -> Option<Notice> {
    let notice = provider.notice.as_ref()?;
    let mut hash = Sha256::new();
    for part in [&notice.title, &notice.text].into_iter().chain(&notice.url).chain(&notice.alternatives) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let id = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(Notice {
        id,
        title: notice.title.clone(),
        text: notice.text.clone(),
        url: notice.url.clone(),
        alternatives: notice.alternatives.clone(),
    })
}

fn summary(name: &str, origin: &str, provider: &Provider) -> ProviderSummary {
    let discovered = provider.issuer.is_some();
    let code = discovered || provider.authorization_endpoint.is_some();
    let flows = [
        ("browser", code && provider.redirect.loopback),
        ("paste", code && (provider.redirect.loopback || provider.redirect.page.is_some())),
        ("device", discovered || provider.device_authorization_endpoint.is_some()),
    ];
    ProviderSummary {
        name: name.to_owned(),
        title: provider.title.clone(),
        origin: origin.to_owned(),
        issuer: provider.issuer.clone(),
        authorization_endpoint: provider.authorization_endpoint.clone(),
        token_endpoint: provider.token_endpoint.clone(),
        client_id: provider.client.id.clone(),
        scope: provider.scopes.clone(),
        flows: flows.iter().filter(|(_, there)| *there).map(|(flow, _)| (*flow).to_owned()).collect(),
        notice: notice(provider),
        registration: provider.registration.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_named_after_its_host_and_its_path_where_the_host_is_taken() {
        let table = [
            ("https://id.example", &[][..], "id.example"),
            ("https://id.example/realms/work", &[], "id.example"),
            ("https://id.example/realms/work", &["id.example"], "id.example-work"),
            ("https://id.example/", &["id.example"], "id.example-2"),
            ("https://id.example/work", &["id.example", "id.example-work"], "id.example-2"),
            ("http://127.0.0.1:8080", &[], "127.0.0.1-8080"),
            ("http://[::1]:8080", &[], "1-8080"),
        ];
        for (issuer, taken, name) in table {
            assert_eq!(issuer_name(issuer, |name| taken.contains(&name)).unwrap(), name, "{issuer}");
        }
    }

    #[test]
    fn a_notice_that_changes_is_another_notice() {
        let with = |text: &str| {
            let toml = format!("issuer = 'https://a.example'\n[notice]\ntitle = 't'\ntext = '{text}'\n");
            notice(&toml::from_str(&toml).unwrap()).unwrap().id
        };
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
    }
}

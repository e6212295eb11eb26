//! Which provider a person means: a preset, one of the configuration's, one that is signed in to already, or an issuer.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use url::Url;

use super::{Agent, random};
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::ipc::message::login::{Notice, StartLogin};
use crate::ipc::message::provider::{ProviderSummary, ProviderVariables, Providers, ShowProvider};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::{HOST, PRESETS, Preset, Provider, Template, is_secure_url};
use crate::redact;
use crate::token::TokenSet;
use crate::vault::record::Record;

/// A provider that a login names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Its name in account names.
    pub(super) name: String,
    pub(super) provider: Arc<Provider>,
    /// Whether it is known by its issuer alone.
    pub(super) by_issuer: bool,
    /// Its own name, where accounts are named after its host.
    pub(super) provider_name: Option<String>,
    /// What fills its open places instead of its own.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Named {
    /// A new login there, of which nothing more is known than what came; programs may ask for it at once.
    pub(super) fn login(&self, account: AccountName, tokens: TokenSet, now: Timestamp) -> Record {
        Record { used_at: Some(now), ..self.of_it(Record::login(account, random(), tokens, now)) }
    }

    /// A record that finds this provider again.
    pub(super) fn of_it(&self, record: Record) -> Record {
        let (provider, parameters) = (self.provider_name.clone(), self.parameters.clone());
        Record { by_issuer: self.by_issuer, provider, parameters, ..record }
    }
}

impl Agent {
    /// The provider that a login names, by name or by issuer URL, with the login's parameters: those that are given, else
    /// those that the account was made with.
    pub(super) fn named_provider(&self, start: &StartLogin) -> Result<Named, Error> {
        self.check_configuration()?;
        let asked = start.provider.as_str();
        if asked.contains("://") {
            if !start.parameters.is_empty() {
                return Err(Error::new(ErrorKind::InvalidParams, "an issuer's URL takes no parameters"));
            }
            return self.provider_by_issuer(asked);
        }
        let before = self.account_before(asked, start.label.as_deref());
        let Some(template) = self.template(asked) else {
            // What was signed in to by URL or host goes by its short name afterwards.
            let before = before.ok_or_else(|| self.unknown_provider(asked))?;
            if let (true, Some(issuer)) = (before.by_issuer, &before.issuer) {
                return Ok(by_issuer(asked.to_owned(), issuer));
            }
            let name = before.provider_name();
            let template = self.template(name).ok_or_else(|| self.unknown_provider(name))?;
            let mut parameters = before.parameters.clone();
            parameters.extend(start.parameters.clone());
            return self.filled(name.to_owned(), &template, parameters);
        };
        let given = start.parameters.clone();
        let kept = before.filter(|before| given.is_empty() && before.account.label() == start.label.as_deref());
        let parameters = kept.map_or(given, |before| before.parameters.clone());
        self.filled(asked.to_owned(), &template, parameters)
    }

    /// A file that is wrong counts for nothing: whoever signed in meanwhile might do so elsewhere than it says.
    fn check_configuration(&self) -> Result<(), Error> {
        let Some(wrong) = &self.config_error else { return Ok(()) };
        let message = format!("{wrong} (mend it, then run `cred-helper agent stop`)");
        Err(Error::new(ErrorKind::Misconfigured, message))
    }

    /// A login of that provider's name, the one of that label if there is one.
    fn account_before(&self, provider: &str, label: Option<&str>) -> Option<Arc<Record>> {
        let table = self.table();
        let records = table.all().map(|account| &account.record);
        let of_it = records.filter(|record| record.account.provider() == provider);
        of_it.min_by_key(|record| record.account.label() != label).map(Arc::clone)
    }

    /// A template with a login's parameters. Another host than the provider's own gives its name to the account.
    fn filled(
        &self,
        provider_name: String,
        template: &Template,
        parameters: BTreeMap<String, String>,
    ) -> Result<Named, Error> {
        let invalid = |why: String| Error::new(ErrorKind::InvalidParams, format!("{provider_name}: {why}"));
        let own = template.defaults();
        // What the provider says itself is no choice of the login's.
        let parameters: BTreeMap<_, _> =
            parameters.into_iter().filter(|(name, value)| own.get(name) != Some(value)).collect();
        let provider = template.fill(&parameters).map_err(|error| invalid(error.to_string()))?;
        provider.check().map_err(|error| invalid(error.to_string()))?;
        let missing: Vec<&str> = provider.missing_parameters().collect();
        if !missing.is_empty() {
            let message = format!(
                "{provider_name}: it has to be told {}: with --parameter NAME=VALUE, or in [providers.{provider_name}.parameters]",
                missing.join(", ")
            );
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let provider = Arc::new(provider);
        let Some(host) = parameters.get(HOST) else {
            return Ok(Named { name: provider_name, provider, by_issuer: false, provider_name: None, parameters });
        };
        let taken = |name: &str| {
            self.template(name).is_some()
                || self.table().all().any(|account| {
                    let record = &account.record;
                    record.account.provider() == name && record.parameters.get(HOST) != Some(host)
                })
        };
        let name = issuer_name(&format!("https://{host}"), taken)?;
        Ok(Named { name, provider, by_issuer: false, provider_name: Some(provider_name), parameters })
    }

    /// A preset or one of the configuration's, which come first, before its open places are filled.
    fn template(&self, name: &str) -> Option<Arc<Template>> {
        match self.config.templates.get(name) {
            Some(template) => Some(Arc::clone(template)),
            None => Template::of_preset(Preset::named(name)?).ok().map(Arc::new),
        }
    }

    /// The provider of an account, signed in to or not.
    pub(super) fn provider_behind(&self, account: &AccountName) -> Option<Arc<Provider>> {
        if let Ok(signed_in) = self.table().resolve(Some(&account.to_string())) {
            return Some(Arc::clone(&signed_in.provider));
        }
        let template = self.template(account.provider())?;
        template.fill(&BTreeMap::new()).ok().map(Arc::new)
    }

    /// A provider of that name, with its own parameters.
    pub(super) fn known_provider(&self, name: &str) -> Option<Arc<Provider>> {
        match self.config.providers.get(name) {
            Some(provider) => Some(Arc::clone(provider)),
            None => self.template(name)?.fill(&BTreeMap::new()).ok().map(Arc::new),
        }
    }

    /// The provider that a stored login belongs to: by its name and the parameters that the login kept. One that is
    /// configured no more is known by what the login kept besides.
    pub(super) fn provider_of(&self, record: &Record) -> Arc<Provider> {
        let known = if record.by_issuer { None } else { self.template(record.provider_name()) };
        let known = known.and_then(|template| template.fill(&record.parameters).ok()).map(Arc::new);
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
            let (name, provider) = (name.clone(), Arc::clone(provider));
            return Ok(Named { name, provider, by_issuer: false, provider_name: None, parameters: BTreeMap::new() });
        }
        let taken = |name: &str| {
            self.template(name).is_some()
                || self.table().all().any(|account| {
                    account.record.account.provider() == name && account.record.issuer.as_deref() != Some(issuer)
                })
        };
        Ok(by_issuer(issuer_name(issuer, taken)?, issuer))
    }

    pub(super) fn unknown_provider(&self, asked: &str) -> Error {
        let own = self.config.providers.keys().map(String::as_str);
        let presets = PRESETS.iter().map(|preset| preset.name);
        let names: Vec<&str> = presets.filter(|name| !self.config.providers.contains_key(*name)).chain(own).collect();
        let hint = match crate::provider::nearest(names.iter().copied(), asked) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}; any OpenID Connect issuer works by its https URL", names.join(", ")),
        };
        Error::new(ErrorKind::UnknownAccount, format!("no provider of that name: {hint}"))
    }

    pub(super) async fn list_providers(self: &Arc<Self>) -> Providers {
        // Without the vault, those that are known by a login alone are missing.
        let _ = self.ensure_open().await;
        let presets = PRESETS.iter().filter(|preset| !self.config.providers.contains_key(preset.name));
        let presets = presets.filter_map(|preset| Some(summary(preset.name, "preset", &preset.provider().ok()?)));
        let own = self.config.providers.iter().map(|(name, provider)| summary(name, "configuration", provider));
        let mut providers: Vec<_> = presets.chain(own).collect();
        let by_login = |record: &Record| record.by_issuer || record.provider.is_some();
        for account in self.table().all().filter(|account| by_login(&account.record)) {
            let name = account.record.account.provider();
            if providers.iter().all(|provider| provider.name != name) {
                providers.push(summary(name, "login", &account.provider));
            }
        }
        providers.sort_by(|a, b| a.name.cmp(&b.name));
        Providers { providers }
    }

    pub(super) async fn show_provider(self: &Arc<Self>, show: &ShowProvider) -> Result<ProviderSummary, Error> {
        let found = self.list_providers().await.providers.into_iter().find(|provider| provider.name == show.provider);
        found.ok_or_else(|| self.check_configuration().err().unwrap_or_else(|| self.unknown_provider(&show.provider)))
    }
}

fn by_issuer(name: String, issuer: &str) -> Named {
    let mut provider = Provider::from_issuer(issuer);
    // What an OpenID Connect server needs to give an ID token and a refresh token.
    provider.scopes = ["openid", "offline_access", "profile", "email"].map(str::to_owned).to_vec();
    let parameters = BTreeMap::new();
    Named { name, provider: Arc::new(provider), by_issuer: true, provider_name: None, parameters }
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
    let discovered = provider.issuer.is_some() && provider.discovery;
    let code = discovered || provider.authorization_endpoint.is_some();
    let code = code && (!provider.redirect.needs_secret || provider.client.secret.is_some());
    let flows = [
        ("browser", code && provider.redirect.loopback),
        ("paste", code && (provider.redirect.loopback || provider.redirect.page.is_some())),
        ("device", discovered || provider.device_authorization_endpoint.is_some()),
        ("api_key", provider.takes_api_keys()),
    ];
    let person = provider.grant.needs_person();
    let flows = flows.into_iter().map(|(flow, there)| (flow, there && person));
    let flows = flows.chain([(provider.grant.name(), !person)]);
    ProviderSummary {
        name: name.to_owned(),
        title: provider.title.clone(),
        origin: origin.to_owned(),
        preset: provider.preset.clone(),
        parameters: provider.parameters.clone(),
        issuer: provider.issuer.clone(),
        authorization_endpoint: provider.authorization_endpoint.clone(),
        token_endpoint: provider.token_endpoint.clone(),
        client_id: provider.client.id.clone(),
        needs_client: provider.has_login() && provider.client.id.is_none() && provider.needs_client(),
        scope: provider.scopes.clone(),
        flows: flows.filter(|(_, there)| *there).map(|(flow, _)| flow.to_owned()).collect(),
        notice: notice(provider),
        registration: provider.registration.clone(),
        variables: ProviderVariables {
            oauth_token: provider.variables.oauth_token.clone(),
            api_key: provider.variables.api_key.clone(),
            expires_at: provider.variables.expires_at.clone(),
            refresh_token: provider.variables.refresh_token.clone(),
        },
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

//! Files that people and other programs write.

use super::quotes_nothing;
use crate::cli::project;
use crate::config::{Config, UnitCredential};
use crate::expiry;
use crate::import::{Document, Pointers};
use crate::ipc::message::import::ImportFormat;
use crate::ipc::owner;
use crate::oauth::proxy::Proxy;
use crate::provider::target::Target;
use crate::provider::{Provider, Template};

/// What is taken can be used: every address of it is https or this machine's.
pub(super) fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Config::parse(text, "config.toml") {
        Ok(config) => config.providers.values().for_each(|provider| provider.check().expect("was checked")),
        Err(error) => quotes_nothing(error),
    }
}

/// Whatever is taken, what is shown of it is the same proxy without name and password.
pub(super) fn proxies(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Proxy::parse(text, "HTTPS_PROXY") {
        Ok(proxy) => {
            let bare = Proxy::parse(proxy.address(), "HTTPS_PROXY").expect("an address is a URL");
            assert!(!bare.has_credentials() && bare.address() == proxy.address());
            assert!(!proxy.address().contains(['@', '?', '#']) && !proxy.address().contains(char::is_control));
        }
        Err(error) => quotes_nothing(error),
    }
}

/// What is taken of an address of systemd's can be shown on one line, and is all that the address says.
pub(super) fn unit_addresses(input: &[u8]) {
    let Some(UnitCredential { unit, credential }) = UnitCredential::parse(input) else { return };
    assert!(!unit.contains(['/', ' ']) && !credential.contains(['/', ' ', ':']));
    assert!(!unit.contains(char::is_control) && !credential.contains(char::is_control));
    assert!(input.ends_with(format!("/unit/{unit}/{credential}").as_bytes()));
}

/// A rule and a request in two lines: one is for the other only if scheme, host and port are the same to a browser.
pub(super) fn targets(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (rule, asked) = text.split_once('\n').unwrap_or((&text, ""));
    let (rule, asked) = match (rule.parse::<Target>(), Target::of_request(asked)) {
        (Ok(rule), Ok(asked)) => (rule, asked),
        (Err(error), _) | (_, Err(error)) => return quotes_nothing(error),
    };
    assert!(rule.covers(&rule) && asked.covers(&asked));
    let origin = |target: &Target| target.origin().parse::<Target>();
    assert!(!rule.covers(&asked) || origin(&rule) == origin(&asked));
    assert_eq!(asked.closest(|wider| (*wider == rule).then_some(())).is_some(), rule.covers(&asked));
    assert!(!(rule.covers(&asked) && asked.covers(&rule)) || rule.closeness() == asked.closeness());
}

pub(super) fn presets(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(Err(error)) = toml::from_str(text).map(|provider: Provider| provider.check()) {
        quotes_nothing(error);
    }
    // The first line fills the places of the rest: whatever is taken, no URL with another path or user comes of it.
    let (value, template) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(table) = toml::from_str::<toml::Table>(template) {
        match Template::configured("anthropic", table) {
            Ok(template) => match template.fill(&[("host".to_owned(), value.to_owned())].into()) {
                Ok(provider) => drop(provider.check().map_err(quotes_nothing)),
                Err(error) => quotes_nothing(error),
            },
            Err(error) => quotes_nothing(error),
        }
    }
    let provider = Provider::from_issuer(text);
    assert_eq!(provider.issuer.as_deref(), Some(text));
}

pub(super) fn imports_json(input: &[u8]) {
    imports(input, ImportFormat::Json);
}

pub(super) fn imports_toml(input: &[u8]) {
    imports(input, ImportFormat::Toml);
}

pub(super) fn imports_yaml(input: &[u8]) {
    imports(input, ImportFormat::Yaml);
}

/// Whatever is taken, a header can carry, and a time is one.
fn imports(input: &[u8], format: ImportFormat) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let document = match Document::parse(text, format) {
        Ok(document) => document,
        Err(error) => return quotes_nothing(error),
    };
    let found = match Pointers::usual(&document).and_then(|pointers| pointers.read(&document)) {
        Ok(found) => found,
        Err(error) => return quotes_nothing(error),
    };
    let tokens = [found.access_token.as_ref(), found.refresh_token.as_ref(), found.client_secret.as_ref()];
    assert!(found.access_token.is_some() || found.refresh_token.is_some());
    for token in tokens.into_iter().flatten() {
        let token = token.expose();
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    assert!(found.expires_at.is_none_or(|at| at.0 > 0));
    assert!(found.scope.is_sorted() && found.scope.iter().all(|scope| !scope.contains(char::is_whitespace)));
}

/// One key and no other.
pub(super) fn project_files(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(account) = project::parse(text) {
        let table: toml::Table = toml::from_str(text).expect("it was read");
        assert_eq!((table.len(), table["account"].as_str()), (1, Some(account.as_str())));
    }
}

/// Written and read again it is the same.
pub(super) fn owners(input: &[u8]) {
    if let Some(owner) = owner::parse(input) {
        let written = serde_json::to_vec(&owner).expect("JSON");
        assert_eq!(owner::parse(&written), Some(owner));
    }
}

/// A moment that was read is one that a clock can say, whatever stands around it.
pub(super) fn expiries(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let end = expiry::parse(text);
    assert_eq!(expiry::parse(&format!(" {text}\n")), end);
    // What is no number may say any moment; as a number it says the same one, unless that would be milliseconds.
    if let Some(end) = end.filter(|end| (0..100_000_000_000).contains(&end.0)) {
        assert_eq!(expiry::parse(&end.0.to_string()), Some(end));
    }
}

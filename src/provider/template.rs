//! A provider's text with open places: a preset, or a table of the configuration laid over one, field by field.
//!
//! `{host}` in a URL is filled from `parameters`. A value is a host name or a plain word: it may say which server or
//! tenant is meant, and never change what the URL says besides.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::schema::Provider;
use super::{PRESETS, Preset, derived};
use crate::secret::Secret;

/// The longest value: a host name's length.
const MAX_VALUE: usize = 253;
/// What identifies the client is its owner's own, braces and all.
const NOT_FILLED: [&str; 3] = ["client", "parameters", "derived"];
/// The parameter that names a server.
pub const HOST: &str = "host";

/// A provider before its open places are filled.
pub struct Template {
    table: Table,
    secret: Option<Secret>,
}

/// It may hold what its owner wrote: only its names are shown.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table.keys()).finish()
    }
}

/// Why there is no provider. Values are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `preset` names none.
    #[error("`preset` names none that there is; {0}")]
    UnknownPreset(String),
    /// A parameter that the text has no place for.
    #[error("it has no parameter `{name}`; {known}")]
    UnknownParameter {
        /// Its name.
        name: String,
        /// Those that there are, for people.
        known: String,
    },
    /// A value that would change more than its place.
    #[error("the parameter `{0}` {1}")]
    Value(String, &'static str),
    /// What the presets and the configuration have tests and lines for.
    #[error("it does not fit over its preset")]
    Unfit,
}

impl Template {
    /// A preset.
    pub fn of_preset(preset: &Preset) -> Result<Self, TemplateError> {
        Self::new(toml::from_str(preset.text).map_err(|_| TemplateError::Unfit)?)
    }

    /// A table of the configuration. It completes the preset that it names, or that has its own name if it names no
    /// server; otherwise it stands for itself.
    pub fn configured(name: &str, mut table: Table) -> Result<Self, TemplateError> {
        let names_server = ["issuer", "token_endpoint", "authorization_endpoint", "device_authorization_endpoint"];
        if !table.contains_key("preset")
            && !names_server.iter().any(|key| table.contains_key(*key))
            && Preset::named(name).is_some()
        {
            table.insert("preset".to_owned(), Value::String(name.to_owned()));
        }
        Self::new(table)
    }

    fn new(table: Table) -> Result<Self, TemplateError> {
        let mut table = match table.get("preset") {
            None => table,
            Some(Value::String(name)) => {
                let preset = Preset::named(name).ok_or_else(|| TemplateError::UnknownPreset(known_presets(name)))?;
                let mut below = Self::of_preset(preset)?.table;
                lay_over(&mut below, table);
                below
            }
            Some(_) => return Err(TemplateError::Unfit),
        };
        let secret = match table.get_mut("client").and_then(Value::as_table_mut).and_then(|c| c.remove("secret")) {
            Some(Value::String(secret)) => Some(Secret::from(secret)),
            _ => None,
        };
        Ok(Self { table, secret })
    }

    /// The parameters and what stands for them unless something else is given; empty: it has to be given.
    pub fn defaults(&self) -> BTreeMap<String, String> {
        let parameters = self.table.get("parameters").and_then(Value::as_table);
        let texts = parameters.into_iter().flatten();
        texts.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }

    /// The provider with its places filled: by what is given, else by its own.
    pub fn fill(&self, given: &BTreeMap<String, String>) -> Result<Provider, TemplateError> {
        let mut parameters = self.defaults();
        if let Some(name) = parameters.keys().find(|name| !has_place(&self.table, name)) {
            let places = parameters.keys().filter(|name| has_place(&self.table, name));
            return Err(TemplateError::UnknownParameter { name: name.clone(), known: known_parameters(places) });
        }
        for (name, value) in given {
            let Some(place) = parameters.get_mut(name) else {
                let known = known_parameters(parameters.keys());
                return Err(TemplateError::UnknownParameter { name: crate::redact::server_text(name), known });
            };
            place.clone_from(value);
        }
        for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
            let checked = if name == HOST { check_host(value) } else { check_word(value) };
            checked.map_err(|what| TemplateError::Value(name.clone(), what))?;
        }
        let mut table = self.table.clone();
        let mut places = derived::values(&table, &parameters).ok_or(TemplateError::Unfit)?;
        places.extend(parameters.clone());
        for (key, value) in &mut table {
            if !NOT_FILLED.contains(&key.as_str()) {
                fill_in(value, &places);
            }
        }
        let filled = parameters.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        table.insert("parameters".to_owned(), Value::Table(filled));
        let mut provider = Provider::deserialize(Value::Table(table)).map_err(|_| TemplateError::Unfit)?;
        provider.client.secret = self.secret.as_ref().map(Secret::duplicate);
        Ok(provider)
    }
}

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The preset with nothing given.
    pub fn provider(&self) -> Result<Provider, TemplateError> {
        Template::of_preset(self)?.fill(&BTreeMap::new())
    }
}

/// Tables are merged; of everything else the upper one counts.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn has_place(table: &Table, parameter: &str) -> bool {
    let place = format!("{{{parameter}}}");
    fn holds(value: &Value, place: &str) -> bool {
        match value {
            Value::String(text) => text.contains(place),
            Value::Array(list) => list.iter().any(|value| holds(value, place)),
            Value::Table(table) => table.values().any(|value| holds(value, place)),
            _ => false,
        }
    }
    table.iter().any(|(key, value)| !NOT_FILLED.contains(&key.as_str()) && holds(value, &place))
}

fn fill_in(value: &mut Value, places: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains('{') => {
            for (name, filling) in places {
                *text = text.replace(&format!("{{{name}}}"), filling);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| fill_in(value, places)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| fill_in(value, places)),
        _ => {}
    }
}

/// A host name or address, with or without a port, and nothing that a URL takes for something else.
fn check_host(value: &str) -> Result<(), &'static str> {
    let whole = || {
        let url = url::Url::parse(&format!("https://{value}/")).ok()?;
        let host = url.host_str()?.to_owned();
        let same = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        (value.len() <= MAX_VALUE && same == value.to_ascii_lowercase()).then_some(())
    };
    whole().ok_or("is a host such as git.example.com or git.example.com:8443")
}

/// One segment of a path that no URL reads as anything else.
fn check_word(value: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = value.len() <= MAX_VALUE && !value.starts_with(['.', '-']) && value.bytes().all(plain);
    if fits { Ok(()) } else { Err("has letters, digits and . _ - only, and does not start with . or -") }
}

fn known_presets(asked: &str) -> String {
    let names = PRESETS.iter().map(|preset| preset.name);
    match super::nearest(names.clone(), asked) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn known_parameters<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) }
}

#[cfg(test)]
mod tests;

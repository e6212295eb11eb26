//! The configuration as written: TOML, where a key that isn't known is an error with the line and the nearest key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{
    AccountSettings, AuditSettings, AutoLock, Config, ConfigError, HttpSettings, NetworkSettings, NotificationSettings,
    SystemdSettings, Targets, place,
};
use crate::provider::Provider;
use crate::provider::schema;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, deserialize_with = "super::audit::absolute")]
    ca_file: Option<PathBuf>,
    #[serde(default = "one_minute", deserialize_with = "schema::duration")]
    http_timeout: Duration,
    #[serde(default)]
    hide_memory_key: Option<bool>,
    #[serde(default = "info")]
    log: Level,
    #[serde(default)]
    audit: AuditSettings,
    #[serde(default)]
    http: HttpSettings,
    #[serde(default)]
    notifications: NotificationSettings,
    #[serde(default)]
    network: NetworkSettings,
    #[serde(default)]
    systemd: SystemdSettings,
    #[serde(default)]
    targets: Targets,
    #[serde(default)]
    vault: VaultTable,
    #[serde(default)]
    accounts: BTreeMap<String, AccountSettings>,
    #[serde(default, deserialize_with = "super::audit::absolute")]
    pinentry: Option<PathBuf>,
    #[serde(default)]
    providers: BTreeMap<String, Provider>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultTable {
    #[serde(default, deserialize_with = "idle_time")]
    lock_after_idle: Option<Duration>,
    #[serde(default)]
    lock_on_suspend: bool,
    #[serde(default)]
    lock_on_screen_lock: bool,
}

/// An idle time that has passed already would lock everybody out for good.
fn idle_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let idle = schema::duration(deserializer)?;
    if idle < Duration::from_secs(1) {
        return Err(D::Error::custom("a second is the least; without this key the vault stays open"));
    }
    Ok(Some(idle))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn info() -> Level {
    Level::Info
}

impl Default for File {
    fn default() -> Self {
        Self {
            ca_file: None,
            http_timeout: one_minute(),
            hide_memory_key: None,
            log: info(),
            audit: AuditSettings::default(),
            http: HttpSettings::default(),
            notifications: NotificationSettings::default(),
            network: NetworkSettings::default(),
            systemd: SystemdSettings::default(),
            targets: Targets::default(),
            vault: VaultTable::default(),
            accounts: BTreeMap::new(),
            pinentry: None,
            providers: BTreeMap::new(),
        }
    }
}

impl From<File> for Config {
    fn from(file: File) -> Self {
        let File {
            ca_file,
            http_timeout,
            hide_memory_key,
            log,
            audit,
            http,
            notifications,
            network,
            systemd,
            targets,
            vault,
            accounts,
            pinentry,
            providers,
        } = file;
        let VaultTable { lock_after_idle, lock_on_suspend, lock_on_screen_lock } = vault;
        let log = match log {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        // They were read for the sake of a mistake's line; what counts is laid over its preset first.
        drop(providers);
        let auto_lock =
            AutoLock { after_idle: lock_after_idle, on_suspend: lock_on_suspend, on_screen_lock: lock_on_screen_lock };
        Self {
            ca_file,
            http_timeout,
            hide_memory_key,
            log: log.to_owned(),
            audit,
            http,
            notifications,
            network,
            systemd,
            targets,
            auto_lock,
            accounts,
            rules_unread: false,
            pinentry,
            providers: BTreeMap::new(),
            templates: BTreeMap::new(),
        }
    }
}

/// The tables of providers as they were written, in a text that [`File::parse`] takes.
pub(super) fn providers(text: &str) -> Vec<(String, toml::Table)> {
    let mut file: toml::Table = toml::from_str(text).unwrap_or_default();
    let Some(toml::Value::Table(providers)) = file.remove("providers") else { return Vec::new() };
    let tables = providers.into_iter().map(|(name, table)| match table {
        toml::Value::Table(table) => Some((name, table)),
        _ => None,
    });
    tables.flatten().collect()
}

impl File {
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let message = explain(error.message());
            // An unknown key is named already, and has no value that counts.
            let key = if message.starts_with("unknown key") { None } else { place::key_at(text, &span) };
            let message = key.map_or_else(|| message.clone(), |key| format!("`{key}`: {message}"));
            ConfigError::Wrong { file: file.to_owned(), line: place::line(text, span.start), message }
        })
    }
}

/// The parser's message, with advice for a mistyped key and without the values it quotes.
fn explain(message: &str) -> String {
    let named: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (unknown, keys) = named.split_first().map_or(("", [].as_slice()), |(first, rest)| (*first, rest));
        let nearest = keys.iter().max_by(|a, b| similarity(a, unknown).total_cmp(&similarity(b, unknown)));
        let unknown_shown = crate::redact::server_text(unknown);
        return match nearest {
            Some(key) if similarity(key, unknown) > 0.8 => {
                format!("unknown key `{unknown_shown}`; did you mean `{key}`?")
            }
            _ => format!("unknown key `{unknown_shown}`; the keys here are {}", keys.join(", ")),
        };
    }
    if message.starts_with("unknown variant") {
        let choices = named.get(1..).unwrap_or_default().join(", ");
        return format!("the value here has to be one of {choices}");
    }
    // `invalid type: string "…", expected u16`: what was expected is ours to say, what was found is not.
    match message.split_once("expected ") {
        Some((_, expected)) if message.starts_with("invalid") => format!("expected {expected} here"),
        _ if message.contains(['"', '\'']) => "this is not valid TOML".to_owned(),
        _ => message.lines().next().unwrap_or_default().to_owned(),
    }
}

fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}

//! The configuration as used: read once when the agent starts, checked as a whole, with errors that name line and key.
//!
//! The file need not exist. What may stand in it is in `file.rs`, and for people in cred-helper.toml(5).

mod accounts;
mod audit;
mod file;
mod http;
mod network;
mod notifications;
mod place;
mod systemd;
mod targets;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::account::AccountName;
use crate::provider::{Provider, Template};

pub use accounts::{Access, AccountSettings, RateLimit, Source};
pub use audit::AuditSettings;
pub use http::HttpSettings;
pub use network::NetworkSettings;
pub use notifications::NotificationSettings;
pub use systemd::{SystemdSettings, UnitCredential};
pub use targets::{Rule, TargetAccount, Targets};

/// The agent's configuration.
#[derive(Debug)]
pub struct Config {
    /// A file of certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one exchange with a server may take.
    pub http_timeout: Duration,
    /// Whether the key to the tokens in memory is hidden from root; `None`: where that doesn't cost hibernation.
    pub hide_memory_key: Option<bool>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`.
    pub log: String,
    /// The log of requests.
    pub audit: AuditSettings,
    /// The HTTP door.
    pub http: HttpSettings,
    /// What a person hears of without asking.
    pub notifications: NotificationSettings,
    /// The way to the servers.
    pub network: NetworkSettings,
    /// The tokens that systemd's units load.
    pub systemd: SystemdSettings,
    /// Which account answers for which URL.
    pub targets: Targets,
    /// When the vault locks itself.
    pub auto_lock: AutoLock,
    /// Who may have which account's tokens: tables by account, provider or `*`.
    pub accounts: BTreeMap<String, AccountSettings>,
    /// The file is wrong and may have had such tables: until it is mended nobody knows who may have what.
    pub rules_unread: bool,
    /// The program that asks a person; without it, pinentry in its usual places.
    pub pinentry: Option<PathBuf>,
    /// The user's own providers, by name.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// The same before their open places are filled, for a login that gives its own parameters.
    pub templates: BTreeMap<String, Arc<Template>>,
}

/// When the vault locks itself; by default never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AutoLock {
    /// After so much time in which nobody used a login.
    pub after_idle: Option<Duration>,
    /// Before the machine sleeps.
    pub on_suspend: bool,
    /// When the person's screen is locked.
    pub on_screen_lock: bool,
}

impl Default for Config {
    fn default() -> Self {
        file::File::default().into()
    }
}

/// What is wrong with a configuration file. The message never quotes a value: it may be a client secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is there but can't be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's reason.
        reason: io::ErrorKind,
    },
    /// It isn't TOML, or not ours.
    #[error("{file}:{line}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A table of rules for what can't be an account.
    #[error("{file}:{line}: [accounts.\"{account}\"]: {message}")]
    Account {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The table's name.
        account: String,
        /// What is wrong with it.
        message: String,
    },
    /// A provider that can't work.
    #[error("{file}:{line}: provider `{provider}`: {message}")]
    Provider {
        /// The file.
        file: String,
        /// The line of the key that the message begins with, else of the provider's table; from 1.
        line: usize,
        /// The provider's name.
        provider: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Config {
    /// Reads a file; one that doesn't exist is an empty one.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string())?.with_its_files(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Unreadable { file: path.display().to_string(), reason: error.kind() }),
        }
    }

    /// What it names has to be there.
    fn with_its_files(self, text: &str, path: &Path) -> Result<Self, ConfigError> {
        match self.ca_file.as_deref().map(std::fs::metadata) {
            Some(Err(error)) => Err(ConfigError::Wrong {
                file: path.display().to_string(),
                line: place::line_of(text, &["ca_file"]),
                message: format!("`ca_file`: the file cannot be read: {}", error.kind()),
            }),
            None | Some(Ok(_)) => Ok(self),
        }
    }

    /// The defaults, for a file that is wrong: a mistake keeps nobody from the logins there are, unless it stands beside rules
    /// that say who may have them.
    pub fn without(path: &Path) -> Self {
        let rules_unread = std::fs::read(path).map_or(true, |text| String::from_utf8_lossy(&text).contains("accounts"));
        Self { rules_unread, ..Self::default() }
    }

    /// The rules for an account, if there are any.
    pub fn access(&self, account: &AccountName) -> Option<Access<'_>> {
        accounts::access(&self.accounts, account)
    }

    /// What may answer for an account, best first, and whether a table of that very name says so.
    pub fn sources(&self, account: &AccountName) -> (&[Source], bool) {
        accounts::sources_of(&self.accounts, account)
    }

    /// Parses a text; `file` is its name in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut config: Self = file::File::parse(text, file)?.into();
        for name in config.accounts.keys().filter(|name| *name != accounts::EVERY) {
            name.parse::<AccountName>().map_err(|error| ConfigError::Account {
                file: file.to_owned(),
                line: place::line_of(text, &["accounts", name.as_str()]),
                account: crate::redact::server_text(name),
                message: error.to_string(),
            })?;
        }
        for (name, table) in file::providers(text) {
            let wrong = |message: String| ConfigError::Provider {
                file: file.to_owned(),
                line: line_in_provider(text, &name, &message),
                provider: crate::redact::server_text(&name),
                message,
            };
            AccountName::new(&name, None).map_err(|error| wrong(error.to_string()))?;
            let template = Template::configured(&name, table).map_err(|error| wrong(error.to_string()))?;
            let provider = template.fill(&BTreeMap::new()).map_err(|error| wrong(error.to_string()))?;
            provider.check().map_err(|error| wrong(error.to_string()))?;
            config.providers.insert(name.clone(), Arc::new(provider));
            config.templates.insert(name, Arc::new(template));
        }
        Ok(config)
    }
}

/// The line of the key that a message about a provider begins with, else of its table.
fn line_in_provider(text: &str, provider: &str, message: &str) -> usize {
    let named = message.strip_prefix('`').and_then(|rest| rest.split(['`', ' ']).next()).unwrap_or_default();
    let path: Vec<&str> = ["providers", provider].into_iter().chain(named.split('.')).collect();
    place::line_of(text, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, "config.toml").expect_err("refused").to_string()
    }

    #[test]
    fn a_file_that_is_not_there_is_an_empty_one() {
        let config = Config::load(Path::new("/nonexistent/config.toml")).expect("defaults");
        assert_eq!(config.http_timeout, Duration::from_secs(60));
        assert!(config.providers.is_empty());
    }

    #[test]
    fn a_file_of_certificates_that_is_not_there_is_a_mistake() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, ca) = (directory.path().join("config.toml"), directory.path().join("ca.pem"));
        std::fs::write(&file, format!("log = 'info'\nca_file = '{}'\n", ca.display())).expect("written");
        let missing = Config::load(&file).expect_err("missing").to_string();
        assert!(missing.ends_with("config.toml:2: `ca_file`: the file cannot be read: entity not found"), "{missing}");
        std::fs::write(&ca, "").expect("written");
        assert_eq!(Config::load(&file).expect("there").ca_file, Some(ca));
        let relative = error("ca_file = 'ca.pem'\n");
        assert_eq!(relative, "config.toml:1: `ca_file`: an absolute path is needed here");
    }

    #[test]
    fn a_provider_of_the_users_own_has_the_presets_schema() {
        let text = "http_timeout = '20s'\n[providers.work]\nissuer = 'https://id.example'\nclient.id = 'abc'\n";
        let config = Config::parse(text, "config.toml").expect("parses");
        assert_eq!(config.http_timeout, Duration::from_secs(20));
        assert_eq!(config.providers["work"].client.id.as_deref(), Some("abc"));
    }

    #[test]
    fn the_vault_locks_itself_only_if_that_is_wished() {
        let config = Config::parse("", "config.toml").expect("parses");
        assert_eq!(config.auto_lock, AutoLock::default());
        let text = "[vault]\nlock_after_idle = '30m'\nlock_on_suspend = true\nlock_on_screen_lock = true\n";
        let wished = Config::parse(text, "config.toml").expect("parses").auto_lock;
        let idle = Some(Duration::from_secs(1800));
        assert_eq!(wished, AutoLock { after_idle: idle, on_suspend: true, on_screen_lock: true });
        let never = error("[vault]\nlock_after_idle = '0s'\n");
        assert!(never.starts_with("config.toml:2: `lock_after_idle`: a second is the least"), "{never}");
        let mistyped = error("[vault]\nlock_on_sleep = true\n");
        assert!(mistyped.contains("config.toml:2: unknown key `lock_on_sleep`"), "{mistyped}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_key() {
        let found = error("# a\n[providers.work]\nisuer = 'https://id.example'\n");
        assert_eq!(found, "config.toml:3: unknown key `isuer`; did you mean `issuer`?");
        let found = error("[providers.work]\nissuer = 'https://id.example'\nxyzzy = 1\n");
        assert!(found.starts_with("config.toml:3: unknown key `xyzzy`; the keys here are"), "{found}");
    }

    #[test]
    fn a_wrong_value_is_not_quoted() {
        let found = error(
            "[providers.work]\nissuer = 'https://id.example'\nclient.id = 'a'\nclient.authentication = 'hunter2'\n",
        );
        assert!(found.starts_with("config.toml:4: `authentication`: ") && !found.contains("hunter2"), "{found}");
        let found = error("[providers.work\nissuer = 'hunter2'\n");
        assert!(found.starts_with("config.toml:1: ") && !found.contains("hunter2"), "{found}");
        let found = error("http_timeout = 'hunter2'\n");
        assert!(found.starts_with("config.toml:1: `http_timeout`: ") && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn rules_that_cannot_be_read_are_named_and_not_forgotten() {
        let found = error("[accounts.work]\nallow = ['git']\n");
        assert!(found.starts_with("config.toml:2: `allow`: absolute paths"), "{found}");
        let found = error("[accounts.work]\nrate_limit = 'often'\n");
        assert!(found.starts_with("config.toml:2: `rate_limit`: a limit such as"), "{found}");
        let found = error("[accounts.work]\nalow = []\n");
        assert_eq!(found, "config.toml:2: unknown key `alow`; did you mean `allow`?");
        assert!(error("\n[accounts.'a b']\n").starts_with("config.toml:2: [accounts.\"a b\"]"));
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.toml");
        for (text, unread) in [("[accounts.work]\nalow = []\n", true), ("http_timeout = 1\n", false)] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(Config::without(&file).rules_unread, unread, "{text}");
        }
    }

    #[test]
    fn a_provider_completes_a_preset() {
        let text = "[providers.work]\npreset = 'anthropic'\nclient.id = 'mine'\n[providers.anthropic]\ntitle = 'A'\n";
        let config = Config::parse(text, "config.toml").expect("parses");
        let (work, own) = (&config.providers["work"], &config.providers["anthropic"]);
        assert_eq!((work.client.id.as_deref(), own.title.as_str()), (Some("mine"), "A"));
        assert!(own.token_endpoint.is_some() && work.token_endpoint == own.token_endpoint);
        let found = error("[providers.work]\npreset = 'antropic'\n");
        assert!(
            found == "config.toml:2: provider `work`: `preset` names none that there is; did you mean `anthropic`?",
            "{found}"
        );
        let found = error("[providers.work]\npreset = 'anthropic'\nparameters.host = 'hunter2'\n");
        assert!(!found.contains("hunter2"), "{found}");
        let found = error("[providers.work]\npreset = 'anthropic'\nclient = 'hunter2'\n");
        assert!(found.starts_with("config.toml:3: `client`: ") && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn a_provider_that_cannot_work_is_refused() {
        let found = error("[providers.work]\nissuer = 'http://id.example'\n");
        assert!(found.starts_with("config.toml:2: provider `work`: `issuer` has to be an https URL"), "{found}");
        let step = "\n[providers.work.second_step]\ntoken = '/t'\nurl = 'http://id.example'\n";
        let found = error(&format!("[providers.work]\nissuer = 'https://id.example'\n{step}"));
        assert!(found.starts_with("config.toml:6: provider `work`: `second_step.url` has to be"), "{found}");
        let found = error("\n[providers.work]\ntitle = 'Work'\n");
        assert!(found.starts_with("config.toml:2: provider `work`: a provider needs `issuer`"), "{found}");
        let found = error("[providers.'wo rk']\nissuer = 'https://id.example'\n");
        assert!(found.contains("letters, digits"), "{found}");
    }
}

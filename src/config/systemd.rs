//! `[systemd]`: the tokens that systemd's units load as credentials (systemd.exec(5), LoadCredential=). Off unless it is wished
//! for.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::account::AccountName;

/// The socket for units, and whose token each credential is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemdSettings {
    /// Whether there is one.
    #[serde(default)]
    pub enabled: bool,
    /// Whether units of the system manager, which is root, may ask as the user's own may.
    #[serde(default)]
    pub system_units: bool,
    /// `CREDENTIAL`, or `UNIT/CREDENTIAL` for one unit, and the account whose token it is.
    #[serde(default, deserialize_with = "credentials")]
    pub credentials: BTreeMap<String, AccountName>,
}

impl SystemdSettings {
    /// Whose token a unit's credential is; what is said of that very unit comes first.
    pub fn account(&self, wanted: &UnitCredential<'_>) -> Option<&AccountName> {
        let UnitCredential { unit, credential } = wanted;
        self.credentials.get(&format!("{unit}/{credential}")).or_else(|| self.credentials.get(*credential))
    }
}

/// What a unit loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitCredential<'a> {
    /// The unit's whole name.
    pub unit: &'a str,
    /// The credential's.
    pub credential: &'a str,
}

impl<'a> UnitCredential<'a> {
    /// From the abstract address that systemd asks from: hexadecimal digits, `/unit/`, the unit, `/`, the credential.
    pub fn parse(address: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(address).ok()?.split('/');
        let (random, word, unit, credential) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_address = !random.is_empty() && random.bytes().all(|b| b.is_ascii_hexdigit());
        let fits = is_address && word == "unit" && is_unit(unit) && is_credential(credential);
        (fits && parts.next().is_none()).then_some(Self { unit, credential })
    }
}

/// The name of a credential, as systemd wants it.
fn is_credential(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && !"/:".contains(c);
    (1..256).contains(&name.len()) && name.chars().all(fits) && ![".", ".."].contains(&name)
}

/// The whole name of a unit (systemd.unit(5)).
fn is_unit(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let parts = name.rsplit_once('.');
    name.len() < 256 && name.chars().all(fits) && parts.is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty())
}

fn credentials<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, AccountName>, D::Error> {
    let written = BTreeMap::<String, String>::deserialize(deserializer)?;
    let read = written.into_iter().map(|(name, account)| {
        let is_name = match name.split_once('/') {
            Some((unit, credential)) => is_unit(unit) && is_credential(credential),
            None => is_credential(&name),
        };
        if !is_name {
            return Err(D::Error::custom("a credential is named here as in LoadCredential=, or UNIT/CREDENTIAL"));
        }
        Ok((name, account.parse().map_err(D::Error::custom)?))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(lines: &str) -> Result<SystemdSettings, String> {
        Config::parse(lines, "config.toml").map(|config| config.systemd).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_of_the_unit_itself_comes_first() {
        let settings = parse(
            "[systemd]\nenabled = true\n[systemd.credentials]\ntoken = 'forge'\n'backup@1.service/token' = 'forge/backup'\n",
        )
        .expect("settings");
        let account =
            |unit, credential| settings.account(&UnitCredential { unit, credential }).map(ToString::to_string);
        assert_eq!(account("web.service", "token").as_deref(), Some("forge"));
        assert_eq!(account("backup@1.service", "token").as_deref(), Some("forge/backup"));
        assert_eq!(account("backup@1.service", "tokens"), None);
        assert!(settings.enabled && !settings.system_units);
        assert_eq!(parse(""), Ok(SystemdSettings::default()));
    }

    #[test]
    fn an_address_of_systemds_says_unit_and_credential_and_no_other_says_anything() {
        let wanted = |unit, credential| Some(UnitCredential { unit, credential });
        for (address, expected) in [
            (&b"39d9dded4ad0e8ea/unit/run-u0.service/token"[..], wanted("run-u0.service", "token")),
            (b"2a/unit/a@b\\x2d.service/x.y", wanted("a@b\\x2d.service", "x.y")),
            (b"", None),
            (b"39d9dded4ad0e8ea", None),
            (b"39d9/unit/run-u0.service", None),
            (b"39d9/unit/run-u0.service/", None),
            (b"39d9/unit/run-u0.service/a/b", None),
            (b"39d9/slice/run-u0.service/a", None),
            (b"xyz/unit/run-u0.service/a", None),
            (b"/unit/run-u0.service/a", None),
            (b"39d9/unit/no-kind/a", None),
            (b"39d9/unit/run-u0.service/a b", None),
            (b"39d9/unit/run-u0.service/a\xff", None),
        ] {
            assert_eq!(UnitCredential::parse(address), expected, "{}", String::from_utf8_lossy(address));
        }
    }

    #[test]
    fn what_is_no_name_is_refused_and_not_quoted() {
        for (line, said) in [
            ("'a/b/c' = 'forge'", "a credential is named here as in LoadCredential="),
            ("'hunter2:' = 'forge'", "a credential is named here as in LoadCredential="),
            ("'' = 'forge'", "a credential is named here as in LoadCredential="),
            ("'../x' = 'forge'", "a credential is named here as in LoadCredential="),
            ("'service/x' = 'forge'", "a credential is named here as in LoadCredential="),
            ("token = 'hunter2 '", "an account name has letters"),
        ] {
            let error = parse(&format!("[systemd.credentials]\n{line}\n")).expect_err(line);
            assert!(error.starts_with("config.toml:") && error.contains(said), "{line}: {error}");
            assert!(!error.contains("hunter2"), "{line}: {error}");
        }
    }
}

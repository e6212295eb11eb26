//! `[accounts.NAME]`: which programs may have an account's tokens, whom to ask first, how often they may come, and which of
//! the account's sources answers.
//!
//! NAME is an account, a provider for all its accounts, or `*` for every account; of a key that several have, the closest
//! counts. This guards against accidents, not against the same user's malware.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::account::AccountName;
use crate::provider::schema;

/// The name that means every account.
pub(super) const EVERY: &str = "*";
/// How long a yes holds if nothing else is said.
const CONFIRM_FOR: Duration = Duration::from_secs(3600);
/// A higher limit limits nothing, and every request of its time is remembered.
const MOST: u32 = 10_000;

/// One table, as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSettings {
    /// The executables that may have its tokens.
    #[serde(deserialize_with = "executables")]
    pub allow: Option<Vec<PathBuf>>,
    /// Whether a person is asked for each other program.
    pub confirm: Option<bool>,
    /// How long a yes holds.
    #[serde(deserialize_with = "some_duration")]
    pub confirm_for: Option<Duration>,
    /// How often one program may ask.
    #[serde(deserialize_with = "rate_limit")]
    pub rate_limit: Option<RateLimit>,
    /// What may answer, best first.
    #[serde(deserialize_with = "sources")]
    pub sources: Option<Vec<Source>>,
}

/// What may answer for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A variable of the caller's that holds an OAuth access token.
    OauthVariable,
    /// The OAuth login.
    Login,
    /// The stored API key.
    ApiKey,
    /// A variable of the caller's that holds an API key.
    ApiKeyVariable,
}

/// The order where nothing else is said.
const SOURCES: &[Source] = &[Source::OauthVariable, Source::Login, Source::ApiKey, Source::ApiKeyVariable];

/// So many requests of one program in any such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many, at least one.
    pub count: u32,
    /// In how long: a second, a minute or an hour.
    pub per: Duration,
}

/// The rules of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// The executables that may have its tokens, and the table that names them; without it, every program may.
    pub allow: Option<(&'a [PathBuf], &'a str)>,
    /// Whether a person is asked for each other program.
    pub confirm: bool,
    /// How long a yes holds.
    pub confirm_for: Duration,
    /// How often one program may ask.
    pub rate_limit: Option<RateLimit>,
}

/// The tables that concern an account, the closest first.
pub(super) fn access<'a>(tables: &'a BTreeMap<String, AccountSettings>, account: &AccountName) -> Option<Access<'a>> {
    let name = account.to_string();
    let names = [name.as_str(), account.provider(), EVERY];
    let closest: Vec<_> = names.into_iter().filter_map(|name| tables.get_key_value(name)).collect();
    (!closest.is_empty()).then(|| Access {
        allow: closest.iter().find_map(|(name, table)| Some((table.allow.as_deref()?, name.as_str()))),
        confirm: closest.iter().find_map(|(_, table)| table.confirm).unwrap_or(false),
        confirm_for: closest.iter().find_map(|(_, table)| table.confirm_for).unwrap_or(CONFIRM_FOR),
        rate_limit: closest.iter().find_map(|(_, table)| table.rate_limit),
    })
}

/// What may answer for an account, best first, and whether a table of that very name says so.
pub(super) fn sources_of<'a>(
    tables: &'a BTreeMap<String, AccountSettings>,
    account: &AccountName,
) -> (&'a [Source], bool) {
    if tables.is_empty() {
        return (SOURCES, false);
    }
    let name = account.to_string();
    let names = [name.as_str(), account.provider(), EVERY];
    let said = names.into_iter().find_map(|table| Some((tables.get(table)?.sources.as_deref()?, table == name)));
    said.unwrap_or((SOURCES, false))
}

fn sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Source>>, D::Error> {
    let sources = Vec::<Source>::deserialize(deserializer)?;
    let twice = (1..sources.len()).any(|at| sources[..at].contains(&sources[at]));
    if sources.is_empty() || twice {
        return Err(serde::de::Error::custom("at least one source is needed here, and each once at most"));
    }
    Ok(Some(sources))
}

fn executables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    let paths = Vec::<PathBuf>::deserialize(deserializer)?;
    if paths.iter().all(|path| path.is_absolute()) {
        return Ok(Some(paths));
    }
    Err(serde::de::Error::custom("absolute paths of executables are needed here, such as /usr/bin/git"))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    schema::duration(deserializer).map(Some)
}

fn rate_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RateLimit>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong =
        || serde::de::Error::custom("a limit such as `60/min`, `5/s` or `1000/h` is needed here, at most 10000");
    parse_rate(&text).map(Some).ok_or_else(wrong)
}

fn parse_rate(text: &str) -> Option<RateLimit> {
    let (count, unit) = text.split_once('/')?;
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    let count = count.trim().parse().ok().filter(|count| (1..=MOST).contains(count))?;
    Some(RateLimit { count, per: Duration::from_secs(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(toml: &str) -> BTreeMap<String, AccountSettings> {
        toml::from_str(toml).expect("tables")
    }

    #[test]
    fn of_each_key_the_closest_table_counts() {
        let program = if cfg!(windows) { r"C:\a" } else { "/a" };
        let tables = tables(&format!(
            "['*']\nconfirm = true\nrate_limit = '60/min'\n[p]\nallow = ['{program}']\nconfirm_for = '5m'\n\
             ['p/work']\nallow = []\nconfirm = false\n",
        ));
        let of = |name: &str| access(&tables, &name.parse().expect("a name")).expect("rules");
        let minute = Some(RateLimit { count: 60, per: Duration::from_secs(60) });
        let (nobody, a): (&[PathBuf], &[PathBuf]) = (&[], &[program.into()]);
        let five = Duration::from_secs(300);
        for (name, allow, confirm, confirm_for) in [
            ("p/work", Some((nobody, "p/work")), false, five),
            ("p/other", Some((a, "p")), true, five),
            ("p", Some((a, "p")), true, five),
            ("q/work", None, true, CONFIRM_FOR),
        ] {
            assert_eq!(of(name), Access { allow, confirm, confirm_for, rate_limit: minute }, "{name}");
        }
        assert_eq!(access(&BTreeMap::new(), &"p".parse().expect("a name")), None);
    }

    #[test]
    fn sources_are_those_of_the_closest_table() {
        use Source::{ApiKey, Login, OauthVariable};
        let tables = tables(
            "['*']\nconfirm = true\n[p]\nsources = ['api_key', 'login']\n['p/work']\nsources = ['oauth_variable']\n",
        );
        let of = |name: &str| sources_of(&tables, &name.parse().expect("a name"));
        assert_eq!(of("p/work"), (&[OauthVariable][..], true));
        assert_eq!(of("p/other"), (&[ApiKey, Login][..], false));
        assert_eq!(of("p"), (&[ApiKey, Login][..], true));
        assert_eq!(of("q"), (SOURCES, false));
        for wrong in ["[]", "['login', 'login']", "['keyring']", "'login'"] {
            let text = format!("[p]\nsources = {wrong}\n");
            assert!(toml::from_str::<BTreeMap<String, AccountSettings>>(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        let seconds = |text| parse_rate(text).map(|limit| (limit.count, limit.per.as_secs()));
        for (text, limit) in [("60/min", (60, 60)), ("5/s", (5, 1)), ("1000 / h", (1000, 3600))] {
            assert_eq!(seconds(text), Some(limit), "{text}");
        }
        for text in ["", "60", "0/min", "-1/s", "60/minute", "10001/h", "1.5/s"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}

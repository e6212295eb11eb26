//! `[targets]`: which account answers for which URL. The closest rule counts; without one there is no answer from here.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::account::AccountName;
use crate::provider::target::{self, Target};

/// The rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(BTreeMap<Target, Rule>);

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing answers there.
    Nothing,
    /// An account.
    Account(TargetAccount),
}

/// The account that answers for a target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetAccount {
    /// Its name.
    #[serde(deserialize_with = "account")]
    pub account: AccountName,
    /// The user name beside which the server takes the token for a password.
    #[serde(default, deserialize_with = "username")]
    pub username: Option<String>,
}

impl Targets {
    /// The closest rule for what is asked for.
    pub fn rule(&self, asked: &Target) -> Option<&Rule> {
        asked.closest(|target| self.0.get(target))
    }

    /// Whether a rule is for all of this host, and whether others are for parts of it.
    pub fn at_host(&self, host: &Target) -> (bool, bool) {
        (self.0.contains_key(host), host.has_below(&self.0))
    }

    /// The accounts that rules name.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.0.values().filter_map(|rule| match rule {
            Rule::Account(named) => Some(&named.account),
            Rule::Nothing => None,
        })
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rules;
        impl<'de> Visitor<'de> for Rules {
            type Value = Targets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of URLs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Targets, A::Error> {
                let mut rules = BTreeMap::new();
                while let Some(Key(target)) = map.next_key()? {
                    let rule: Rule = map.next_value()?;
                    if let Some(_twice) = rules.insert(target, rule) {
                        return Err(A::Error::custom("two URLs here mean the same target"));
                    }
                }
                Ok(Targets(rules))
            }
        }
        deserializer.deserialize_map(Rules)
    }
}

struct Key(Target);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Key).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an account, false, or a table with `account`")
            }

            fn visit_bool<E: serde::de::Error>(self, answers: bool) -> Result<Rule, E> {
                match answers {
                    false => Ok(Rule::Nothing),
                    true => Err(E::custom("the name of an account is needed here; `false` says that nothing answers")),
                }
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Rule, E> {
                let account = name.parse().map_err(E::custom)?;
                Ok(Rule::Account(TargetAccount { account, username: None }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
                TargetAccount::deserialize(MapAccessDeserializer::new(map)).map(Rule::Account)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

fn account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccountName, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn username<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    match target::is_username(&name) {
        true => Ok(Some(name)),
        false => Err(D::Error::custom("a user name is needed here, without colons and control characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn targets(lines: &str) -> Targets {
        Config::parse(&format!("[targets]\n{lines}"), "config.toml").expect(lines).targets
    }

    fn error(lines: &str) -> String {
        Config::parse(&format!("[targets]\n{lines}"), "config.toml").expect_err(lines).to_string()
    }

    #[test]
    fn the_longest_path_counts_and_then_the_user() {
        let targets = targets(
            "'https://a.example' = 'host'\n'https://a.example/team' = { account = 'team', username = 'oauth2' }\n\
             'https://ada@a.example' = 'ada'\n'https://a.example/team/none' = false\n['targets'.'https://b.example']\n\
             account = 'b/work'\n",
        );
        let of = |url: &str| match targets.rule(&Target::of_request(url).expect(url)) {
            Some(Rule::Account(named)) => Some((named.account.to_string(), named.username.clone())),
            Some(Rule::Nothing) => Some(("-".to_owned(), None)),
            None => None,
        };
        for (url, account, username) in [
            ("https://a.example", "host", None),
            ("https://a.example/teams", "host", None),
            ("https://bob@a.example", "host", None),
            ("https://ada@a.example/x", "ada", None),
            ("https://ada@a.example/team", "team", Some("oauth2")),
            ("https://a.example/team/x.git", "team", Some("oauth2")),
            ("https://a.example/team/none/y", "-", None),
            ("https://b.example", "b/work", None),
        ] {
            assert_eq!(of(url), Some((account.to_owned(), username.map(str::to_owned))), "{url}");
        }
        assert_eq!(of("https://c.example"), None);
        assert_eq!(targets.accounts().count(), 4);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_line_and_not_quoted() {
        for (line, said) in [
            ("'hunter2' = 'a'", "config.toml:2: a target is a URL with a host"),
            ("'https://a:hunter2@a.example' = 'a'", "config.toml:2: the URL of a rule has no password"),
            ("'http://a.example' = 'a'", "config.toml:2: the URL of a rule is https"),
            ("'https://a.example' = 'hunter2 '", "config.toml:2: `https://a.example`: an account name has letters"),
            ("'https://a.example' = true", "config.toml:2: `https://a.example`: the name of an account is needed here"),
            (
                "'https://a.example' = 1",
                "config.toml:2: `https://a.example`: expected the name of an account, false, or a table",
            ),
            ("'https://a.example' = {}", "config.toml:2: `https://a.example`: missing field `account`"),
            ("'https://a.example' = { acount = 'a' }", "config.toml:2: unknown key `acount`; did you mean `account`?"),
            (
                "'https://a.example' = { account = 'a', username = 'hunter2:' }",
                "config.toml:2: `username`: a user name is needed",
            ),
            ("'https://a.example' = 'a'\n'https://A.example:443/' = 'b'", "two URLs here mean the same target"),
        ] {
            let error = error(line);
            assert!(error.contains(said) && !error.contains("hunter2"), "{line}: {error}");
        }
    }
}

//! Places whose value follows from a host: the same software has its API at another address in the cloud than on a server of
//! one's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::template::HOST;

/// One value of a place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The host that it is for, or with `*.` before it all below; without it, every other one.
    #[serde(default)]
    pub host: Option<String>,
    /// The value; parameters stand in it.
    pub value: String,
}

impl Derived {
    fn fits(&self, host: &str) -> bool {
        match self.host.as_deref().map(|host| (host, host.strip_prefix('*'))) {
            None => true,
            Some((_, Some(below))) => host.len() > below.len() && host.ends_with(below),
            Some((itself, None)) => host == itself,
        }
    }
}

/// What stands in the derived places of a table; `None` if they are not written as they should be. Of several values the
/// first that fits counts.
pub(super) fn values(table: &Table, parameters: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let Some(places) = table.get("derived") else { return Some(BTreeMap::new()) };
    let places: BTreeMap<String, Vec<Derived>> = Value::try_into(places.clone()).ok()?;
    let host = parameters.get(HOST).map(|host| host.to_ascii_lowercase()).unwrap_or_default();
    let value = |rules: &[Derived]| {
        let rule = rules.iter().find(|rule| rule.fits(&host))?;
        let fill = |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{name}}}"), value);
        Some(parameters.iter().fold(rule.value.clone(), fill))
    };
    Some(places.into_iter().filter_map(|(name, rules)| Some((name, value(&rules)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_fits_the_host_counts() {
        let table: Table = toml::from_str(
            "[derived]\napi = [{ host = 'forge.example', value = 'api.example' }, { host = '*.forge.example', value = 'api.{host}' }, \
             { value = '{host}/api/v3' }]\nonly = [{ host = 'forge.example', value = 'x' }]\n",
        )
        .expect("TOML");
        for (host, api, only) in [
            ("forge.example", "api.example", true),
            ("Forge.example", "api.example", true),
            ("a.forge.example", "api.a.forge.example", false),
            ("notforge.example", "notforge.example/api/v3", false),
            (".forge.example", ".forge.example/api/v3", false),
            ("git.example:8443", "git.example:8443/api/v3", false),
        ] {
            let parameters = BTreeMap::from([(HOST.to_owned(), host.to_owned())]);
            let values = values(&table, &parameters).expect("values");
            assert_eq!((values["api"].as_str(), values.contains_key("only")), (api, only), "{host}");
        }
        let odd: Table = toml::from_str("derived.api = 'x'").expect("TOML");
        assert!(values(&odd, &BTreeMap::new()).is_none());
    }
}

//! Who has an account at whose own host, told anew whenever an account comes, goes or changes its name: a question about a
//! target looks at the accounts of that host alone, however many others there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::account::AccountName;
use crate::provider::schema::ProviderTarget;
use crate::provider::target::Target;

/// The accounts by what their providers say is their own.
#[derive(Debug, Default)]
pub(super) struct OwnHosts {
    accounts: BTreeMap<Target, BTreeSet<AccountName>>,
    hosts: HashMap<AccountName, Vec<Target>>,
}

impl OwnHosts {
    /// Those whose own covers it most closely; never an empty set.
    pub(super) fn at(&self, target: &Target) -> Option<&BTreeSet<AccountName>> {
        target.closest(|own| self.accounts.get(own))
    }

    /// Whether all of this host is one provider's own, and no part of it another's.
    pub(super) fn is_whole(&self, host: &Target) -> bool {
        self.accounts.contains_key(host) && !host.has_below(&self.accounts)
    }

    /// What is the account's own from now on; nothing for one that is gone.
    pub(super) fn set(&mut self, account: &AccountName, own: &[ProviderTarget]) {
        for host in self.hosts.remove(account).unwrap_or_default() {
            let Some(others) = self.accounts.get_mut(&host) else { continue };
            others.remove(account);
            if others.is_empty() {
                self.accounts.remove(&host);
            }
        }
        let hosts: Vec<Target> = own.iter().filter_map(|own| own.url.clone().ok()).collect();
        for host in &hosts {
            self.accounts.entry(host.clone()).or_default().insert(account.clone());
        }
        if !hosts.is_empty() {
            self.hosts.insert(account.clone(), hosts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(urls: &[&str]) -> Vec<ProviderTarget> {
        urls.iter().map(|url| ProviderTarget { url: url.parse(), username: None }).collect()
    }

    #[test]
    fn the_closest_hosts_accounts_are_found_and_those_that_are_gone_are_not() {
        let name = |text: &str| text.parse::<AccountName>().expect(text);
        let mut hosts = OwnHosts::default();
        hosts.set(&name("forge/a"), &own(&["https://forge.example", "https://forge.example"]));
        hosts.set(&name("forge/b"), &own(&["https://forge.example"]));
        hosts.set(&name("team"), &own(&["https://forge.example/team", "https://other.example"]));
        let at = |hosts: &OwnHosts, url: &str| {
            let found = hosts.at(&Target::of_request(url).expect(url));
            found.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        for (url, names) in [
            ("https://forge.example/x/y", Some("forge/a forge/b")),
            ("https://ada@forge.example/teams", Some("forge/a forge/b")),
            ("https://forge.example/team/x", Some("team")),
            ("https://other.example", Some("team")),
            ("https://sub.forge.example", None),
        ] {
            assert_eq!(at(&hosts, url).as_deref(), names, "{url}");
        }
        let whole = |hosts: &OwnHosts, url: &str| hosts.is_whole(&url.parse().expect(url));
        assert!(whole(&hosts, "https://other.example") && !whole(&hosts, "https://forge.example"));
        hosts.set(&name("team"), &own(&["https://other.example"]));
        assert!(whole(&hosts, "https://forge.example") && !whole(&hosts, "https://forge.example/team"));
        hosts.set(&name("forge/a"), &[]);
        assert_eq!(at(&hosts, "https://forge.example/team/x").as_deref(), Some("forge/b"));
        hosts.set(&name("forge/b"), &[]);
        hosts.set(&name("team"), &[]);
        assert!(hosts.accounts.is_empty() && hosts.hosts.is_empty());
    }
}

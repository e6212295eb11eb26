//! What a person wants, and what a tool needs for it: entries in files, links, and words about the rest.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Toml};
use super::link::Link;
use super::machine::Machine;

/// A tool that can be set up: one file each.
#[derive(Debug)]
pub(super) struct Tool {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// The program by which it is known to be installed.
    pub(super) program: &'static str,
    /// What is done, for the manual.
    pub(super) help: &'static str,
    /// What it needs.
    pub(super) plan: fn(&Machine<'_>, &Wish) -> Result<Plan, Failure>,
    /// What keeps it from asking us although all of that is there, with what to do.
    pub(super) doubts: fn(&Machine<'_>, &Wish) -> Vec<Doubt>,
}

/// Of a tool that nothing else outranks.
pub(super) fn no_doubts(_machine: &Machine<'_>, _wish: &Wish) -> Vec<Doubt> {
    Vec::new()
}

/// What a person wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) all_hosts: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) words: Vec<String>,
}

/// What a tool needs.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What has to stand in which file.
    pub(super) files: Vec<(PathBuf, Vec<Entry>)>,
    /// The names under which the tool looks for us.
    pub(super) links: Vec<Link>,
    /// The URL that an account has to answer for.
    pub(super) target: Option<String>,
    /// The account that is asked, whatever the URL.
    pub(super) account: Option<String>,
    /// Whether nothing but rules says who answers, not even the providers' own hosts.
    pub(super) by_rules_alone: bool,
    /// Why the tool doesn't find what stands in its file already.
    pub(super) lost: Option<String>,
    /// What --name would have said, where the tool's own file says it.
    pub(super) name: Option<String>,
    /// What --host would have said, where an account is named and the tool's own file says where it goes.
    pub(super) host: Option<String>,
    /// What a person ought to know, or to do.
    pub(super) notes: Vec<String>,
}

/// What tells the agent that a program runs its command again only where a token was refused.
pub(super) const ASKS_AGAIN: &str = "--asks-again-when-refused";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's")]
fn is_false(it: &bool) -> bool {
    !it
}

/// What a person gives for a host, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    scheme: String,
    /// Host and port.
    pub(super) authority: String,
    /// With its slash; empty without.
    pub(super) path: String,
}

impl Host {
    /// A host, host and port, or URL.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        // As a browser takes what is typed: nobody has a certificate for their own machine.
        let here = ["localhost", "127.0.0.1", "[::1]"].iter().filter_map(|here| text.strip_prefix(here));
        let here = here.into_iter().any(|rest| rest.is_empty() || rest.starts_with([':', '/']));
        let usual = if here { "http" } else { "https" };
        let (scheme, rest) = text.split_once("://").unwrap_or((usual, text));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let is_host = authority.starts_with(|c: char| c.is_alphanumeric() || c == '[')
            && authority.chars().all(|c| c.is_alphanumeric() || "-._:[]".contains(c));
        let is_path = !path.contains(|c: char| c.is_control() || c.is_whitespace() || "?#\\\"'`$".contains(c));
        if !(is_scheme && is_host && is_path) {
            let message =
                "--host takes a host or a URL without user, query and fragment, such as https://git.example.com";
            return Err(Failure::Usage(message.to_owned()));
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { scheme: scheme.to_lowercase(), authority: authority.to_lowercase(), path })
    }

    /// Whether a URL of a tool's file leads there.
    pub(super) fn is_at(&self, url: &str) -> bool {
        let below =
            |path: &str| path.strip_prefix(&self.path).is_some_and(|more| more.is_empty() || more.starts_with('/'));
        Host::parse(url).is_ok_and(|url| url.authority == self.authority && below(&url.path))
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl Wish {
    /// The host, where the tool can be told of one.
    pub(super) fn host(&self) -> Result<Option<Host>, Failure> {
        self.host.as_deref().map(Host::parse).transpose()
    }

    /// For a tool whose helper is told the URL, so that a rule says who answers.
    pub(super) fn by_rule(&self) -> Result<(), Failure> {
        self.without_name()?;
        match (&self.account, &self.host) {
            (Some(_), None) => {
                Err(Failure::Usage("--account goes with --host here: a rule says who answers there".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// For a tool whose own file says the URL: the account becomes a rule for that, and no word of the helper's. What has the
    /// tool's name for it may be given another URL by somebody else's file.
    pub(super) fn ruled(&self, url: Option<&str>, missing: &str) -> Result<Self, Failure> {
        if self.account.is_none() || self.host.is_some() {
            return Ok(self.clone());
        }
        let url = url.ok_or_else(|| Failure::Usage(missing.to_owned()))?;
        Ok(Self { host: Some(Host::parse(url)?.url()), ..self.clone() })
    }

    /// For a tool that knows no hosts.
    pub(super) fn without_host(&self) -> Result<(), Failure> {
        match self.host.is_some() || self.all_hosts {
            true => {
                Err(Failure::Usage("this tool asks one account, whatever the host: name it with --account".to_owned()))
            }
            false => Ok(()),
        }
    }

    /// For a tool that has no names of its own.
    pub(super) fn without_name(&self) -> Result<(), Failure> {
        match &self.name {
            Some(_) => Err(Failure::Usage("this tool has nothing that --name could name".to_owned())),
            None => Ok(()),
        }
    }

    /// For a tool whose helper takes no words.
    pub(super) fn without_words(&self) -> Result<(), Failure> {
        match self.words.is_empty() {
            true => Ok(()),
            false => Err(Failure::Usage("this tool starts its helper without words".to_owned())),
        }
    }

    /// Words of ours for a helper: the account first.
    pub(super) fn helper_words<'a>(&'a self, before: &[&'a str]) -> Vec<&'a str> {
        let account = self.account.iter().flat_map(|account| ["--account", account]);
        before.iter().copied().chain(account).chain(self.words.iter().map(String::as_str)).collect()
    }

    /// Which of several setups of one tool it is.
    pub(super) fn same_place(&self, other: &Wish) -> bool {
        (&self.host, &self.name) == (&other.host, &other.name)
    }
}

impl Plan {
    /// One file.
    pub(super) fn of(path: PathBuf, entries: Vec<Entry>) -> Self {
        Self { files: vec![(path, entries)], ..Self::default() }
    }

    pub(super) fn with_link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The rule that the account answers for the host, where both are named.
    pub(super) fn with_rule(self, machine: &Machine<'_>, wish: &Wish) -> Result<Self, Failure> {
        let target = wish.host()?.map(|host| host.url());
        Ok(self.with_rule_at(machine, wish, target))
    }

    /// The same for the URL that the tool's helper makes of the host.
    pub(super) fn with_rule_at(mut self, machine: &Machine<'_>, wish: &Wish, target: Option<String>) -> Self {
        if let (Some(target), Some(account)) = (&target, &wish.account) {
            let value = account.as_str().into();
            let rule = Toml { table: vec!["targets".to_owned()], key: target.clone(), value };
            self.files.push((machine.config_file.clone(), vec![Entry::Toml(rule)]));
        }
        self.target = target;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_below_another_by_whole_segments() {
        for (host, url, is_at) in [
            ("a.example", "https://a.example/x", true),
            ("a.example/team", "https://a.example/team", true),
            ("a.example/team/", "https://A.example/team/x/", true),
            ("a.example/team", "https://a.example/teamwork", false),
            ("a.example/team", "https://a.example", false),
            ("a.example", "https://a.example:8443/", false),
        ] {
            assert_eq!(Host::parse(host).expect(host).is_at(url), is_at, "{host} {url}");
        }
    }

    #[test]
    fn a_host_is_taken_apart_and_nothing_that_could_be_more_passes() {
        for (text, url) in [
            ("Git.example.com", "https://git.example.com"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("127.0.0.1.example", "https://127.0.0.1.example"),
            ("http://localhost:80/a/", "http://localhost:80/a"),
            ("https://[::1]:8443/team", "https://[::1]:8443/team"),
        ] {
            assert_eq!(Host::parse(text).expect(text).url(), url);
        }
        for text in ["", "https://", "a b", "a\n[x]", "a@b", "https://a?x", "a#", "a/'x", "-a", "a/$(x)", "://a"] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }
}

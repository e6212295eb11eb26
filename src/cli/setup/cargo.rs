//! Cargo: a credential provider for one registry, or for all of them.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::format::{Entry, Toml};
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish, no_doubts};

pub(super) const TOOL: Tool = Tool {
    name: "cargo",
    program: "cargo",
    help: "credential-provider of the registry --name in config.toml of $CARGO_HOME (~/.cargo), or of the one whose index is --host; with \
           --all-hosts registry.global-credential-providers, after cargo's own file of tokens.",
    plan,
    doubts: no_doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let (host, file) = (wish.host()?, file(machine));
    // Where a rule says who answers, the configuration doesn't.
    let unruled = Wish { account: wish.account.clone().filter(|_| host.is_none()), ..wish.clone() };
    let mut words = vec![machine.program_text()];
    words.extend(unruled.helper_words(&[]).into_iter().map(str::to_owned));
    let entry = |table: &[&str], key: &str, value: toml::Value| {
        let table = table.iter().map(|name| (*name).to_owned()).collect();
        Entry::Toml(Toml { table, key: key.to_owned(), value })
    };
    let by_index = || host.as_ref().and_then(|host| registry(&machine.read(&file), host));
    let name = wish.name.clone().or_else(by_index);
    let entries = match &name {
        Some(name) => vec![entry(&["registries", name], "credential-provider", words.into())],
        None if wish.all_hosts => {
            let providers: toml::Value = vec!["cargo:token", "cred-helper"].into();
            vec![
                entry(&["credential-alias"], "cred-helper", words.into()),
                entry(&["registry"], "global-credential-providers", providers),
            ]
        }
        None => {
            let message = "cargo is set up for a registry (--name as in cargo's configuration, or --host if its index is there), or \
                           with --all-hosts";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    Plan { name, ..Plan::of(file, entries) }.with_rule(machine, wish)
}

/// Cargo reads the name without ending first.
fn file(machine: &Machine<'_>) -> PathBuf {
    let home = machine.path("CARGO_HOME").unwrap_or_else(|| machine.home.join(".cargo"));
    let old = home.join("config");
    if old.is_file() { old } else { home.join("config.toml") }
}

/// The registry whose index is at a host.
fn registry(text: &str, host: &Host) -> Option<String> {
    let file: toml::Table = toml::from_str(text).ok()?;
    let mut registries = file.get("registries")?.as_table()?.iter();
    let found = registries.find(|(_, registry)| {
        let index = registry.get("index").and_then(|index| index.as_str()).unwrap_or_default();
        host.is_at(index.trim_start_matches("sparse+"))
    });
    found.map(|(name, _)| name.clone())
}

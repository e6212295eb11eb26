//! Cargo: a credential provider for one registry, or for all of them.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Toml, check_toml};
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish};
use super::work::broken;

pub(super) const TOOL: Tool = Tool {
    name: "cargo",
    program: "cargo",
    help: "credential-provider of the registry --name in config.toml of $CARGO_HOME (~/.cargo), or of the one whose index is --host; with \
           --all-hosts registry.global-credential-providers, after cargo's own file of tokens. --account is a rule for the index's URL.",
    plan,
    doubts,
};

const WHICH: &str = "cargo is set up for a registry (--name as in cargo's configuration, or --host if its index is there), or with \
                     --all-hosts";

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let file = file(machine);
    let text = machine.read(&file);
    check_toml(&text).map_err(|wrong| broken(machine, &file, &wrong))?;
    let registries = registries(&text);
    let name = match (&wish.name, wish.host()?) {
        (None, Some(host)) => Some(at(&registries, &host)?),
        (name, _) => name.clone(),
    };
    let index = registries.iter().find(|(known, _)| Some(known) == name.as_ref()).map(|(_, target)| target.as_str());
    let missing = match name {
        Some(_) => "cargo's own configuration says no index of that registry: add --host with the index's URL",
        None => "--account goes with --host or --name here: a rule says who answers there",
    };
    let wish = &wish.ruled(index, missing)?;
    // Where a rule says who answers, the configuration doesn't.
    let mut words = vec![machine.program_text()];
    words.extend(wish.words.iter().cloned());
    let entry = |table: &[&str], key: &str, value: toml::Value| {
        let table = table.iter().map(|name| (*name).to_owned()).collect();
        Entry::Toml(Toml { table, key: key.to_owned(), value })
    };
    let entries = match &name {
        Some(name) => vec![entry(&["registries", name], "credential-provider", words.into())],
        None if wish.all_hosts => {
            let providers: toml::Value = vec!["cargo:token", "cred-helper"].into();
            vec![
                entry(&["credential-alias"], "cred-helper", words.into()),
                entry(&["registry"], "global-credential-providers", providers),
            ]
        }
        None => return Err(Failure::Usage(WHICH.to_owned())),
    };
    Plan { name, host: wish.host.clone(), ..Plan::of(file, entries) }.with_rule(machine, wish)
}

/// Cargo reads the name without ending first.
fn file(machine: &Machine<'_>) -> PathBuf {
    let home = machine.path("CARGO_HOME").unwrap_or_else(|| machine.home.join(".cargo"));
    let old = home.join("config");
    if old.is_file() { old } else { home.join("config.toml") }
}

/// The registries of a file, and the target that stands for each: see `cred-helper helper cargo --help`.
fn registries(text: &str) -> Vec<(String, String)> {
    let file: toml::Table = toml::from_str(text).unwrap_or_default();
    let registries = file.get("registries").and_then(toml::Value::as_table);
    let target = |index: &str| match index.strip_prefix("sparse+") {
        Some(url) => url.to_owned(),
        None if index.starts_with("registry+") => index.to_owned(),
        None => format!("registry+{index}"),
    };
    let of = |(name, registry): (&String, &toml::Value)| Some((name.clone(), target(registry.get("index")?.as_str()?)));
    registries.into_iter().flatten().filter_map(of).collect()
}

/// The one registry whose index is at a host.
fn at(registries: &[(String, String)], host: &Host) -> Result<String, Failure> {
    let is_there = |target: &str| host.is_at(target.trim_start_matches("registry+"));
    let found: Vec<&str> =
        registries.iter().filter(|(_, target)| is_there(target)).map(|(name, _)| name.as_str()).collect();
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::Usage(WHICH.to_owned())),
        _ => Err(Failure::Usage(format!("several registries are there: name one with --name: {}", found.join(", ")))),
    }
}

/// Variables come before files, and a registry's own provider before those of all.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let outranked = "cargo takes that provider";
    if let Some(name) = &wish.name {
        let name = name.to_uppercase().replace('-', "_");
        let variable = format!("CARGO_REGISTRIES_{name}_CREDENTIAL_PROVIDER");
        return Doubt::variable(machine, &[&variable], outranked).into_iter().collect();
    }
    let variable = Doubt::variable(machine, &["CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"], outranked);
    let path = file(machine);
    let text = machine.read(&path);
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let own = |name: &str| table.get("registries")?.get(name)?.get("credential-provider");
    let others = registries(&text).into_iter().filter_map(|(name, target)| {
        own(&name).filter(|provider| !provider.to_string().contains("cred-helper"))?;
        let file = machine.shown(&path);
        let name = name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)).then_some(name)?;
        let what = format!("the registry {name} has another credential-provider in {file}: take it out");
        Some(Doubt::at(target, what))
    });
    variable.into_iter().chain(others).collect()
}

//! Terraform and OpenTofu: the one credentials helper that they have.

use std::path::PathBuf;

use serde_json::Value;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "terraform",
    program: "terraform",
    help: "credentials_helper in ~/.terraformrc (or $TF_CLI_CONFIG_FILE), and a link in ~/.terraform.d/plugins. It is asked for every host; \
           there can be one only.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    // It is asked for every host: an account among its words would answer for whatever host comes.
    wish.by_rule()?;
    // HCL's strings are JSON's, but for templates; what escapes those depends on its version.
    if wish.words.iter().any(|word| word.contains("${") || word.contains("%{")) {
        return Err(Failure::Usage("terraform's file can hold no word with ${ or %{ in it".to_owned()));
    }
    let words = wish.words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string());
    let words = words.collect::<Vec<_>>().join(", ");
    let text = format!("credentials_helper \"cred-helper\" {{\n  args = [{words}]\n}}");
    let entry = Line { what: "a credentials_helper", same: "credentials_helper".to_owned(), text };
    let link = Link::within(&directory(machine).join("plugins"), "terraform-credentials-cred-helper");
    let target = wish.host()?.map(|host| format!("https://{}", host.authority));
    let plan = Plan { by_rules_alone: true, ..Plan::of(file(machine), vec![Entry::Line(entry)]) };
    Ok(plan.with_link(link).with_rule_at(machine, wish, target))
}

fn file(machine: &Machine<'_>) -> PathBuf {
    let usual = if cfg!(windows) { machine.app_config("terraform.rc") } else { machine.home.join(".terraformrc") };
    machine.path("TF_CLI_CONFIG_FILE").unwrap_or(usual)
}

fn directory(machine: &Machine<'_>) -> PathBuf {
    if cfg!(windows) { machine.app_config("terraform.d") } else { machine.home.join(".terraform.d") }
}

/// What terraform knows itself it asks no helper for: a host's variable, then a block of its files ("Credentials").
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let host = wish.host().ok().flatten().map(|host| host.authority);
    let variable = host.as_ref().and_then(|host| {
        let names = [host.replace('.', "_").replace('-', "__"), host.replace('.', "_")];
        let names = names.map(|name| format!("TF_TOKEN_{name}"));
        Doubt::variable(machine, &[&names[0], &names[1]], "terraform takes that")
    });
    let own = file(machine);
    let block = |(at, line): (usize, &str)| {
        let name = line.trim_start().strip_prefix("credentials")?.trim_start().strip_prefix('"')?.split('"').next()?;
        let what = format!("{}, line {}: terraform takes that token: take it out", machine.shown(&own), at + 1);
        Some((Host::parse(name).ok()?.authority, what))
    };
    let text = machine.read(&own);
    let blocks = text.lines().enumerate().filter_map(block);
    // Where the file is another one, what lies in the directory is not read.
    let logins = machine.path("TF_CLI_CONFIG_FILE").is_none().then(|| directory(machine).join("credentials.tfrc.json"));
    let logins: Value = logins.and_then(|path| serde_json::from_str(&machine.read(&path)).ok()).unwrap_or_default();
    let logins = logins.get("credentials").and_then(Value::as_object).into_iter().flatten().filter_map(|(name, _)| {
        let name = Host::parse(name).ok()?.authority;
        let what = format!("terraform has a login of its own for {name} and takes that: `terraform logout {name}`");
        Some((name, what))
    });
    let known = blocks.chain(logins).filter_map(|(name, what)| match &host {
        Some(host) => (*host == name).then(|| what.into()),
        None => Some(Doubt::at(format!("https://{name}"), what)),
    });
    variable.into_iter().chain(known).chain(opentofu(machine)).collect()
}

/// OpenTofu reads one of several files (its cliconfig).
fn opentofu(machine: &Machine<'_>) -> Option<Doubt> {
    if machine.variable("TF_CLI_CONFIG_FILE").is_some() || cfg!(windows) {
        return None;
    }
    let (first, last) = (machine.home.join(".tofurc"), machine.config_home("opentofu").join("tofurc"));
    let what = if first.is_file() {
        let first = machine.shown(&first);
        format!("OpenTofu reads {first} and not ~/.terraformrc: write the credentials_helper there, too")
    } else if machine.variable("XDG_CONFIG_HOME").is_some() && last.is_file() {
        format!("OpenTofu reads ~/.terraformrc where there is one, and no longer {}", machine.shown(&last))
    } else {
        return None;
    };
    Some(Doubt::from(what))
}

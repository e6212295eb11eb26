//! Terraform and OpenTofu: the one credentials helper that they have.

use super::super::exit::Failure;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

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
    let usual = if cfg!(windows) { machine.app_config("terraform.rc") } else { machine.home.join(".terraformrc") };
    let directory = if cfg!(windows) { machine.app_config("terraform.d") } else { machine.home.join(".terraform.d") };
    let file = machine.path("TF_CLI_CONFIG_FILE").unwrap_or(usual);
    let entry = Line { what: "a credentials_helper", same: "credentials_helper".to_owned(), text };
    let link = Link::within(&directory.join("plugins"), "terraform-credentials-cred-helper");
    let target = wish.host()?.map(|host| format!("https://{}", host.authority));
    Ok(Plan::of(file, vec![Entry::Line(entry)]).with_link(link).with_rule_at(machine, wish, target))
}

/// OpenTofu reads one of several files (its cliconfig).
fn doubts(machine: &Machine<'_>, _wish: &Wish) -> Vec<String> {
    let configured = machine.variable("TF_CLI_CONFIG_FILE").is_some() || cfg!(windows);
    let (first, last) = (machine.home.join(".tofurc"), machine.config_home("opentofu").join("tofurc"));
    let doubt = if configured {
        None
    } else if first.is_file() {
        Some(format!(
            "OpenTofu reads {} and not ~/.terraformrc: write the credentials_helper there, too",
            machine.shown(&first)
        ))
    } else if machine.variable("XDG_CONFIG_HOME").is_some() && last.is_file() {
        Some(format!("OpenTofu reads ~/.terraformrc where there is one, and no longer {}", machine.shown(&last)))
    } else {
        None
    };
    doubt.into_iter().collect()
}

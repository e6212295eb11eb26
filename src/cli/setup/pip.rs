//! Pip and uv: both run a program named keyring, which is a link of ours in a directory of its own.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Ini, Order, Toml};
use super::link::Link;
use super::machine::{Machine, quoted};
use super::plan::{Plan, Tool, Wish};

pub(super) const PIP: Tool = Tool {
    name: "pip",
    program: "pip",
    help: "keyring-provider in pip.conf (or $PIP_CONFIG_FILE), and a link named keyring in a directory of its own, which has to come before \
           another keyring in the PATH. Older pip asks only for index URLs with a user name.",
    plan: pip,
    doubts: |machine, _| doubts(machine, "PIP_KEYRING_PROVIDER"),
};

pub(super) const UV: Tool = Tool {
    name: "uv",
    program: "uv",
    help: "keyring-provider in uv.toml (or $UV_CONFIG_FILE), and the same link as for pip. uv asks for index URLs with a user name, and \
           for those with authenticate = \"always\".",
    plan: uv,
    doubts: |machine, _| doubts(machine, "UV_KEYRING_PROVIDER"),
};

fn pip(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let values = vec!["subprocess".to_owned()];
    let entry =
        Ini { section: "global".to_owned(), key: "keyring-provider".into(), values, order: Order::Alone, indent: "" };
    with_keyring(machine, wish, Plan::of(pip_file(machine), vec![Entry::Ini(entry)]))
}

fn uv(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let usual = if cfg!(windows) { machine.app_config("uv") } else { machine.config_home("uv") };
    let file = machine.path("UV_CONFIG_FILE").unwrap_or_else(|| usual.join("uv.toml"));
    let entry = Toml { table: Vec::new(), key: "keyring-provider".to_owned(), value: "subprocess".into() };
    with_keyring(machine, wish, Plan::of(file, vec![Entry::Toml(entry)]))
}

/// The user's file: the old place where only that one is (pip's "Configuration").
fn pip_file(machine: &Machine<'_>) -> PathBuf {
    let name = if cfg!(windows) { "pip.ini" } else { "pip.conf" };
    let old = machine.home.join(if cfg!(windows) { "pip" } else { ".pip" }).join(name);
    let app = machine.app_config("pip");
    let usual = if cfg!(windows) || app.is_dir() { app } else { machine.config_home("pip") }.join(name);
    let usual = if old.is_file() && !usual.is_file() { old } else { usual };
    machine.path("PIP_CONFIG_FILE").unwrap_or(usual)
}

fn with_keyring(machine: &Machine<'_>, wish: &Wish, plan: Plan) -> Result<Plan, Failure> {
    wish.by_rule()?;
    wish.without_words()?;
    plan.with_link(Link::within(&directory(machine), "keyring")).with_rule(machine, wish)
}

/// Nothing else is in it: whoever doesn't need another keyring puts it first.
fn directory(machine: &Machine<'_>) -> PathBuf {
    machine.data_dir.join("keyring-bin")
}

fn doubts(machine: &Machine<'_>, variable: &str) -> Vec<Doubt> {
    let place = quoted(&directory(machine).to_string_lossy());
    let path = match machine.find("keyring") {
        Some(first) if machine.is_us(&first) => None,
        Some(first) => Some(format!(
            "{} is another keyring, and comes first: where it is not needed, put {place} before it in the PATH",
            machine.shown(&first)
        )),
        None => Some(format!("no `keyring` is in the PATH: put {place} in it")),
    };
    let other = machine.variable(variable).is_some_and(|value| value != "subprocess");
    let other = other.then(|| format!("{variable} is set, and outranks the file: unset it"));
    path.into_iter().chain(other).map(Doubt::from).collect()
}

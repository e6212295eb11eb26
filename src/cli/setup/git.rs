//! Git: credential.helper in the user's own configuration.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::format::{Entry, Ini, Order};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "git",
    program: "git",
    help: "credential.helper in ~/.gitconfig (or $GIT_CONFIG_GLOBAL): before other helpers; with --host, for that host alone, where no \
           other helper is then asked or told our tokens.",
    plan,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.by_rule()?;
    wish.without_words()?;
    let link = Link::beside(machine, "git-credential-cred-helper");
    let found = machine.find("git-credential-cred-helper");
    let directory = link.path.parent();
    // Git looks in the PATH, where nothing else of the name may come first.
    let by_name = match &found {
        Some(first) => machine.is_us(first),
        None => machine.search.iter().any(|searched| Some(searched.as_path()) == directory),
    };
    let helper = if by_name { "cred-helper".to_owned() } else { format!("!{}", machine.command(&["helper", "git"])) };
    let helper = written(&helper);
    let ini = match wish.host()? {
        // The empty one takes back all that would be asked besides.
        Some(host) => (format!("credential \"{}\"", host.url()), vec![String::new(), helper], Order::Last),
        None => ("credential".to_owned(), vec![helper], Order::First),
    };
    let (section, values, order) = ini;
    let ini = Ini { section, key: "helper", values, order, indent: "\t" };
    let mut plan = Plan::of(file(machine), vec![Entry::Ini(ini)]);
    if by_name {
        plan = plan.with_link(link);
    }
    if wish.host()?.is_some_and(|host| !host.path.is_empty()) {
        plan = plan.with_note("git names the path only with `git config --global credential.useHttpPath true`");
    }
    plan.with_rule(machine, wish)
}

/// The one that `git config --global` writes to (git-config(1), FILES).
fn file(machine: &Machine<'_>) -> PathBuf {
    let (home, other) = (machine.home.join(".gitconfig"), machine.config_home("git").join("config"));
    let usual = if !home.exists() && other.exists() { other } else { home };
    machine.path("GIT_CONFIG_GLOBAL").unwrap_or(usual)
}

/// A value as git's configuration takes it.
fn written(value: &str) -> String {
    match value.contains(['"', '\\', '#', ';']) {
        true => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        false => value.to_owned(),
    }
}

//! Git: credential.helper in the user's own configuration.

use std::path::PathBuf;
use std::process::Command;

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
    doubts,
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
    let ini = Ini { section, key: "helper".into(), values, order, indent: "\t" };
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

/// Who is asked before us: where we are set up for one host, nobody.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<String> {
    if wish.host.is_some() {
        return Vec::new();
    }
    let Some(git) = machine.find("git") else { return Vec::new() };
    let asked =
        Command::new(git).arg("-C").arg(&machine.home).args(["config", "--get-all", "credential.helper"]).output();
    let asked = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    before_us(&asked).map(|other| {
        format!("git asks {other} first, and us for what that doesn't know: take it out, or run `cred-helper setup git --host HOST`")
    })
    .into_iter()
    .collect()
}

/// The first of git's helpers, if it isn't ours. A command is not repeated: a password may be in it.
fn before_us(helpers: &str) -> Option<String> {
    // An empty one takes back those before it.
    let first = helpers.rsplit("\n\n").next()?.lines().find(|line| !line.is_empty())?;
    let is_name = first.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let other = if is_name { first } else { "another helper" };
    (!first.contains("cred-helper")).then(|| other.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_git_asks_before_us_is_named_and_a_command_is_not() {
        for (helpers, other) in [
            ("cred-helper\nstore\n", None),
            ("store\ncred-helper\n", Some("store")),
            ("store\n\ncred-helper\n", None),
            ("!f() { echo password=canary; }; f\ncred-helper\n", Some("another helper")),
            ("!'/a b/cred-helper' helper git\n", None),
            ("", None),
        ] {
            assert_eq!(before_us(helpers).as_deref(), other, "{helpers}");
        }
    }
}

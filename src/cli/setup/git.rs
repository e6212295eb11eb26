//! Git: credential.helper in the user's own configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Ini, Order};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish};

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
    let directory = link.path.parent().map(Path::to_owned);
    // Git looks in the PATH, where nothing else of the name may come first.
    let by_name = match &found {
        Some(first) => machine.is_us(first),
        None => machine.search.iter().any(|searched| Some(searched) == directory.as_ref()),
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
    let file = file(machine);
    let before = Ini { values: vec!["cred-helper".to_owned()], ..ini.clone() };
    let lost = !by_name && before.is_in(&machine.read(&file));
    let mut plan = Plan::of(file, vec![Entry::Ini(ini)]);
    if by_name {
        plan = plan.with_link(link);
    }
    if lost {
        let directory = directory.map(|directory| machine.shown(&directory)).unwrap_or_default();
        plan.lost =
            Some(format!("git-credential-cred-helper is not what the PATH leads to: put {directory} in it first, or"));
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

/// Who is asked before us: by default, and where a URL has helpers of its own.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let Some(git) = machine.find("git") else { return Vec::new() };
    let mut command = Command::new(git);
    command.arg("-C").arg(&machine.home).args(["config", "--null", "--get-regexp", r"^credential\.(.*\.)?helper$"]);
    let helpers = command.output().map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let ours = wish.host().ok().flatten().map(|host| host.url());
    let doubt = |(url, other): (Option<String>, String)| match (url, &ours) {
        (None, None) => Some(Doubt::from(format!(
            "git asks {other} first, and us for what that doesn't know: take it out, or run `cred-helper setup git --host HOST`"
        ))),
        (Some(url), None) => {
            let what =
                format!("for {url} git asks {other} first: take it out, or run `cred-helper setup git --host {url}`");
            Some(Doubt::at(url, what))
        }
        (Some(url), Some(ours)) if url == *ours => {
            Some(format!("for {url} git asks {other} first: take that out of its configuration").into())
        }
        _ => None,
    };
    before_us(&helpers).into_iter().filter_map(doubt).collect()
}

/// The first of git's helpers where that isn't ours: for everything, then for each URL that has some of its own. A command is
/// not repeated: a password may be in it.
fn before_us(helpers: &str) -> Vec<(Option<String>, String)> {
    let entries = helpers.split('\0').filter_map(|entry| {
        let (key, helper) = entry.split_once('\n')?;
        let url = key.strip_prefix("credential.")?.strip_suffix("helper")?.strip_suffix('.');
        Some((url, helper))
    });
    let entries: Vec<(Option<&str>, &str)> = entries.collect();
    let mut places = vec![None];
    for (url, _) in &entries {
        if !places.contains(url) {
            places.push(*url);
        }
    }
    let first = |place: Option<&str>| {
        let asked = entries.iter().filter(|(url, _)| url.is_none() || *url == place).map(|(_, helper)| *helper);
        // An empty one takes back those before it.
        let first = asked.fold(None, |first, helper| if helper.is_empty() { None } else { first.or(Some(helper)) });
        first.filter(|first| !first.contains("cred-helper"))
    };
    let named = |place: Option<&str>| {
        let first = first(place)?;
        let url = place.map(|url| Host::parse(url).map(|host| host.url())).transpose().ok()?;
        let is_name = first.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        Some((url, if is_name { first } else { "another helper" }.to_owned()))
    };
    places.into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_git_asks_before_us_is_named_and_a_command_is_not() {
        const HUB: &str = "https://hub.example";
        for (helpers, others) in [
            (&["helper=cred-helper", "helper=store"][..], &[][..]),
            (&["helper=store", "helper=cred-helper"], &[(None, "store")]),
            (&["helper=store", "helper=", "helper=cred-helper"], &[]),
            (&["helper=!f() { echo password=canary; }; f"], &[(None, "another helper")]),
            (&["helper=!'/a b/cred-helper' helper git"], &[]),
            (&[], &[]),
            (
                &["helper=cred-helper", "https://hub.example.helper=", "https://hub.example.helper=!gh x"],
                &[(Some(HUB), "another helper")],
            ),
            (&["helper=cred-helper", "https://hub.example.helper=store"], &[]),
            (
                &["helper=store", "https://hub.example/.helper=", "https://hub.example/.helper=cred-helper"],
                &[(None, "store")],
            ),
            (&["https://me:canary@hub.example.helper=store"], &[]),
        ] {
            let text: String =
                helpers.iter().map(|entry| format!("credential.{}\0", entry.replacen('=', "\n", 1))).collect();
            let said = before_us(&text);
            let said: Vec<_> = said.iter().map(|(url, other)| (url.as_deref(), other.as_str())).collect();
            assert_eq!(said, others, "{helpers:?}");
        }
    }
}

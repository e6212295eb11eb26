//! Bazel: a credential helper for a host, or for all.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "bazel",
    program: "bazel",
    help: "--credential_helper in ~/.bazelrc, for the --host (*.example.com stands for what is below it) or with --all-hosts. Bazel 7 and newer.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_words()?;
    let wild = wish.host.as_deref().and_then(|host| host.strip_prefix("*."));
    let plain = Wish { host: wild.map(str::to_owned).or_else(|| wish.host.clone()), ..wish.clone() };
    plain.by_rule()?;
    let link = Link { in_path: false, ..Link::beside(machine, "bazel-credential-cred-helper") };
    let path = link.path.display();
    let option = "common --credential_helper=";
    let (same, value) = match plain.host()? {
        // It is asked by the host alone, whatever the port.
        Some(host) => {
            let port = host.authority.rfind(':').filter(|at| !host.authority[*at..].contains(']'));
            let name = &host.authority[..port.unwrap_or(host.authority.len())];
            let same = format!("{option}{}{name}=", if wild.is_some() { "*." } else { "" });
            (same.clone(), format!("{same}{path}"))
        }
        None if wish.all_hosts => (format!("{option}/"), format!("{option}{path}")),
        None => return Err(Failure::Usage("bazel is set up for a host (--host), or with --all-hosts".to_owned())),
    };
    let is_blank = |c: char| c.is_whitespace();
    let text = match value.strip_prefix("common ").filter(|option| option.contains(is_blank)) {
        Some(option) => format!("common '{option}'"),
        None => value,
    };
    let entry = Line { what: "the host's --credential_helper", same, text };
    let plan = Plan::of(file(machine), vec![Entry::Line(entry)]).with_link(link);
    let plan = Plan { by_rules_alone: true, ..plan };
    if wild.is_some() { Ok(plan) } else { plan.with_rule(machine, wish) }
}

fn file(machine: &Machine<'_>) -> PathBuf {
    machine.home.join(".bazelrc")
}

/// Of helpers for the same hosts bazel takes that of the closest command, and the last one of that.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    const OPTION: &str = "--credential_helper=";
    let (file, mut after_us, mut doubts) = (file(machine), false, Vec::new());
    // As in the file: without a port.
    let host = wish.host.as_deref().map(|host| {
        let host = host.split_once("://").map_or(host, |(_, rest)| rest);
        host.split(['/', ':']).next().unwrap_or_default()
    });
    for (at, line) in machine.read(&file).lines().enumerate() {
        let line = line.trim();
        let Some((command, rest)) = line.split_once(OPTION).filter(|_| !line.starts_with('#')) else { continue };
        let word = rest.split(|c: char| c.is_whitespace() || "'\"".contains(c)).next().unwrap_or_default();
        let (scope, program) = word.split_once('=').map_or((None, word), |(scope, program)| (Some(scope), program));
        let ours = program.ends_with("bazel-credential-cred-helper");
        after_us |= ours && scope == host;
        let usual = command.trim().trim_matches(['\'', '"']);
        let outranks = after_us || !(usual.starts_with("common") || usual.starts_with("always"));
        let what =
            || format!("{}, line {}: bazel takes that credential_helper: take it out", machine.shown(&file), at + 1);
        match scope {
            _ if ours => {}
            _ if scope == host && outranks => doubts.push(Doubt::from(what())),
            Some(scope) if host.is_none() && !scope.starts_with('*') => {
                doubts.push(Doubt::at(format!("https://{scope}"), what()));
            }
            _ => {}
        }
    }
    doubts
}

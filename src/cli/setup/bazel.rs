//! Bazel: a credential helper for a host, or for all.

use super::super::exit::Failure;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish, no_doubts};

pub(super) const TOOL: Tool = Tool {
    name: "bazel",
    program: "bazel",
    help: "--credential_helper in ~/.bazelrc, for the --host (*.example.com stands for what is below it) or with --all-hosts. Bazel 7 and newer.",
    plan,
    doubts: no_doubts,
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
    let plan = Plan::of(machine.home.join(".bazelrc"), vec![Entry::Line(entry)]).with_link(link);
    if wild.is_some() { Ok(plan) } else { plan.with_rule(machine, wish) }
}

//! Pnpm: the tokenHelper of a registry. Npm and yarn have none.

use super::super::exit::Failure;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::{Machine, bare_path};
use super::plan::{Plan, Tool, Wish, no_doubts};

pub(super) const TOOL: Tool = Tool {
    name: "pnpm",
    program: "pnpm",
    help: "tokenHelper of the registry --host in ~/.npmrc (or $NPM_CONFIG_USERCONFIG). Npm and yarn know no such thing: `cred-helper exec` \
           is for them. It splits at spaces what it starts: this program's path must have none.",
    plan,
    doubts: no_doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_name()?;
    wish.without_words()?;
    let Some(host) = wish.host()? else {
        return Err(Failure::Usage("pnpm is set up for a registry: name it with --host".to_owned()));
    };
    let same = format!("//{}{}/:tokenHelper", host.authority, host.path);
    // Up to version 10 a path without words: the link's name says the host.
    let by_link = host.path.is_empty() && !(cfg!(windows) && host.authority.contains(':'));
    let name = format!("pnpm-token-cred-helper@{}", host.authority);
    let link = Link { in_path: false, ..Link::beside(machine, &name) };
    let helper = match by_link {
        true => bare_path("pnpm", &link.path)?,
        false => machine.bare_command("pnpm", &["helper", "pnpm", "--url", &host.url()])?,
    };
    let text = format!("{same}={helper}");
    let variables = ["NPM_CONFIG_USERCONFIG", "npm_config_userconfig"];
    let file = variables.iter().find_map(|name| machine.path(name)).unwrap_or_else(|| machine.home.join(".npmrc"));
    let plan = Plan::of(file, vec![Entry::Line(Line { what: "the registry's tokenHelper", same, text })]);
    let plan = match by_link {
        true => plan.with_link(link),
        false => plan.with_note("For a registry with a path pnpm has to be newer than version 10"),
    };
    plan.with_rule(machine, wish)
}

//! Pnpm: the tokenHelper of a registry. Npm and yarn have none.

use super::super::exit::Failure;
use super::format::{Entry, Line};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "pnpm",
    program: "pnpm",
    help: "tokenHelper of the registry --host in ~/.npmrc (or $NPM_CONFIG_USERCONFIG). Npm and yarn know no such thing: `cred-helper exec` \
           is for them.",
    plan,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_name()?;
    wish.without_words()?;
    let Some(host) = wish.host()? else {
        return Err(Failure::Usage("pnpm is set up for a registry: name it with --host".to_owned()));
    };
    let link = Link { in_path: false, ..Link::beside(machine, "pnpm-token-cred-helper") };
    let same = format!("//{}{}/:tokenHelper", host.authority, host.path);
    let text = format!("{same}={}", link.path.display());
    let variables = ["NPM_CONFIG_USERCONFIG", "npm_config_userconfig"];
    let file = variables.iter().find_map(|name| machine.path(name)).unwrap_or_else(|| machine.home.join(".npmrc"));
    Plan::of(file, vec![Entry::Line(Line { what: "the registry's tokenHelper", same, text })])
        .with_link(link)
        .with_rule(machine, wish)
}

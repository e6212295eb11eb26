//! Go: GOAUTH in its own file of variables, as `go env -w` writes it.

use super::super::exit::Failure;
use super::doubt::{Doubt, said};
use super::format::{Entry, Line};
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "goauth",
    program: "go",
    help: "GOAUTH in go's own file of variables ($GOENV; see `go env GOENV`): we are asked first, .netrc after us. Go 1.24 and newer. A variable \
           GOAUTH in the environment outranks it.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.by_rule()?;
    let file = machine.path("GOENV").unwrap_or_else(|| machine.app_config("go").join("env"));
    if file.as_os_str() == "off" {
        return Err(Failure::Usage("GOENV is off: set GOAUTH in the environment instead".to_owned()));
    }
    // A server that is named is shown its token at once, and can be seen to refuse it.
    let url = wish.host()?.map(|host| host.url());
    if url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        return Err(Failure::Usage("go sends tokens over https only: name the server by an https:// URL".to_owned()));
    }
    let mut words = vec!["helper", "goauth"];
    words.extend(url.iter().flat_map(|url| ["--url", url]));
    words.extend(wish.words.iter().map(String::as_str));
    let text = format!("GOAUTH={}; netrc", machine.command(&words));
    let plan = Plan::of(file, vec![Entry::Line(Line { what: "GOAUTH", same: "GOAUTH=".to_owned(), text })]);
    Plan { by_rules_alone: true, ..plan }.with_rule(machine, wish)
}

fn doubts(machine: &Machine<'_>, _wish: &Wish) -> Vec<Doubt> {
    let set = Doubt::variable(machine, &["GOAUTH"], "outranks go's file");
    set.or_else(|| unknown(machine)).into_iter().collect()
}

/// An older go says nothing of what it doesn't know.
fn unknown(machine: &Machine<'_>) -> Option<Doubt> {
    let is_old = said(machine, "go", &["env", "GOAUTH"])?.trim().is_empty();
    is_old.then(|| "this go doesn't know GOAUTH: install go 1.24 or newer".to_owned().into())
}

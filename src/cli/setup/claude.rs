//! Claude Code: its apiKeyHelper.

use super::super::exit::Failure;
use super::format::{Entry, Json};
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "claude",
    program: "claude",
    help: "apiKeyHelper in ~/.claude/settings.json (or $CLAUDE_CONFIG_DIR); the account is anthropic unless another one is named. Claude Code \
           sends its answer as API key and as Bearer token.",
    plan,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    wish.without_name()?;
    let mut words = vec!["get-token", wish.account.as_deref().unwrap_or("anthropic")];
    words.extend(wish.words.iter().map(String::as_str));
    let value = machine.command(&words).into();
    let directory = machine.path("CLAUDE_CONFIG_DIR").unwrap_or_else(|| machine.home.join(".claude"));
    let entry = Entry::Json(Json { path: vec!["apiKeyHelper".to_owned()], value });
    Ok(Plan::of(directory.join("settings.json"), vec![entry]))
}

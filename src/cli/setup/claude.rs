//! Claude Code: its apiKeyHelper.

use super::super::exit::Failure;
use super::format::{Entry, Json};
use super::machine::Machine;
use super::plan::{ASKS_AGAIN, Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "claude",
    program: "claude",
    help: "apiKeyHelper in ~/.claude/settings.json (or $CLAUDE_CONFIG_DIR); the account is anthropic unless another one is named. Claude Code \
           sends its answer as API key and as Bearer token. So that it asks again only when that is refused, not every five minutes, its variable \
           CLAUDE_CODE_API_KEY_HELPER_TTL_MS is set to a day in the same file.",
    plan,
    doubts,
};

/// How often it asks without a reason, in milliseconds.
const INTERVAL: &str = "CLAUDE_CODE_API_KEY_HELPER_TTL_MS";
const A_DAY: &str = "86400000";

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    wish.without_name()?;
    let mut words = vec!["get-token", ASKS_AGAIN, wish.account.as_deref().unwrap_or("anthropic")];
    words.extend(wish.words.iter().map(String::as_str));
    let value = machine.command(&words).into();
    let directory = machine.path("CLAUDE_CONFIG_DIR").unwrap_or_else(|| machine.home.join(".claude"));
    let entry =
        |path: &[&str], value| Entry::Json(Json { path: path.iter().map(|name| (*name).to_owned()).collect(), value });
    let entries = vec![entry(&["env", INTERVAL], A_DAY.into()), entry(&["apiKeyHelper"], value)];
    Ok(Plan::of(directory.join("settings.json"), entries))
}

/// Both outrank the helper (Claude Code's documentation, "Authentication precedence").
fn doubts(machine: &Machine<'_>, _wish: &Wish) -> Vec<String> {
    let set = ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"].into_iter().filter(|name| machine.variable(name).is_some());
    set.map(|name| format!("{name} is set, and Claude Code takes that: unset it")).collect()
}

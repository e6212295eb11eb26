//! Claude Code: its apiKeyHelper.

use serde_json::Value;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Json, Look};
use super::machine::Machine;
use super::plan::{ASKS_AGAIN, Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "claude",
    program: "claude",
    help: "apiKeyHelper in ~/.claude/settings.json (or $CLAUDE_CONFIG_DIR); the account is anthropic unless another one is named. Claude Code \
           sends its answer as API key and as Bearer token. So that it asks again only when that is refused, not every five minutes, its variable \
           CLAUDE_CODE_API_KEY_HELPER_TTL_MS is set to a day in the same file. So that it doesn't try for minutes what is refused without a \
           login, CLAUDE_CODE_MAX_RETRIES is set to 5 there, unless you have set it: that holds for whatever Claude Code tries again.",
    plan,
    doubts,
};

/// How often it asks without a reason, in milliseconds.
const INTERVAL: &str = "CLAUDE_CODE_API_KEY_HELPER_TTL_MS";
const A_DAY: &str = "86400000";
/// How often it tries anything again. Ten times, its default, took it more than 150 seconds to give up without a login.
const RETRIES: &str = "CLAUDE_CODE_MAX_RETRIES";
const FEW: &str = "5";

fn entry(path: &[&str], value: impl Into<Value>) -> Entry {
    Entry::Json(Json { path: path.iter().map(|name| (*name).to_owned()).collect(), value: value.into() })
}

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    wish.without_name()?;
    let account = wish.account.as_deref().unwrap_or("anthropic");
    let mut words = vec!["get-token", ASKS_AGAIN, account];
    words.extend(wish.words.iter().map(String::as_str));
    let directory = machine.path("CLAUDE_CONFIG_DIR").unwrap_or_else(|| machine.home.join(".claude"));
    let file = directory.join("settings.json");
    let retries = entry(&["env", RETRIES], FEW);
    let theirs = match retries.look(&machine.read(&file)) {
        Ok(Look::There) => false,
        // The file outranks the environment.
        Ok(Look::Missing(_)) => machine.variable(RETRIES).is_some(),
        Ok(Look::Other(_)) | Err(_) => true,
    };
    let mut entries = vec![entry(&["env", INTERVAL], A_DAY), entry(&["apiKeyHelper"], machine.command(&words))];
    let account = Some(account.to_owned());
    if theirs {
        let plan = Plan::of(file, entries).with_note(format!("{RETRIES} stays as you have set it"));
        return Ok(Plan { account, ..plan });
    }
    entries.insert(0, retries);
    Ok(Plan { account, ..Plan::of(file, entries) })
}

/// Both outrank the helper (Claude Code's documentation, "Authentication precedence").
fn doubts(machine: &Machine<'_>, _wish: &Wish) -> Vec<Doubt> {
    let variables = ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"];
    Doubt::variable(machine, &variables, "Claude Code takes that").into_iter().collect()
}

//! Claude Code: its apiKeyHelper, and the headersHelper of an MCP server.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Json, Look, Wrong};
use super::machine::{Machine, quoted};
use super::plan::{ASKS_AGAIN, Host, Plan, Tool, Wish};
use super::work::broken;

pub(super) const TOOL: Tool = Tool {
    name: "claude",
    program: "claude",
    help: "apiKeyHelper in ~/.claude/settings.json (or $CLAUDE_CONFIG_DIR); the account is anthropic unless another one is named. Claude Code \
           sends its answer as API key and as Bearer token. So that it asks again only when that is refused, not every five minutes, its variable \
           CLAUDE_CODE_API_KEY_HELPER_TTL_MS is set to a day in the same file. So that it doesn't try for minutes what is refused without a \
           login, CLAUDE_CODE_MAX_RETRIES is set to 5 there, unless you have set it: that holds for whatever Claude Code tries again. With --host \
           URL --name NAME the headersHelper of the MCP server of that name and URL instead, in ~/.claude.json: in your own server, where \
           there is one, or in a new one for all your projects.",
    plan,
    doubts,
};

/// How often it asks without a reason, in milliseconds.
const INTERVAL: &str = "CLAUDE_CODE_API_KEY_HELPER_TTL_MS";
const A_DAY: &str = "86400000";
/// How often it tries anything again. Ten times, its default, took it more than 150 seconds to give up without a login.
const RETRIES: &str = "CLAUDE_CODE_MAX_RETRIES";
const FEW: &str = "5";

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    match (wish.host()?, &wish.name) {
        (Some(host), Some(name)) => mcp_server(machine, wish, &host, name),
        (None, None) => api_key(machine, wish),
        _ => {
            Err(Failure::Usage("an MCP server of Claude Code's has both a URL (--host) and a name (--name)".to_owned()))
        }
    }
}

fn entry(path: &[&str], value: impl Into<Value>) -> Entry {
    Entry::Json(Json { path: path.iter().map(|name| (*name).to_owned()).collect(), value: value.into() })
}

fn api_key(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
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

fn mcp_server(machine: &Machine<'_>, wish: &Wish, host: &Host, name: &str) -> Result<Plan, Failure> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        let message = "Claude Code's names for MCP servers have letters, digits, - and _ only";
        return Err(Failure::Usage(message.to_owned()));
    }
    let file = state_file(machine);
    let known = known_server(&machine.read(&file), name).map_err(|wrong| broken(machine, &file, &wrong))?;
    let url = wish.host.clone().filter(|url| url.contains("://")).unwrap_or_else(|| host.url());
    let new = Server { url: Some(url), kind: Some("http".to_owned()), helper: None };
    let is_new = known.is_none();
    let Server { url: Some(url), kind: Some(kind), helper } = known.unwrap_or(new) else {
        return Err(another(machine, &file));
    };
    if !Host::parse(&url).is_ok_and(|known| known.url() == host.url()) {
        return Err(another(machine, &file));
    }
    let ours = machine.command(&["helper", "headers"]);
    let words: Vec<&str> = std::iter::once(ASKS_AGAIN).chain(wish.words.iter().map(String::as_str)).collect();
    let words = words.into_iter().map(quoted).fold(ours.clone(), |line, word| line + " " + &word);
    let at = |member, value: String| entry(&["mcpServers", name, member], value);
    let mut entries = vec![at("headersHelper", words)];
    // The rest of a server that doesn't ask us is somebody's own.
    if is_new || helper.is_some_and(|helper| helper.starts_with(&ours)) {
        entries.extend([at("url", url), at("type", kind)]);
    }
    Plan::of(file, entries).with_rule(machine, wish)
}

fn another(machine: &Machine<'_>, file: &Path) -> Failure {
    Failure::System(format!("{} has another MCP server of that name: choose another --name", machine.shown(file)))
}

/// Where Claude Code keeps what it remembers, the servers of `claude mcp add --scope user` among it.
fn state_file(machine: &Machine<'_>) -> PathBuf {
    let configured = machine.path("CLAUDE_CONFIG_DIR");
    let old = configured.clone().unwrap_or_else(|| machine.home.join(".claude")).join(".config.json");
    let usual = configured.unwrap_or_else(|| machine.home.clone()).join(".claude.json");
    if old.is_file() { old } else { usual }
}

/// An MCP server of Claude Code's, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    url: Option<String>,
    kind: Option<String>,
    helper: Option<String>,
}

/// The server of that name in the file.
pub(super) fn known_server(text: &str, name: &str) -> Result<Option<Server>, Wrong> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let root: Value = serde_json::from_str(text).map_err(|error| Wrong::at(error.line(), "this is not valid JSON"))?;
    let server = root.get("mcpServers").and_then(|servers| servers.get(name));
    let member = |server: &Value, name: &str| server.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(server.map(|server| Server {
        url: member(server, "url"),
        kind: member(server, "type"),
        helper: member(server, "headersHelper"),
    }))
}

/// Both outrank the key (Claude Code's documentation, "Authentication precedence").
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let variables = ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"];
    let outranked = Doubt::variable(machine, &variables, "Claude Code takes that");
    outranked.into_iter().filter(|_| wish.host.is_none()).collect()
}

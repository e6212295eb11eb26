//! Codex: the command that brings a model provider's token.

use super::super::exit::Failure;
use super::format::{Entry, Toml, check_toml};
use super::machine::Machine;
use super::plan::{ASKS_AGAIN, Plan, Tool, Wish, no_doubts};
use super::work::broken;

pub(super) const TOOL: Tool = Tool {
    name: "codex",
    program: "codex",
    help: "model_providers.NAME.auth in ~/.codex/config.toml (or $CODEX_HOME), for the --name of a provider there (the only one unless several \
           are); the account is openai unless another one is named. Codex asks again only when a token is refused.",
    plan,
    doubts: no_doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    let home = machine.path("CODEX_HOME").unwrap_or_else(|| machine.home.join(".codex"));
    let file = home.join("config.toml");
    let text = machine.read(&file);
    check_toml(&text).map_err(|wrong| broken(machine, &file, &wrong))?;
    let name = wish.name.clone().or_else(|| only_provider(&text)).ok_or_else(|| {
        let message = "name the provider, a table below [model_providers] in Codex's config.toml, with --name";
        Failure::Usage(message.to_owned())
    })?;
    let account = wish.account.as_deref().unwrap_or("openai");
    let mut words = vec!["get-token", ASKS_AGAIN, account];
    words.extend(wish.words.iter().map(String::as_str));
    let table = vec!["model_providers".to_owned(), name.clone(), "auth".to_owned()];
    let entry = |key: &str, value| Entry::Toml(Toml { table: table.clone(), key: key.to_owned(), value });
    let entries = vec![
        entry("command", machine.program_text().into()),
        entry("args", words.into()),
        entry("refresh_interval_ms", 0.into()),
    ];
    Ok(Plan { name: Some(name), account: Some(account.to_owned()), ..Plan::of(file, entries) })
}

fn only_provider(text: &str) -> Option<String> {
    let file: toml::Table = toml::from_str(text).ok()?;
    let mut names = file.get("model_providers")?.as_table()?.keys();
    names.next().filter(|_| names.next().is_none()).cloned()
}

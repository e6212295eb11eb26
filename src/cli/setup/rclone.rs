//! Rclone: the command that brings a WebDAV remote's token.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Ini, Order};
use super::machine::Machine;
use super::plan::{ASKS_AGAIN, Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "rclone",
    program: "rclone",
    help: "bearer_token_command of the WebDAV remote --name in rclone.conf (or $RCLONE_CONFIG), with the token of --account. Rclone runs it \
           again when a token is refused. It splits the command at spaces: this program's path must have none.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    let (Some(section), Some(account)) = (wish.name.clone(), wish.account.as_deref()) else {
        return Err(Failure::Usage("rclone is set up for a remote (--name) and an account (--account)".to_owned()));
    };
    let file = file(machine);
    let text = machine.read(&file);
    if !text.lines().any(|line| line.trim() == format!("[{section}]")) {
        let message = format!("{} has no remote of that name: `rclone config` makes one", machine.shown(&file));
        return Err(Failure::Usage(message));
    }
    let mut words = vec!["get-token", ASKS_AGAIN, account];
    words.extend(wish.words.iter().map(String::as_str));
    let values = vec![machine.bare_command("rclone", &words)?];
    let entry = Ini { section, key: "bearer_token_command".into(), values, order: Order::Alone, indent: "" };
    Ok(Plan::of(file, vec![Entry::Ini(entry)]))
}

fn file(machine: &Machine<'_>) -> PathBuf {
    let usual = if cfg!(windows) { machine.app_config("rclone") } else { machine.config_home("rclone") };
    machine.path("RCLONE_CONFIG").unwrap_or_else(|| usual.join("rclone.conf"))
}

/// What the remote has besides, rclone takes first.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let (file, section) = (file(machine), wish.name.as_deref().unwrap_or_default());
    let text = machine.read(&file);
    let first = |key| {
        let (line, file) = (Ini::line_of(&text, section, key)?, machine.shown(&file));
        Some(format!("{file}, line {line}: rclone takes {key} before the command: take it out").into())
    };
    ["user", "pass", "bearer_token"].into_iter().filter_map(first).collect()
}

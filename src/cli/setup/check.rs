//! What `doctor` says of the tools that are set up: whether they still ask us, and whether somebody answers them.

use super::super::connect::Connect;
use super::doubt::Doubt;
use super::file::Original;
use super::format::Look;
use super::list;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};
use super::record::Records;
use crate::ipc::client::Client;
use crate::ipc::message::account::{AccountState, ListAccounts, ShowAccount};
use crate::ipc::message::agent::{Check, CheckResult};
use crate::ipc::message::password::ListPasswords;
use crate::ipc::message::{Error, ErrorKind};
use crate::paths::Paths;

/// One for each tool that is set up. Without an agent nobody can be asked who answers.
pub(in super::super) fn checks(paths: &Paths, mut client: Option<&mut Client>) -> Vec<Check> {
    let variable = |name: &str| std::env::var_os(name);
    let machine = Machine::here(paths, &variable);
    let records = machine.and_then(|machine| Records::read(&machine.state_dir).map(|records| (machine, records)));
    let (machine, records) = match records {
        Ok(found) => found,
        Err(failure) => {
            let message = failure.message().unwrap_or_default().to_owned();
            return vec![Check { name: "tools".to_owned(), result: CheckResult::Failed, message }];
        }
    };
    let set_up = list::set_up(&machine, &records);
    set_up.into_iter().map(|(tool, wish)| check(&machine, tool, &wish, client.as_deref_mut())).collect()
}

fn check(machine: &Machine<'_>, tool: &Tool, wish: &Wish, client: Option<&mut Client>) -> Check {
    let (result, message) = match what_is_missing(machine, tool, wish) {
        Some(message) => (CheckResult::Failed, message),
        None => judged(machine, tool, wish, client),
    };
    Check { name: place(tool, wish), result, message }
}

/// Of a tool that has all that it needs to ask us: whether somebody answers it, and what it takes before.
fn judged(machine: &Machine<'_>, tool: &Tool, wish: &Wish, mut client: Option<&mut Client>) -> (CheckResult, String) {
    let account = match client.as_deref_mut().map(|client| who_answers(machine, client, tool, wish)) {
        Some(Err(message)) => return (CheckResult::Failed, message),
        answer => answer.and_then(Result::ok).flatten(),
    };
    let doubts = (tool.doubts)(machine, wish);
    let doubt = doubts.into_iter().find(|doubt| counts(doubt, client.as_deref_mut())).map(|doubt| doubt.what);
    let doubt = doubt.or_else(|| client.and_then(|client| nobody_at_all(machine, client, tool, wish)));
    match (doubt, account) {
        (Some(doubt), _) => (CheckResult::Warning, doubt),
        (None, Some(account)) => (CheckResult::Ok, format!("asks us, and {account} answers")),
        (None, None) => (CheckResult::Ok, "asks us".to_owned()),
    }
}

/// Why nobody answers a tool that has just been set up, where an agent runs that knows.
pub(super) fn why_nobody_answers(machine: &Machine<'_>, tool: &Tool, wish: &Wish) -> Option<String> {
    let mut client = Connect::new(true).open().ok()?;
    let nobody = who_answers(machine, &mut client, tool, wish).err();
    nobody.or_else(|| nobody_at_all(machine, &mut client, tool, wish))
}

/// What another helper answers for is no mistake where we would have nothing.
fn counts(doubt: &Doubt, client: Option<&mut Client>) -> bool {
    let Some(url) = &doubt.at else { return true };
    let show = ShowAccount { target: Some(url.clone()), ..ShowAccount::default() };
    client.is_some_and(|client| client.call(&show).is_ok())
}

/// Why a tool that asks for any host is answered for none.
fn nobody_at_all(machine: &Machine<'_>, client: &mut Client, tool: &Tool, wish: &Wish) -> Option<String> {
    let plan = (tool.plan)(machine, wish).ok()?;
    if plan.target.is_some() || asked(&plan, wish).is_some() {
        return None;
    }
    let named = Wish { account: Some("NAME".to_owned()), host: Some("HOST".to_owned()), ..Wish::default() };
    if plan.by_rules_alone && !has_rules(machine) {
        return Some(format!("no rule says who answers: {}", again(tool, &named)));
    }
    // Passwords answer, too.
    let empty = client.call(&ListAccounts {}).is_ok_and(|all| all.accounts.is_empty())
        && client.call(&ListPasswords {}).is_ok_and(|all| all.passwords.is_empty());
    empty.then(|| "nobody is signed in: `cred-helper login PROVIDER`".to_owned())
}

fn has_rules(machine: &Machine<'_>) -> bool {
    let file: toml::Table = toml::from_str(&machine.read(&machine.config_file)).unwrap_or_default();
    file.get("targets").and_then(toml::Value::as_table).is_some_and(|targets| !targets.is_empty())
}

/// The account that is asked, whatever the URL.
fn asked(plan: &Plan, wish: &Wish) -> Option<String> {
    plan.account.clone().or_else(|| wish.account.clone())
}

/// What it is called: by the tool's own name for it, which is short.
fn place(tool: &Tool, wish: &Wish) -> String {
    let place = wish.name.as_ref().or(wish.host.as_ref()).map(|place| format!(" {place}")).unwrap_or_default();
    format!("{}{place}", tool.name)
}

/// The command that sets it up again.
fn again(tool: &Tool, wish: &Wish) -> String {
    let option = |name: &str, value: &Option<String>| value.iter().map(|value| format!(" --{name} {value}")).collect();
    let all: [String; 3] = [option("host", &wish.host), option("name", &wish.name), option("account", &wish.account)];
    let words: String = wish.words.iter().map(|word| format!(" {word}")).collect();
    let words = if words.is_empty() { words } else { format!(" --{words}") };
    let all_hosts = if wish.all_hosts { " --all-hosts" } else { "" };
    format!("`cred-helper setup {}{}{all_hosts}{words}`", tool.name, all.concat())
}

fn what_is_missing(machine: &Machine<'_>, tool: &Tool, wish: &Wish) -> Option<String> {
    let plan: Plan = match (tool.plan)(machine, wish) {
        Ok(plan) => plan,
        Err(failure) => return failure.message().map(str::to_owned),
    };
    for (path, entries) in &plan.files {
        let text = match Original::read(path) {
            Ok(original) => original.text.unwrap_or_default(),
            Err(failure) => return failure.message().map(str::to_owned),
        };
        for entry in entries {
            let (file, name, again) = (machine.shown(path), entry.name(), again(tool, wish));
            match entry.look(&text) {
                Ok(Look::There) => {}
                Ok(Look::Missing(_)) => {
                    let lost = plan.lost.as_ref().map(|lost| format!("{lost} {again}"));
                    return Some(lost.unwrap_or_else(|| format!("{name} is no longer in {file}: {again}")));
                }
                Ok(Look::Other(line)) => {
                    return Some(format!(
                        "{file}, line {line}: {name} is set to something else: take it out, then {again}"
                    ));
                }
                Err(wrong) => {
                    let line = wrong.line.map(|line| format!(", line {line}")).unwrap_or_default();
                    return Some(format!("{file}{line}: {}: mend it", wrong.what));
                }
            }
        }
    }
    let gone = plan.links.iter().find(|link| !link.leads_to(machine));
    let gone = gone.map(|link| format!("{} does not lead to this program: {}", link.path.display(), again(tool, wish)));
    gone.or_else(|| plan.links.iter().find_map(|link| link.doubt(machine)))
}

/// The account that answers; none where that depends on what the tool asks for.
fn who_answers(machine: &Machine<'_>, client: &mut Client, tool: &Tool, wish: &Wish) -> Result<Option<String>, String> {
    let plan = (tool.plan)(machine, wish).unwrap_or_default();
    let show = match (plan.target.clone(), asked(&plan, wish)) {
        (Some(target), _) => ShowAccount { target: Some(target), ..ShowAccount::default() },
        (None, Some(account)) => ShowAccount { account: Some(account), ..ShowAccount::default() },
        _ => return Ok(None),
    };
    match client.call(&show).map_err(crate::ipc::client::CallError::into_error) {
        Ok(status) if status.state == AccountState::ReauthorizationRequired => {
            Err(format!("{0} has to log in again: `cred-helper login {0}`", status.account))
        }
        Ok(status) => Ok(Some(status.account)),
        // Whose host it is anyway, the agent says.
        Err(error) if error.kind() == ErrorKind::UnknownTarget && error.data.account.is_none() => {
            let named = Wish { account: Some("NAME".to_owned()), ..wish.clone() };
            Err(format!("no account answers there: {}", again(tool, &named)))
        }
        Err(Error { message, .. }) => Err(message),
    }
}

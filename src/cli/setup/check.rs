//! What `doctor` says of the tools that are set up: whether they still ask us, and whether somebody answers them.

use super::super::connect::Connect;
use super::file::Original;
use super::format::Look;
use super::list;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};
use super::record::Records;
use crate::ipc::client::Client;
use crate::ipc::message::account::{AccountState, ShowAccount};
use crate::ipc::message::agent::{Check, CheckResult};
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
    let name = place(tool, wish);
    let (result, message) = match what_is_missing(machine, tool, wish) {
        Some(message) => (CheckResult::Failed, message),
        None => match client.map(|client| who_answers(machine, client, tool, wish)) {
            Some(Err(message)) => (CheckResult::Failed, message),
            answer => match ((tool.doubts)(machine, wish).into_iter().next(), answer) {
                (Some(doubt), _) => (CheckResult::Warning, doubt),
                (None, Some(Ok(Some(account)))) => (CheckResult::Ok, format!("asks us, and {account} answers")),
                (None, _) => (CheckResult::Ok, "asks us".to_owned()),
            },
        },
    };
    Check { name, result, message }
}

/// Why nobody answers a tool that has just been set up, where an agent runs that knows.
pub(super) fn who_does_not_answer(machine: &Machine<'_>, tool: &Tool, wish: &Wish) -> Option<String> {
    let mut client = Connect::new(true).open().ok()?;
    who_answers(machine, &mut client, tool, wish).err()
}

fn place(tool: &Tool, wish: &Wish) -> String {
    let place = wish.host.as_ref().or(wish.name.as_ref()).map(|place| format!(" {place}")).unwrap_or_default();
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
                Ok(Look::Missing(_)) => return Some(format!("{name} is no longer in {file}: {again}")),
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
    let target = (tool.plan)(machine, wish).ok().and_then(|plan| plan.target);
    let show = match (target, &wish.account) {
        (Some(target), _) => ShowAccount { target: Some(target), ..ShowAccount::default() },
        (None, Some(account)) => ShowAccount { account: Some(account.clone()), ..ShowAccount::default() },
        _ => return Ok(None),
    };
    match client.call(&show).map_err(crate::ipc::client::CallError::into_error) {
        Ok(status) if status.state == AccountState::ReauthorizationRequired => {
            Err(format!("{0} has to log in again: `cred-helper login {0}`", status.account))
        }
        Ok(status) => Ok(Some(status.account)),
        Err(error) if error.kind() == ErrorKind::UnknownTarget => {
            let named = Wish { account: Some("NAME".to_owned()), ..wish.clone() };
            Err(format!("no account answers there: {}", again(tool, &named)))
        }
        Err(Error { message, .. }) => Err(message),
    }
}

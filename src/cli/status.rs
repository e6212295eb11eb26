//! `status`: every account at a glance, and what to do about those that are not well.

use super::args::StatusArgs;
use super::connect::Connect;
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use super::{watch, when};
use crate::clock::Timestamp;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::account::{AccountState, AccountStatus, Accounts, ListAccounts};

pub(super) fn run(connect: &Connect, args: &StatusArgs) -> Result<(), Failure> {
    if args.watch {
        return watch::run(connect, args.json);
    }
    let accounts = connect.ask(&ListAccounts {})?;
    print(&accounts, args.json)
}

/// Prints accounts for people, or as the agent answered.
pub(super) fn print(accounts: &Accounts, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(accounts);
    }
    if accounts.accounts.is_empty() {
        output::tell(NOBODY);
    }
    if accounts.accounts.is_empty() && accounts.trouble.is_empty() {
        return Ok(());
    }
    output::data(&overview(accounts, when::now(), Style::stdout()))
}

pub(super) const NOBODY: &str =
    "Nobody is signed in. `cred-helper login PROVIDER` signs in; `cred-helper provider list` says where.";

/// The table, and below it what is wrong.
pub(super) fn overview(accounts: &Accounts, now: Timestamp, style: Style) -> String {
    let rows: Vec<Vec<Cell>> = accounts.accounts.iter().map(|account| row(account, now)).collect();
    let mut out = table::table(style, &["ACCOUNT", "WHO", "STATE", "TOKEN"], &rows);
    let problems: Vec<(&str, String)> = accounts
        .accounts
        .iter()
        .flat_map(|account| problems(account).into_iter().map(|problem| (account.account.as_str(), problem)))
        .collect();
    if !problems.is_empty() || !accounts.trouble.is_empty() {
        out.push('\n');
    }
    for (account, problem) in problems {
        out.push_str(&format!("{} {problem}\n", style.paint(Tone::Warning, &format!("{account}:"))));
    }
    for line in &accounts.trouble {
        out.push_str(&format!("{} {line}\n", style.paint(Tone::Bad, "vault:")));
    }
    out
}

fn row(account: &AccountStatus, now: Timestamp) -> Vec<Cell> {
    let name = if account.default { format!("{} *", account.account) } else { account.account.clone() };
    let who = match (account.identity.display(), &account.identity.organization) {
        (Some(who), Some(organization)) => format!("{who} ({organization})"),
        (Some(who), None) => who.to_owned(),
        (None, Some(organization)) => organization.clone(),
        (None, None) => "-".to_owned(),
    };
    vec![Cell::new(name, Tone::Strong), who.into(), state(account.state), expiry(account, now)]
}

/// A state in a word or two.
pub(super) fn state(state: AccountState) -> Cell {
    match state {
        AccountState::SignedOut => Cell::new("signed out", Tone::Faint),
        AccountState::Authorizing => Cell::new("signing in", Tone::Warning),
        AccountState::SignedIn => Cell::new("signed in", Tone::Good),
        AccountState::ReauthorizationRequired => Cell::new("login needed", Tone::Bad),
        AccountState::Unknown => Cell::new("unknown", Tone::Warning),
    }
}

fn expiry(account: &AccountStatus, now: Timestamp) -> Cell {
    if account.state != AccountState::SignedIn {
        return "-".into();
    }
    match account.expires_at {
        None => "no expiry known".into(),
        Some(at) if at > now => format!("{} left (until {})", when::span(at.since(now)), when::local(at)).into(),
        Some(_) if account.refreshable => "renewed when it is asked for".into(),
        Some(at) => Cell::new(format!("expired {}", when::local(at)), Tone::Bad),
    }
}

/// What is wrong with an account and what to do, one line each.
pub(super) fn problems(account: &AccountStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(problem) = &account.problem {
        let retry = problem.retry_at.map(|at| format!(" It is tried again at {}.", when::local(at)));
        let message = problem.message.trim_end_matches('.');
        lines.push(format!("{message} (since {}).{}", when::local(problem.since), retry.unwrap_or_default()));
    }
    let login_needed = account.state == AccountState::ReauthorizationRequired
        || account.problem.as_ref().is_some_and(|problem| problem.kind == ErrorKind::LoginRequired);
    if login_needed {
        lines.push(format!("To sign in again: cred-helper login {}", account.account));
    }
    if account.answer_lost {
        lines.push("The answer to a refresh was lost; the same refresh token is being tried again.".to_owned());
    }
    if !account.persisted && account.state == AccountState::SignedIn {
        lines.push("This login is in the agent's memory only: it ends with the agent.".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: &str) -> AccountStatus {
        let mut value: serde_json::Value = serde_json::from_str(
            r#"{"account":"p","provider_title":"P","default":false,"state":"signed_in","refreshable":true,
                "signed_in_at":0,"persisted":true}"#,
        )
        .expect("an account");
        let more: serde_json::Value = serde_json::from_str(json).expect("json");
        for (key, field) in more.as_object().expect("an object") {
            value[key] = field.clone();
        }
        serde_json::from_value(value).expect("an account")
    }

    #[test]
    fn the_overview_says_who_and_how_long_and_what_to_do() {
        let accounts = Accounts {
            accounts: vec![
                account(
                    r#"{"account":"a","default":true,"expires_at":28900,"identity":{"email":"me@x.example","organization":"X Ltd"}}"#,
                ),
                account(
                    r#"{"account":"b/work","state":"reauthorization_required",
                        "problem":{"kind":"login_required","message":"the grant is gone.","since":0}}"#,
                ),
            ],
            trouble: vec!["/v/1.rec is damaged".to_owned()],
        };
        let text = overview(&accounts, Timestamp(100), Style { on: false });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("a *      me@x.example (X Ltd)  signed in     8 h left (until "), "{text}");
        assert!(lines[2].starts_with("b/work   -                     login needed  -"), "{text}");
        assert!(lines[4].starts_with("b/work: the grant is gone (since "), "{text}");
        assert_eq!(lines[5], "b/work: To sign in again: cred-helper login b/work");
        assert_eq!(lines[6], "vault: /v/1.rec is damaged");
    }

    #[test]
    fn an_expired_token_that_renews_itself_is_no_fault() {
        let cell = format!("{:?}", expiry(&account(r#"{"expires_at":5}"#), Timestamp(10)));
        assert!(cell.contains("renewed when"), "{cell}");
        let cell = format!("{:?}", expiry(&account(r#"{"expires_at":5,"refreshable":false}"#), Timestamp(10)));
        assert!(cell.contains("expired"), "{cell}");
    }
}

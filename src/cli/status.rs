//! `status`: every account at a glance, and what to do about those that are not well.

use super::args::StatusArgs;
use super::connect::Connect;
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::password;
use super::table::{self, Cell};
use super::{watch, when};
use crate::clock::Timestamp;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::account::{AccountState, AccountStatus, Accounts, ListAccounts};
use crate::ipc::message::token::AuthMethod;

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
    if accounts.accounts.is_empty() && accounts.trouble.is_empty() && accounts.passwords.is_empty() {
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
        .flat_map(|account| problems(account, now).into_iter().map(|problem| (account.account.as_str(), problem)))
        .collect();
    if !problems.is_empty() || !accounts.trouble.is_empty() {
        out.push('\n');
    }
    for (account, problem) in problems {
        // What the agent says of an account often names it already.
        let problem = problem.strip_prefix(&format!("{account}: ")).unwrap_or(&problem);
        out.push_str(&format!("{} {problem}\n", style.paint(Tone::Warning, &format!("{account}:"))));
    }
    for line in &accounts.trouble {
        out.push_str(&format!("{} {line}\n", style.paint(Tone::Bad, "vault:")));
    }
    if let Some(line) = password::summary(&accounts.passwords) {
        out.push_str(&format!("\n{line}\n"));
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
    vec![Cell::new(name, Tone::Strong), who.into(), standing(account), expiry(account, now)]
}

/// What answers, in a word or two.
fn standing(account: &AccountStatus) -> Cell {
    match (account.method, account.fallback_since) {
        (AuthMethod::ApiKey, Some(_)) => Cell::new("API key answers", Tone::Warning),
        (AuthMethod::ApiKey, None) => Cell::new("API key", Tone::Good),
        _ if account.api_key.is_some() && account.state == AccountState::SignedOut => {
            Cell::new("API key ended", Tone::Bad)
        }
        _ => state(account.state),
    }
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
    if let (AuthMethod::ApiKey, Some(key)) = (account.method, &account.api_key) {
        return lasts(key.expires_at, now).unwrap_or_else(|| "no expiry known".into());
    }
    if account.state != AccountState::SignedIn {
        return "-".into();
    }
    match account.expires_at {
        None => "no expiry known".into(),
        at if at > Some(now) => lasts(at, now).unwrap_or_else(|| "-".into()),
        Some(_) if account.refreshable => "renewed when it is asked for".into(),
        Some(at) => Cell::new(format!("expired {}", when::local(at)), Tone::Bad),
    }
}

fn lasts(until: Option<Timestamp>, now: Timestamp) -> Option<Cell> {
    let at = until?;
    Some(format!("{} left (until {})", when::span(at.since(now)), when::local(at)).into())
}

/// What is wrong with an account and what to do, one line each.
pub(super) fn problems(account: &AccountStatus, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(problem) = &account.problem {
        let retry = problem.retry_at.map(|at| format!(" It is tried again at {}.", when::local(at)));
        let message = problem.message.trim_end_matches('.');
        lines.push(format!("{message} (since {}).{}", when::local(problem.since), retry.unwrap_or_default()));
    }
    if let Some(problem) = account.api_key.as_ref().and_then(|key| key.problem.as_ref()) {
        lines.push(format!("{}.", problem.message.trim_end_matches('.')));
    }
    if let (Some(since), Some(reason)) = (account.fallback_since, &account.fallback_reason) {
        lines.push(format!("Its API key answers since {}: {reason}.", when::local(since)));
    }
    lines.extend(endings(account, now));
    let login_needed = account.state == AccountState::ReauthorizationRequired
        || account.problem.as_ref().is_some_and(|problem| problem.kind == ErrorKind::LoginRequired);
    if login_needed {
        lines.push(format!("To sign in again: cred-helper login {}", account.account));
    }
    if let Some(imported) = &account.imported {
        let from = imported.source.shown();
        lines.push(match (imported.owned, &imported.source.path) {
            (true, _) => format!("Taken over from {from}; it is renewed here."),
            (false, Some(_)) => format!("Read from {from}, which renews it."),
            (false, None) => format!("Imported from {from}; it cannot be renewed."),
        });
    }
    if account.answer_lost {
        lines.push("The answer to a refresh was lost; the same refresh token is being tried again.".to_owned());
    }
    if !account.persisted && account.state == AccountState::SignedIn {
        lines.push("This login is in the agent's memory only: it ends with the agent.".to_owned());
    }
    lines
}

/// What ends for good before long, or has ended, and what to do.
fn endings(account: &AccountStatus, now: Timestamp) -> Vec<String> {
    let name = &account.account;
    let says = |what: &str, at: Option<Timestamp>, within: Option<u16>, mended: &str| {
        let at = at.filter(|at| *at <= now || within.is_some())?;
        let mended = format!("cred-helper {mended} {name}");
        Some(match at > now {
            true => format!("Its {what} ends {} ({} left): {mended}", when::local(at), when::span(at.since(now))),
            false => format!("Its {what} ended {}: {mended}", when::local(at)),
        })
    };
    let key = account.api_key.as_ref();
    let key = key.and_then(|key| says("API key", key.expires_at, key.ends_within, "api-key set"));
    let login = says("refresh token", account.refresh_expires_at, account.ends_within, "login");
    [login, key].into_iter().flatten().collect()
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
                        "problem":{"kind":"login_required","message":"b/work: the grant is gone.","since":0}}"#,
                ),
            ],
            trouble: vec!["/v/1.rec is damaged".to_owned()],
            passwords: serde_json::from_str(r#"[{"url":"https://a.example","username":"ada","stored_at":0}]"#)
                .expect("a password"),
        };
        let text = overview(&accounts, Timestamp(100), Style { on: false });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("a *      me@x.example (X Ltd)  signed in     8 h left (until "), "{text}");
        assert!(lines[2].starts_with("b/work   -                     login needed  -"), "{text}");
        assert!(lines[4].starts_with("b/work: the grant is gone (since "), "{text}");
        assert_eq!(lines[5], "b/work: To sign in again: cred-helper login b/work");
        assert_eq!(lines[6], "vault: /v/1.rec is damaged");
        assert_eq!(lines[8], "1 password is kept for tools: https://a.example (cred-helper password list)");
    }

    #[test]
    fn a_key_that_answers_is_shown_and_why() {
        let key = r#""api_key":{"fingerprint":"0a1b2c3d","stored_at":0,"persisted":true,"expires_at":86500}"#;
        let accounts = Accounts {
            accounts: vec![
                account(&format!(r#"{{"account":"a","state":"signed_out","method":"api_key",{key}}}"#)),
                account(&format!(
                    r#"{{"account":"b","method":"api_key","fallback_since":7,"fallback_reason":"refused twice",{key}}}"#
                )),
                account(&format!(r#"{{"account":"c","state":"signed_out",{key}}}"#)),
            ],
            ..Accounts::default()
        };
        let text = overview(&accounts, Timestamp(100), Style { on: false });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("a        -    API key          1 day left"), "{text}");
        assert!(lines[2].starts_with("b        -    API key answers  1 day left"), "{text}");
        assert!(lines[3].starts_with("c        -    API key ended    -"), "{text}");
        assert!(
            lines[5].starts_with("b: Its API key answers since ") && lines[5].ends_with(": refused twice."),
            "{text}"
        );
    }

    #[test]
    fn what_ends_before_long_is_said_with_what_to_do() {
        let account = account(
            r#"{"refresh_expires_at":86500,"ends_within":3,
                "api_key":{"fingerprint":"0a","stored_at":0,"persisted":true,"expires_at":864100,"ends_within":14}}"#,
        );
        let lines = problems(&account, Timestamp(100));
        assert!(
            lines[0].starts_with("Its refresh token ends ") && lines[1].starts_with("Its API key ends "),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(" (1 day left): cred-helper login p"), "{lines:?}");
        assert!(lines[1].ends_with(" (10 days left): cred-helper api-key set p"), "{lines:?}");
        // Too short a life to be warned of; that it is over is said.
        let short = AccountStatus { ends_within: None, api_key: None, ..account };
        assert!(problems(&short, Timestamp(100)).is_empty());
        assert!(problems(&short, Timestamp(86500))[0].starts_with("Its refresh token ended "));
    }

    #[test]
    fn an_expired_token_that_renews_itself_is_no_fault() {
        let cell = format!("{:?}", expiry(&account(r#"{"expires_at":5}"#), Timestamp(10)));
        assert!(cell.contains("renewed when"), "{cell}");
        let cell = format!("{:?}", expiry(&account(r#"{"expires_at":5,"refreshable":false}"#), Timestamp(10)));
        assert!(cell.contains("expired"), "{cell}");
    }
}

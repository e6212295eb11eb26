//! `log`: who asked for which token, and what came of it.
//!
//! "Which program used my Anthropic login last night?" is `cred-helper log --account anthropic --since "yesterday 18:00"`.

use super::args::LogArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use super::when;
use crate::ipc::message::audit::{AuditLog, Entry, Outcome, Program, ReadAudit};
use crate::ipc::message::{ErrorKind, Notification};
use crate::redact;

/// How many entries are shown if nobody says how many.
const USUAL: usize = 100;
const HEADING: &[&str] = &["TIME", "ACCOUNT", "PROGRAM", "WHAT", "OUTCOME"];

pub(super) fn run(connect: &Connect, args: &LogArgs) -> Result<(), Failure> {
    let read = ReadAudit {
        since: args.since,
        until: args.until,
        account: connect::account(args.account.as_deref())?,
        program: args.program.clone(),
        limit: args.lines.or((args.since.is_none()).then_some(USUAL)),
        follow: args.follow,
    };
    if !args.follow {
        return print(&connect.ask(&read)?, args).map(drop);
    }
    let mut client = connect.open()?;
    let log = connect::call(&mut client, &read)?;
    let widths = print(&log, args)?;
    if !log.enabled {
        return Ok(());
    }
    client.clear_deadline();
    client.listen(&mut |name, params| {
        let Some(entry) = (name == Entry::NAME).then(|| serde_json::from_value::<Entry>(params).ok()).flatten() else {
            return;
        };
        let printed = match args.json {
            true => output::json_line(&entry),
            false => output::data(&table::line(Style::stdout(), &row(&entry), &widths)),
        };
        if let Err(failure) = printed {
            output::leave(&failure);
        }
    })?;
    Err(Failure::new(ErrorKind::AgentUnreachable, "the agent has ended; `cred-helper log` starts it"))
}

/// Prints what there is; how wide the columns are.
fn print(log: &AuditLog, args: &LogArgs) -> Result<Vec<usize>, Failure> {
    let AuditLog { enabled, file: _, entries, more, lost } = log;
    let rows: Vec<Vec<Cell>> = entries.iter().map(row).collect();
    let widths = table::widths(HEADING, &rows);
    if args.json {
        entries.iter().try_for_each(output::json_line)?;
    } else if !entries.is_empty() || args.follow && *enabled {
        output::data(&table::table(Style::stdout(), HEADING, &rows))?;
    }
    if let Some(words) = silence(log, args) {
        output::tell(words);
    }
    if *more {
        output::tell(&format!("Older entries are not shown: `-n {}` shows more.", entries.len().max(USUAL) * 10));
    }
    if *lost > 0 {
        output::warning(&format!("{lost} requests could not be logged since the agent began: `cred-helper doctor`"));
    }
    Ok(widths)
}

/// Why there is nothing to see.
fn silence(log: &AuditLog, args: &LogArgs) -> Option<&'static str> {
    let asked = args.account.is_some() || args.program.is_some() || args.since.is_some() || args.until.is_some();
    match (log.enabled, log.entries.is_empty()) {
        (false, _) => Some("Requests are not logged: `enabled = false` in [audit] of the configuration says so."),
        (true, true) if asked => Some("No request like that has been logged."),
        (true, true) => Some("No request has been logged yet."),
        (true, false) => None,
    }
}

fn row(entry: &Entry) -> Vec<Cell> {
    let account = entry.account.as_deref().map_or("-".into(), |account| Cell::new(account, Tone::Strong));
    let mut row = vec![when::to_the_second(entry.at).into(), account, program(entry), what(entry).into()];
    row.push(outcome(entry));
    row
}

fn program(entry: &Entry) -> Cell {
    let Program { path, name, pid: _ } = &entry.program;
    let calls_itself = name.as_deref().map(redact::visible);
    let whose = |text: String| match entry.uid {
        // Only of a stranger does it say anything.
        Some(uid) if entry.method == "connect" => format!("{text}, user {uid}"),
        _ => text,
    };
    let Some(path) = path.as_deref().map(redact::visible) else {
        let named = calls_itself.map_or_else(String::new, |name| format!(" ({name})"));
        let nobody = entry.outcome == Outcome::Lost;
        return Cell::new(if nobody { "-".to_owned() } else { whose(format!("unknown{named}")) }, Tone::Faint);
    };
    let last = path.rsplit(['/', '\\']).next().unwrap_or(&path);
    // A process's name is cut at 15 bytes.
    let other = calls_itself.filter(|name| !last.starts_with(name.as_str()));
    whose(other.map_or_else(|| path.clone(), |name| format!("{path} ({name})"))).into()
}

fn what(entry: &Entry) -> String {
    let words = match entry.method.as_str() {
        "token.get" => "token",
        "token.refresh" => "refresh",
        "token.reject" => "refused token",
        "login.start" => "login",
        "account.logout" => "logout",
        "account.rename" => "rename",
        "account.default" => "default",
        "account.trust" => "trust",
        "connect" => "connection",
        "audit" => "log",
        other => other.strip_prefix("vault.").unwrap_or(other),
    };
    match &entry.detail {
        Some(detail) => format!("{words} {}", redact::visible(detail)),
        None => redact::visible(words),
    }
}

fn outcome(entry: &Entry) -> Cell {
    let why = || {
        let kind = entry.error.and_then(|kind| serde_json::to_value(kind).ok());
        kind.as_ref()
            .and_then(|kind| kind.as_str())
            .map_or_else(String::new, |kind| format!(": {}", kind.replace('_', " ")))
    };
    let (text, tone) = match entry.outcome {
        Outcome::Done => ("done".to_owned(), Tone::Good),
        Outcome::Cached => ("from cache".to_owned(), Tone::Good),
        Outcome::Refreshed => ("refreshed".to_owned(), Tone::Good),
        Outcome::Failed => (format!("failed{}", why()), Tone::Bad),
        Outcome::Denied => (format!("denied{}", why()), Tone::Bad),
        Outcome::Left => ("caller left".to_owned(), Tone::Warning),
        Outcome::Lost => return Cell::new(format!("{} entries lost", entry.count), Tone::Warning),
        Outcome::Unknown => ("unknown".to_owned(), Tone::Warning),
    };
    match entry.until {
        Some(until) => Cell::new(format!("{text}, {} times until {}", entry.count, when::to_the_second(until)), tone),
        None => Cell::new(text, tone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        let mut value = serde_json::json!({"at": 0, "method": "token.get", "account": "p/work", "outcome": "cached"});
        let more: serde_json::Value = serde_json::from_str(json).expect("json");
        for (key, field) in more.as_object().expect("an object") {
            value[key] = field.clone();
        }
        let row = row(&serde_json::from_value(value).expect("an entry"));
        table::line(Style { on: false }, &row[1..], &[0; 4]).trim_end().to_owned()
    }

    #[test]
    fn an_entry_says_who_and_what_in_a_line() {
        for (json, text) in [
            (r#"{"program":{"path":"/usr/bin/git","name":"git"}}"#, "p/work  /usr/bin/git  token  from cache"),
            (
                r#"{"program":{"path":"/usr/bin/node","name":"claude"}}"#,
                "p/work  /usr/bin/node (claude)  token  from cache",
            ),
            (
                r#"{"program":{"path":"/opt/a-very-long-name-indeed","name":"a-very-long-nam"}}"#,
                "p/work  /opt/a-very-long-name-indeed  token  from cache",
            ),
            (r#"{"program":{"name":"sshd"},"outcome":"refreshed"}"#, "p/work  unknown (sshd)  token  refreshed"),
            (r#"{"outcome":"denied","error":"not_allowed"}"#, "p/work  unknown  token  denied: not allowed"),
            (r#"{"method":"account.rename","detail":"p/new","outcome":"done"}"#, "p/work  unknown  rename p/new  done"),
            (
                r#"{"method":"connect","account":null,"uid":7,"outcome":"failed","error":"refused"}"#,
                "-  unknown, user 7  connection  failed: refused",
            ),
            (r#"{"method":"audit","account":null,"count":9,"outcome":"lost"}"#, "-  -  log  9 entries lost"),
            (r#"{"method":"of.a.newer.agent","outcome":"sunburnt"}"#, "p/work  unknown  of.a.newer.agent  unknown"),
        ] {
            assert_eq!(shown(json), text, "{json}");
        }
        assert!(shown(r#"{"count":3,"until":60}"#).contains("from cache, 3 times until "));
    }

    #[test]
    fn a_name_made_for_mischief_stays_in_its_place() {
        let text = shown(r#"{"program":{"path":"/tmp/a\nb","name":"\u001b[2J\u202e"}}"#);
        assert_eq!(text, "p/work  /tmp/a\\u{a}b (\\u{1b}[2J\\u{202e})  token  from cache");
    }
}

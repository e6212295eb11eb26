//! `password`: what tools' helpers keep. A person can look and remove; storing is the tools' business.

use super::args::PasswordCommand;
use super::connect::Connect;
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use super::when;
use crate::clock::Timestamp;
use crate::ipc::message::password::{KeptPassword, ListPasswords, RemovePassword};

pub(super) fn run(connect: &Connect, command: &PasswordCommand) -> Result<(), Failure> {
    match command {
        PasswordCommand::List { json } => {
            let kept = connect.ask(&ListPasswords {})?;
            if *json {
                return output::json(&kept);
            }
            if kept.passwords.is_empty() {
                output::tell("No password is kept. Tools store them through their helpers: cred-helper helper --help");
                return Ok(());
            }
            output::data(&listed(&kept.passwords, when::now(), Style::stdout()))
        }
        PasswordCommand::Remove { url, username, json } => {
            let gone = connect.ask(&RemovePassword { url: url.clone(), username: username.clone() })?;
            if *json {
                return output::json(&gone);
            }
            if gone.passwords.is_empty() {
                let message = "no such password is kept: `cred-helper password list` shows the URLs";
                return Err(Failure::System(message.to_owned()));
            }
            for KeptPassword { url, username, .. } in &gone.passwords {
                output::tell(&format!("The password of {} for {url} is forgotten.", user(username)));
            }
            Ok(())
        }
    }
}

fn user(username: &str) -> &str {
    if username.is_empty() { "nobody in particular" } else { username }
}

fn listed(kept: &[KeptPassword], now: Timestamp, style: Style) -> String {
    let rows: Vec<Vec<Cell>> = kept
        .iter()
        .map(|kept| {
            let end = match kept.expires_at {
                Some(at) if at <= now => Cell::new(format!("ended {}", when::local(at)), Tone::Bad),
                Some(at) => when::local(at).into(),
                None => "-".into(),
            };
            vec![
                Cell::new(kept.url.clone(), Tone::Strong),
                user(&kept.username).into(),
                when::local(kept.stored_at).into(),
                end,
            ]
        })
        .collect();
    table::table(style, &["URL", "USER", "STORED", "ENDS"], &rows)
}

/// The line of `status`.
pub(super) fn summary(kept: &[KeptPassword]) -> Option<String> {
    let count = match kept.len() {
        0 => return None,
        1 => "1 password is kept".to_owned(),
        count => format!("{count} passwords are kept"),
    };
    let mut urls: Vec<&str> = kept.iter().map(|kept| kept.url.as_str()).collect();
    urls.dedup();
    let more = urls.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{count} for tools: {}{more} (cred-helper password list)", urls[..urls.len().min(SHOWN)].join(", ")))
}

/// So many are named in one line.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(urls: &[&str]) -> Vec<KeptPassword> {
        let one = |url: &&str| KeptPassword {
            url: (*url).to_owned(),
            username: "ada".to_owned(),
            stored_at: Timestamp(0),
            expires_at: Some(Timestamp(50)),
        };
        urls.iter().map(one).collect()
    }

    #[test]
    fn a_line_says_how_many_are_kept_and_for_which_urls() {
        assert_eq!(summary(&[]), None);
        let one = summary(&kept(&["https://a.example"])).expect("a line");
        assert_eq!(one, "1 password is kept for tools: https://a.example (cred-helper password list)");
        let two = summary(&kept(&["a", "a", "b", "c", "d", "e", "f", "g"])).expect("a line");
        assert_eq!(two, "8 passwords are kept for tools: a, b, c, d, e and 2 more (cred-helper password list)");
    }

    #[test]
    fn one_that_has_ended_is_said_to() {
        let text = listed(&kept(&["https://a.example"]), Timestamp(100), Style { on: false });
        let line = text.lines().nth(1).expect("a line");
        assert!(line.starts_with("https://a.example  ada   ") && line.contains("ended "), "{text}");
    }
}

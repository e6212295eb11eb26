//! `file`: a token where programs read one that ask nobody. A file is replaced as a whole, so that no reader sees half a token.
//!
//! The agent says when there is a new one; beside that the clock counts towards the old one's end. Nothing is polled.

#[cfg_attr(target_os = "linux", path = "fifo.rs")]
#[cfg_attr(not(target_os = "linux"), path = "no_fifo.rs")]
mod fifo;
mod replace;

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::args::FileArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{get_token, output, when};
use crate::ipc::message::event::{Change, Event, Subscribe};
use crate::ipc::message::token::{GetToken, Token};
use crate::paths::Paths;

/// How long before its end a token is replaced; at most half of what is left when it comes.
const MARGIN: Duration = Duration::from_secs(300);
/// How soon is asked again where there is none, unless the agent says that something has changed.
const AGAIN: Duration = Duration::from_secs(60);
/// The least pause between two tokens, however short they last.
const LEAST: Duration = Duration::from_secs(1);
/// How long the clock is trusted at a time: while the machine sleeps, it doesn't count.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn run(connect: &Connect, args: &FileArgs) -> Result<(), Failure> {
    let get = GetToken {
        account: connect::account(args.account.as_deref())?,
        token_type: args.token_type,
        audience: args.audience.clone(),
        deadline: Some(connect::DEADLINE.as_secs()),
        ..GetToken::default()
    };
    let source = Source { connect, paths: connect::paths()?, get };
    match (&args.write, &args.fifo) {
        (Some(path), _) => source.keep_fresh(path),
        (None, Some(path)) => fifo::serve(path, &|| Ok(source.token()?.token)),
        (None, None) => Err(Failure::Usage("name a file: --write PATH or --fifo PATH".to_owned())),
    }
}

struct Source<'a> {
    connect: &'a Connect,
    paths: Paths,
    get: GetToken,
}

impl Source<'_> {
    fn token(&self) -> Result<Token, Failure> {
        get_token::resolve(self.connect, &self.paths, connect::DEADLINE, &self.get)
    }

    /// Ends only by an error of the first token, or of the file.
    fn keep_fresh(&self, path: &Path) -> Result<(), Failure> {
        let mut news = self.subscribe();
        let first = self.token()?;
        replace::write(path, &first.token)?;
        let (mut written, mut wait, mut said) = (first.token, until_next(first.expires_at.map(left)), String::new());
        loop {
            let due = Instant::now() + wait;
            if matches!(news.recv_timeout(wait), Err(RecvTimeoutError::Disconnected)) {
                // The agent has ended. It was meant to: it is not started again before there is a need.
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                news = self.subscribe();
            }
            while news.try_recv().is_ok() {}
            wait = match self.token() {
                Ok(token) => {
                    if !token.token.matches(&written) {
                        replace::write(path, &token.token)?;
                        written = token.token;
                    }
                    said.clear();
                    until_next(token.expires_at.map(left))
                }
                Err(failure) => {
                    let why = failure.message().unwrap_or_default().to_owned();
                    if why != said {
                        output::failure(&failure);
                    }
                    said = why;
                    AGAIN
                }
            };
        }
    }

    /// What the agent says of this account's tokens, for as long as it runs.
    fn subscribe(&self) -> Receiver<()> {
        let (changed, news) = mpsc::channel();
        let Ok(mut client) = self.connect.open() else { return news };
        if client.call(&Subscribe {}).is_err() {
            return news;
        }
        client.clear_deadline();
        std::thread::spawn(move || {
            let _ = client.listen(&mut |_, event| {
                if serde_json::from_value::<Event>(event).is_ok_and(|event| brings_tokens(&event.change)) {
                    let _ = changed.send(());
                }
            });
        });
        news
    }
}

/// Whether there may be another token than before. A failed refresh is no news: asking after each would be asking without end.
fn brings_tokens(change: &Change) -> bool {
    matches!(change, Change::Refreshed { .. } | Change::State { .. } | Change::Source { .. } | Change::Vault { .. })
}

fn left(end: crate::clock::Timestamp) -> Duration {
    end.since(when::now())
}

/// When the next one is asked for.
fn until_next(left: Option<Duration>) -> Duration {
    let left = left.unwrap_or(LONGEST);
    (left - MARGIN.min(left / 2)).clamp(LEAST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_token_is_asked_for_well_before_the_end_and_not_without_pause() {
        for (left, next) in
            [(Some(3600), 600), (Some(700), 400), (Some(60), 30), (Some(1), 1), (Some(0), 1), (None, 300)]
        {
            assert_eq!(until_next(left.map(Duration::from_secs)).as_secs(), next, "{left:?}");
        }
    }
}

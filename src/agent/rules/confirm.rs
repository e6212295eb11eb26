//! `confirm`: a person is asked, once for each program. One dialog at a time; whoever asks for the same program meanwhile
//! shares its question, which ends when the last of them has left.
//!
//! A yes is remembered as long as the configuration says, a no for a minute, so that a loop doesn't ask again and again.
//! An unknown program is asked about each time: nobody could tell whether it is the same one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Wanted, described, pinentry};
use crate::clock::Clock;
use crate::ipc::message::{Error, ErrorKind};

/// How long a person may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The dialog goes away by itself so long before its first caller does: a terminal is left as it was.
const BEFORE_THE_CALLER: Duration = Duration::from_secs(1);
/// How long a no holds.
const NO_HOLDS: Duration = Duration::from_secs(60);
/// Answers that are remembered; more programs are asked about again.
const REMEMBERED: usize = 1024;

/// How to ask.
pub(super) struct Asked {
    /// The caller's terminal.
    pub(super) terminal: Option<PathBuf>,
    /// The configured program.
    pub(super) pinentry: Option<PathBuf>,
    /// How long a yes holds.
    pub(super) holds: Duration,
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
}

/// The questions under way and the answers that still hold.
#[derive(Default)]
pub(super) struct Confirmations {
    answers: Arc<Mutex<HashMap<Key, Answer>>>,
    /// Held while a dialog is open.
    dialog: Arc<tokio::sync::Mutex<()>>,
}

/// Whose token for which program; an unknown one is its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(u64, Result<PathBuf, Option<u32>>);

enum Answer {
    UnderWay(Weak<Question>),
    /// Until then, on the boot clock.
    Given(Result<(), Error>, Duration),
}

/// One question, as long as somebody waits for its answer.
struct Question {
    answer: watch::Receiver<Option<Result<(), Error>>>,
    task: AbortHandle,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn open(answers: &Mutex<HashMap<Key, Answer>>) -> MutexGuard<'_, HashMap<Key, Answer>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Confirmations {
    /// Passes if a person says yes, now or a short while ago.
    pub(super) async fn confirm(&self, wanted: Wanted, asked: Asked, clock: &Arc<dyn Clock>) -> Result<(), Error> {
        let deadline = asked.deadline;
        let question = match self.question(wanted.clone(), asked, clock) {
            Ok(question) => question,
            Err(given) => return given,
        };
        let mut answer = question.answer.clone();
        let given = async { answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone()) };
        match tokio::time::timeout_at(deadline, given).await {
            Ok(Some(given)) => given,
            _ => Err(not_confirmed(&wanted, "nobody has answered in time")),
        }
    }

    /// The question under way for that program, or a new one; or the answer that still holds.
    fn question(
        &self,
        wanted: Wanted,
        asked: Asked,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Question>, Result<(), Error>> {
        let key = Key(wanted.incarnation, wanted.origin.path.clone().ok_or(wanted.origin.pid));
        let now = clock.boot();
        let mut answers = open(&self.answers);
        answers.retain(|_, answer| match answer {
            Answer::UnderWay(question) => question.strong_count() > 0,
            Answer::Given(_, until) => *until > now,
        });
        match answers.get(&key) {
            Some(Answer::Given(given, _)) => return Err(given.clone()),
            Some(Answer::UnderWay(question)) => {
                if let Some(question) = question.upgrade() {
                    return Ok(question);
                }
            }
            None => {}
        }
        let (sender, answer) = watch::channel(None);
        let (map, dialog, clock, of) =
            (Arc::clone(&self.answers), Arc::clone(&self.dialog), Arc::clone(clock), key.clone());
        let task = tokio::spawn(async move {
            let _turn = dialog.lock_owned().await;
            let (given, holds) = ask(&wanted, &asked).await;
            let mut answers = open(&map);
            answers.remove(&of);
            if !holds.is_zero() && answers.len() < REMEMBERED {
                answers.insert(of, Answer::Given(given.clone(), clock.boot() + holds));
            }
            drop(answers);
            sender.send_replace(Some(given));
        });
        let question = Arc::new(Question { answer, task: task.abort_handle() });
        answers.insert(key, Answer::UnderWay(Arc::downgrade(&question)));
        Ok(question)
    }

    /// Forgets every answer.
    pub(super) fn forget(&self) {
        open(&self.answers).retain(|_, answer| matches!(answer, Answer::UnderWay(_)));
    }
}

/// Asks, and says how long the answer holds.
async fn ask(wanted: &Wanted, asked: &Asked) -> (Result<(), Error>, Duration) {
    let left = asked.deadline.saturating_duration_since(Instant::now()).saturating_sub(BEFORE_THE_CALLER);
    let dialog = pinentry::Dialog {
        text: text(wanted, asked.holds),
        terminal: asked.terminal.clone(),
        time_limit: PATIENCE.min(left),
    };
    let known = wanted.origin.path.is_some();
    let program = match pinentry::program(asked.pinentry.as_deref()) {
        Ok(program) => program,
        Err(why) => return (Err(not_confirmed(wanted, &format!("nobody can be asked: {why}"))), Duration::ZERO),
    };
    match pinentry::confirm(&program, &dialog).await {
        Ok(pinentry::Said::Yes) => (Ok(()), if known { asked.holds } else { Duration::ZERO }),
        Ok(pinentry::Said::No) => {
            (Err(not_confirmed(wanted, "the answer was no")), if known { NO_HOLDS } else { Duration::ZERO })
        }
        Ok(pinentry::Said::Nothing) => (Err(not_confirmed(wanted, "nobody has answered in time")), Duration::ZERO),
        Err(why) => (Err(not_confirmed(wanted, &format!("nobody could be asked: {why}"))), Duration::ZERO),
    }
}

fn text(wanted: &Wanted, holds: Duration) -> String {
    let program = described(&wanted.origin);
    let account = &wanted.account;
    let holds = match (wanted.origin.path.is_some(), holds.as_secs()) {
        (false, _) | (_, 0) => "You will be asked again the next time.".to_owned(),
        (_, seconds @ 1..120) => format!("A yes holds for {seconds} seconds."),
        (_, seconds @ 120..7200) => format!("A yes holds for {} minutes.", seconds / 60),
        (_, seconds) => format!("A yes holds for {} hours.", seconds / 3600),
    };
    format!("{program}\nasks for an access token of\n{account}\n\n{holds}")
}

fn not_confirmed(wanted: &Wanted, why: &str) -> Error {
    let Wanted { account, origin, .. } = wanted;
    let message = format!("{account}: its tokens want a person's yes for {}, and {why}", described(origin));
    Error::new(ErrorKind::NotConfirmed, message).account(account)
}

//! Takes the code that a person pastes and hands it to the agent, while the redirect may win at any moment.
//!
//! A thread of its own asks, because the main one waits for the agent. What must stay true: when [`Paste::stop`]
//! returns, the terminal is as it was.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::cli::exit::{Failure, INTERRUPTED};
use crate::cli::prompt::{self, Answer};
use crate::cli::{output, when};
use crate::clock::Timestamp;
use crate::ipc::client::{CallError, Writer};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::login::{Authorize, PasteCode};
use crate::secret::Secret;

/// A prompt that is open, or a pipe that is read.
pub(super) struct Paste {
    turn: Arc<Turn>,
    terminal: bool,
}

impl Paste {
    pub(super) fn start(writer: Writer, authorize: &Authorize, terminal: bool) -> Self {
        let turn = Arc::new(Turn::default());
        let asker = Asker {
            turn: Arc::clone(&turn),
            writer,
            login: authorize.login.clone(),
            expires_at: authorize.expires_at,
            redirect: authorize.redirect,
        };
        std::thread::spawn(move || if terminal { asker.ask_terminal() } else { asker.read_pipe() });
        Self { turn, terminal }
    }

    /// Ends the prompt and waits until the terminal is back. A thread that reads a pipe is left alone: nothing can
    /// wake it, and it does no harm.
    pub(super) fn stop(self) {
        self.turn.stop(self.terminal);
    }
}

/// Who has the terminal. The thread is not joined: it may be waiting for an answer that only the main thread reads.
#[derive(Default)]
struct Turn {
    state: Mutex<State>,
    restored: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    asking: bool,
}

impl Turn {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> bool {
        let mut state = self.state();
        state.asking = !state.stopped;
        state.asking
    }

    fn end(&self) {
        self.state().asking = false;
        self.restored.notify_all();
    }

    fn stopped(&self) -> bool {
        self.state().stopped
    }

    fn stop(&self, wait: bool) {
        let mut state = self.state();
        state.stopped = true;
        while wait && state.asking {
            state = self.restored.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Asker {
    turn: Arc<Turn>,
    writer: Writer,
    login: String,
    expires_at: Timestamp,
    redirect: bool,
}

/// What the agent says of a paste.
enum Verdict {
    Accepted,
    Refused(String),
    /// The call that waits for the login says why.
    Over,
}

impl Asker {
    fn ask_terminal(mut self) {
        let (expires_at, turn) = (self.expires_at, Arc::clone(&self.turn));
        let what = if self.redirect { "Waiting; or paste the code here" } else { "Paste the code here" };
        let label = move || {
            let left = expires_at.since(when::now());
            format!("{what} ({} left): ", when::countdown(left))
        };
        while turn.begin() {
            let answer = prompt::ask(&label, &|| turn.stopped());
            turn.end();
            match answer {
                Ok(Answer::Text(text)) => match self.send(text) {
                    Verdict::Refused(reason) => output::tell(&format!("{} Try again.", sentence(&reason))),
                    Verdict::Accepted | Verdict::Over => return,
                },
                Ok(Answer::Interrupt) => output::leave(&Failure::Quiet(INTERRUPTED)),
                Ok(Answer::Stopped) => return,
                Err(error) => {
                    return output::warning(&format!(
                        "the terminal cannot be read ({error}); only the redirect is left"
                    ));
                }
            }
        }
    }

    /// One paste a line. At the end of the pipe a redirect may still come; without one nothing can.
    fn read_pipe(mut self) {
        let mut last = Failure::new(
            ErrorKind::InvalidPaste,
            "nothing was pasted: the code is read from standard input, or at a terminal",
        );
        loop {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line).unwrap_or(0);
            let text = Secret::from(line.split_whitespace().collect::<String>());
            drop(Secret::from(line));
            if read == 0 {
                break;
            }
            if text.is_empty() {
                continue;
            }
            match self.send(text) {
                Verdict::Refused(reason) => last = Failure::new(ErrorKind::InvalidPaste, reason),
                Verdict::Accepted | Verdict::Over => return,
            }
            output::failure(&last);
        }
        if !self.redirect && !self.turn.stopped() {
            output::leave(&last);
        }
    }

    fn send(&mut self, text: Secret) -> Verdict {
        match self.writer.call(&PasteCode { login: self.login.clone(), text }) {
            Ok(_) => Verdict::Accepted,
            Err(CallError::Agent(error)) if error.kind() == ErrorKind::InvalidPaste => {
                let message = error.message.trim_end_matches('.');
                Verdict::Refused(format!("{message}."))
            }
            Err(_) => Verdict::Over,
        }
    }
}

/// The agent's words begin small, for behind a colon; here they stand alone.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_sentence() {
        assert_eq!(sentence("that is no code: copy it again."), "That is no code: copy it again.");
        assert_eq!(sentence("Done."), "Done.");
    }

    #[test]
    fn a_stop_waits_for_the_terminal_and_no_prompt_opens_after_it() {
        let turn = Arc::new(Turn::default());
        assert!(turn.begin());
        let stopper = {
            let turn = Arc::clone(&turn);
            std::thread::spawn(move || turn.stop(true))
        };
        while !turn.stopped() {
            std::thread::yield_now();
        }
        assert!(!stopper.is_finished(), "the terminal is still in raw mode");
        turn.end();
        stopper.join().expect("stops");
        assert!(!turn.begin());
    }

    #[test]
    fn a_stop_does_not_wait_for_a_paste_that_is_being_judged() {
        let turn = Turn::default();
        assert!(turn.begin());
        turn.end();
        turn.stop(true);
    }
}

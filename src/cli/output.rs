//! The only place that prints. Data goes to standard output, words for people to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::exit::{Failure, USAGE};
use crate::ipc::message::ErrorKind;
use crate::secret::Secret;

/// Data, as it is.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Data, one line.
pub fn line(text: &str) -> Result<(), Failure> {
    data(&format!("{text}\n"))
}

/// A secret that somebody asked for, and a newline.
pub fn secret(secret: &Secret) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(secret.expose().as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(stdout.flush()?)
}

/// Standard output for another program's protocol, flushed by who is done with it.
pub fn stream() -> impl io::Write {
    io::stdout().lock()
}

/// Data as JSON, over several lines.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(unencodable)?)
}

/// Data as JSON, on one line of a stream.
pub fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(unencodable)?)
}

fn unencodable(error: serde_json::Error) -> Failure {
    Failure::new(ErrorKind::Internal, format!("the answer cannot be shown as JSON: {error}"))
}

/// Words for people. Nobody can be told that standard error is closed.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A question: no newline after it.
pub fn ask(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Why a command failed: one line.
pub fn failure(failure: &Failure) {
    if let Some(message) = failure.message() {
        let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
        tell(&format!("cred-helper: {one_line}"));
    }
}

/// Something the person ought to know; the command goes on.
pub fn warning(message: &str) {
    tell(&format!("cred-helper: warning: {message}"));
}

/// What the argument parser says: help and version are data, the rest is a wrong command line.
pub fn clap(error: &clap::Error) -> Result<(), Failure> {
    if error.use_stderr() {
        let text = error.render();
        ask(&if Style::stderr().on { text.ansi().to_string() } else { text.to_string() });
        return Err(Failure::Quiet(USAGE));
    }
    let text = error.render();
    data(&if Style::stdout().on { text.ansi().to_string() } else { text.to_string() })
}

/// Ends the program from a thread whose main one waits for the agent. The connection closes, so the agent forgets it.
#[expect(clippy::exit, reason = "the main thread is blocked in a read that nothing but the agent can end")]
pub fn leave(failure: &Failure) -> ! {
    self::failure(failure);
    std::process::exit(i32::from(failure.code()))
}

/// Whether a person is at both ends: can read a question and type the answer.
pub fn person_present() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Colours, where they can be seen and are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether there are any.
    pub on: bool,
}

/// The colours used, by what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// It does not work.
    Bad,
    /// Less important.
    Faint,
    /// More important.
    Strong,
}

impl Style {
    /// For standard output.
    pub fn stdout() -> Self {
        Self { on: io::stdout().is_terminal() && colours_wanted() }
    }

    /// For standard error.
    pub fn stderr() -> Self {
        Self { on: io::stderr().is_terminal() && colours_wanted() }
    }

    /// The text in that tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// <https://no-color.org>: set and not empty means none. A dumb terminal has none either.
fn colours_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_the_text_is_untouched() {
        assert_eq!(Style { on: false }.paint(Tone::Bad, "x"), "x");
        assert_eq!(Style { on: true }.paint(Tone::Plain, "x"), "x");
        assert_eq!(Style { on: true }.paint(Tone::Good, "x"), "\x1b[32mx\x1b[0m");
    }
}

//! Prompts for codes and passphrases: take pastes of any length, show how much there is or nothing, never what.
//!
//! A terminal's own line mode cuts a line at 4,095 characters and a redirect URL can be longer, and with its echo
//! switched off Ctrl-C would leave it so. The terminal is in raw mode while we ask; it is put back in every case. The
//! countdown shares the prompt's line.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::cursor::MoveToColumn;
use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};
use zeroize::Zeroize as _;

use crate::secret::Secret;

/// How long a paste may be.
pub(super) const MAX_CHARACTERS: usize = 6000;

/// How a prompt ended.
#[derive(Debug)]
pub(super) enum Answer {
    /// Enter, with something typed.
    Text(Secret),
    /// Ctrl-C, or Ctrl-D with nothing typed.
    Interrupt,
    /// The question is no longer of interest.
    Stopped,
}

/// What was typed so far.
#[derive(Default)]
pub(super) struct Line {
    text: String,
    characters: usize,
    overflow: bool,
    /// A passphrase: blanks count, and it may be empty.
    verbatim: bool,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Done,
    Interrupt,
}

impl Line {
    /// Room for everything at once: a string that grows leaves copies behind.
    pub(super) fn new() -> Self {
        Self { text: String::with_capacity(MAX_CHARACTERS * 4), ..Self::default() }
    }

    fn verbatim() -> Self {
        let mut line = Self::new();
        line.verbatim = true;
        line
    }

    /// One event of the terminal's.
    pub(super) fn apply(&mut self, event: Event) -> Step {
        match event {
            Event::Paste(mut text) => {
                text.chars().for_each(|c| self.push(c));
                text.zeroize();
                Step::More
            }
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            _ => Step::More,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Step {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Step::Interrupt,
            KeyCode::Char('d') if control && self.text.is_empty() => return Step::Interrupt,
            KeyCode::Char('u') if control => self.clear(),
            // Ctrl-J and Ctrl-M are what a terminal without bracketed paste makes of line ends.
            KeyCode::Char('j' | 'm') if control => return self.enter(),
            KeyCode::Enter => return self.enter(),
            KeyCode::Backspace => {
                if self.text.pop().is_some() {
                    self.characters -= 1;
                }
                self.overflow = false;
            }
            KeyCode::Char('h') if control => return self.key(KeyEvent::from(KeyCode::Backspace)),
            KeyCode::Char(c) if !control => self.push(c),
            _ => {}
        }
        Step::More
    }

    fn enter(&self) -> Step {
        if (self.text.is_empty() && !self.verbatim) || self.overflow { Step::More } else { Step::Done }
    }

    /// Codes and URLs have no blanks: what a mail program or a narrow terminal folded is joined again.
    fn push(&mut self, c: char) {
        if c.is_control() || (c.is_whitespace() && !self.verbatim) {
            return;
        }
        if self.characters == MAX_CHARACTERS {
            self.overflow = true;
            return;
        }
        self.text.push(c);
        self.characters += 1;
    }

    fn clear(&mut self) {
        self.text.zeroize();
        self.text.reserve(MAX_CHARACTERS * 4);
        self.characters = 0;
        self.overflow = false;
    }

    /// What is shown in place of the text.
    pub(super) fn shown(&self) -> String {
        match self.characters {
            _ if self.overflow => format!("more than {MAX_CHARACTERS} characters; Ctrl-U clears"),
            0 => String::new(),
            1 => "1 character".to_owned(),
            more => format!("{more} characters"),
        }
    }

    fn take(&mut self) -> Secret {
        let text = Secret::from(self.text.clone());
        self.clear();
        text
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

/// Asks until Enter, Ctrl-C, or `stopped`. `label` is asked anew every second; it may hold a countdown.
pub(super) fn ask(label: &dyn Fn() -> String, stopped: &dyn Fn() -> bool) -> io::Result<Answer> {
    let _raw = RawMode::enter(Afterwards::Gone)?;
    let mut line = Line::new();
    let mut shown = String::new();
    loop {
        let now = format!("{}{}", label(), line.shown());
        if now != shown {
            draw(&now)?;
            shown = now;
        }
        if stopped() {
            return Ok(Answer::Stopped);
        }
        // Everything that is there is taken before the line is drawn again: a paste comes as thousands of keys.
        let mut wait = Duration::from_millis(200);
        while event::poll(wait)? {
            match line.apply(event::read()?) {
                Step::More => wait = Duration::ZERO,
                Step::Done => return Ok(Answer::Text(line.take())),
                Step::Interrupt => return Ok(Answer::Interrupt),
            }
        }
    }
}

/// Asks once, and shows nothing of what is typed.
pub(super) fn hidden(question: &str) -> io::Result<Answer> {
    let _raw = RawMode::enter(Afterwards::Stays)?;
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut line = Line::verbatim();
    loop {
        match line.apply(event::read()?) {
            Step::More => {}
            Step::Done => return Ok(Answer::Text(line.take())),
            Step::Interrupt => return Ok(Answer::Interrupt),
        }
    }
}

fn draw(text: &str) -> io::Result<()> {
    let width = terminal::size().map_or(80, |(columns, _)| usize::from(columns)).saturating_sub(1);
    let text: String = text.chars().take(width).collect();
    let mut stderr = io::stderr().lock();
    crossterm::queue!(stderr, MoveToColumn(0), Clear(ClearType::CurrentLine), Print(text))?;
    stderr.flush()
}

/// What becomes of the prompt's line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    Gone,
    Stays,
}

/// Raw mode and bracketed paste, until dropped.
struct RawMode(Afterwards);

impl RawMode {
    fn enter(afterwards: Afterwards) -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let mode = RawMode(afterwards);
        crossterm::execute!(io::stderr(), EnableBracketedPaste)?;
        Ok(mode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let mut stderr = io::stderr();
        let _ = crossterm::execute!(stderr, DisableBracketedPaste);
        let _ = match self.0 {
            Afterwards::Gone => crossterm::execute!(stderr, MoveToColumn(0), Clear(ClearType::CurrentLine)),
            Afterwards::Stays => crossterm::execute!(stderr, Print("\r\n")),
        };
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::from(code))
    }

    fn control(c: char) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
    }

    #[test]
    fn a_paste_of_6000_characters_arrives_whole_and_one_more_is_refused() {
        for bracketed in [true, false] {
            let mut line = Line::new();
            let text = "é".repeat(MAX_CHARACTERS);
            if bracketed {
                line.apply(Event::Paste(format!("{text}\r\n")));
            } else {
                text.chars().for_each(|c| assert_eq!(line.apply(key(KeyCode::Char(c))), Step::More));
            }
            assert_eq!(line.shown(), "6000 characters");
            assert_eq!(line.apply(key(KeyCode::Char('x'))), Step::More);
            assert_eq!(line.apply(key(KeyCode::Enter)), Step::More, "too much is not cut off silently");
            assert!(line.shown().contains("more than"));
            line.apply(control('u'));
            assert_eq!(line.shown(), "");
            line.apply(Event::Paste(text.clone()));
            assert_eq!(line.apply(key(KeyCode::Enter)), Step::Done);
            assert_eq!(&*line.take().expose(), text);
        }
    }

    #[test]
    fn the_line_can_be_mended_and_left() {
        let mut line = Line::new();
        assert_eq!(line.apply(key(KeyCode::Enter)), Step::More, "an empty line is no answer");
        line.apply(Event::Paste("ab \n c".to_owned()));
        line.apply(key(KeyCode::Backspace));
        line.apply(control('h'));
        line.apply(key(KeyCode::Char('z')));
        assert_eq!(line.apply(control('d')), Step::More);
        assert_eq!(line.apply(control('c')), Step::Interrupt);
        assert_eq!(line.apply(control('j')), Step::Done);
        assert_eq!(&*line.take().expose(), "az");
        assert_eq!(line.apply(control('d')), Step::Interrupt);
    }

    #[test]
    fn a_passphrase_keeps_its_blanks_and_may_be_empty() {
        let mut line = Line::verbatim();
        assert_eq!(line.apply(key(KeyCode::Enter)), Step::Done, "whether that will do is for others to say");
        line.apply(Event::Paste("correct horse\n".to_owned()));
        assert_eq!(line.apply(key(KeyCode::Enter)), Step::Done);
        assert_eq!(&*line.take().expose(), "correct horse");
        assert_eq!(line.apply(control('c')), Step::Interrupt);
    }

    #[test]
    fn the_text_is_never_shown() {
        let mut line = Line::new();
        line.apply(Event::Paste("canary".to_owned()));
        assert_eq!(line.shown(), "6 characters");
    }
}

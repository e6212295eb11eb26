//! Choosing one of many at a terminal: arrow keys, or typing until few are left.
//!
//! On standard error, as every question; whoever has no terminal is never asked.

mod list;
mod offers;

use std::io;

use crossterm::event::{self, Event};
use crossterm::terminal;

use super::exit::{Failure, INTERRUPTED};
use super::output::Style;
use super::screen::Screen;
use crate::ipc::message::ErrorKind;
use list::{List, Step};

pub(super) use list::Entry;
pub(super) use offers::{accounts, providers};

/// The name of the entry that a person chooses.
pub(super) fn pick(question: &str, entries: Vec<Entry>) -> Result<String, Failure> {
    let mut list = List::new(question, entries);
    let mut screen = Screen::enter(io::stderr())?;
    screen.cut_lines()?;
    loop {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        screen.draw(&list.shown(columns.into(), rows.into(), Style::stderr()))?;
        let step = match event::read()? {
            Event::Key(key) => list.key(key, rows.into()),
            _ => Step::More,
        };
        match step {
            Step::More => {}
            Step::Chosen(name) => return Ok(name),
            Step::Left => return Err(Failure::new(ErrorKind::Cancelled, "nothing was chosen, and nothing was done")),
            Step::Interrupt => return Err(Failure::Quiet(INTERRUPTED)),
        }
    }
}

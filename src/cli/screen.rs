//! The terminal's other screen, in raw mode. Both are put back however its user ends, but by a signal that ends us.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};

/// Left on drop.
pub(super) struct Screen<W: Write>(W);

impl<W: Write> Screen<W> {
    /// Enters it on that stream.
    pub(super) fn enter(out: W) -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let mut screen = Screen(out);
        crossterm::execute!(screen.0, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// From now on lines end at the edge, also those with letters that are wider than one column.
    pub(super) fn cut_lines(&mut self) -> io::Result<()> {
        crossterm::execute!(self.0, DisableLineWrap)
    }

    /// Shows that text and nothing else.
    pub(super) fn draw(&mut self, text: &str) -> io::Result<()> {
        // In raw mode a line feed alone does not go back to the first column.
        let text = text.replace('\n', "\r\n");
        crossterm::queue!(self.0, MoveTo(0, 0), Clear(ClearType::All))?;
        self.0.write_all(text.as_bytes())?;
        self.0.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        let _ = crossterm::execute!(self.0, EnableLineWrap, LeaveAlternateScreen, Show);
        let _ = terminal::disable_raw_mode();
    }
}

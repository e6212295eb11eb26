//! A QR code made of half blocks, for a terminal that is wide enough.

use std::io::{self, IsTerminal as _};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::cli::output::Style;

/// The picture, if standard error is a terminal with room for it.
pub(super) fn for_terminal(text: &str) -> Option<String> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let (columns, rows) = crossterm::terminal::size().ok()?;
    picture(text, usize::from(columns), usize::from(rows), Style::stderr())
}

fn picture(text: &str, columns: usize, rows: usize, style: Style) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // A block is light: white on black where we may choose, and on the dark terminal that most are where we may not.
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let lines: Vec<&str> = picture.lines().collect();
    let width = lines.first().map_or(0, |line| line.chars().count());
    if width > columns || lines.len() + 6 > rows {
        return None;
    }
    let line = |line: &&str| if style.on { format!("\x1b[38;5;231;48;5;16m{line}\x1b[0m") } else { (*line).to_owned() };
    Some(lines.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_left_out_where_it_would_not_fit() {
        let text = "https://p.example/device?user_code=ABCD-EFGH";
        let shown = picture(text, 80, 40, Style::default()).expect("fits");
        let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 60), "{shown}");
        assert!(shown.starts_with('█'), "the quiet zone is light\n{shown}");
        assert!(picture(text, 20, 40, Style::default()).is_none());
        assert!(picture(text, 80, 10, Style::default()).is_none());
    }
}

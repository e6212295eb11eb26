//! Tables and lists of facts for people: columns as wide as their widest cell, colours that don't count.

use super::output::{Style, Tone};

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        // A server's name for a person is shown too: no control character reaches the terminal.
        let text = text.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { text, tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text, Tone::Plain)
    }
}

/// A heading and rows, two blanks between the columns.
pub(super) fn table(style: Style, heading: &[&str], rows: &[Vec<Cell>]) -> String {
    let widths = widths(heading, rows);
    let heading = headings(heading);
    std::iter::once(&heading).chain(rows).map(|row| line(style, row, &widths)).collect()
}

fn headings(heading: &[&str]) -> Vec<Cell> {
    heading.iter().map(|text| Cell::new(*text, Tone::Faint)).collect()
}

/// How wide the columns of that table are.
pub(super) fn widths(heading: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let heading = headings(heading);
    let all = || std::iter::once(&heading).chain(rows);
    let columns = all().map(Vec::len).max().unwrap_or(0);
    (0..columns).map(|at| all().filter_map(|row| row.get(at)).map(Cell::width).max().unwrap_or(0)).collect()
}

/// One row in columns of that width; what is wider takes its room.
pub(super) fn line(style: Style, row: &[Cell], widths: &[usize]) -> String {
    let mut out = String::new();
    for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
        out.push_str(&style.paint(cell.tone, &cell.text));
        if at + 1 < row.len() {
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Names and values, one below the other; a value that isn't there has no line.
pub(super) fn facts(style: Style, facts: Vec<(&str, Option<Cell>)>) -> String {
    let rows: Vec<Vec<Cell>> = facts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| vec![Cell::new(name, Tone::Faint), value]))
        .collect();
    let width = rows.iter().filter_map(|row| row.first()).map(Cell::width).max().unwrap_or(0);
    rows.iter().map(|row| line(style, row, &[width, 0])).collect()
}

/// Text folded at blanks, every line indented.
pub(super) fn fold(text: &str, width: usize, indent: &str) -> String {
    let room = width.saturating_sub(indent.chars().count()).max(20);
    let mut out = String::new();
    for paragraph in text.split('\n') {
        let mut used = 0;
        out.push_str(indent);
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                out.push('\n');
                out.push_str(indent);
                used = 0;
            }
            if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// How wide the terminal is; 80 where there is none.
pub(super) fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns)).clamp(40, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { on: false };

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let rows = vec![
            vec!["a".into(), Cell::new("é", Tone::Good), "x".into()],
            vec!["bbb".into(), Cell::new("cc\x1b[2J", Tone::Bad), "y".into()],
        ];
        assert_eq!(table(PLAIN, &["N", "S", "T"], &rows), "N    S       T\na    é       x\nbbb  cc [2J  y\n");
        let coloured = table(Style { on: true }, &["N", "S", "T"], &rows);
        assert!(coloured.contains("\x1b[32mé\x1b[0m       x"), "{coloured:?}");
    }

    #[test]
    fn facts_without_a_value_have_no_line() {
        let shown = facts(PLAIN, vec![("issuer", None), ("state", Some("signed in".into())), ("id", Some("7".into()))]);
        assert_eq!(shown, "state  signed in\nid     7\n");
    }

    #[test]
    fn text_is_folded_at_blanks() {
        assert_eq!(fold("one two three four five", 22, "  "), "  one two three four\n  five\n");
        assert_eq!(fold("a\n\nb", 40, ""), "a\n\nb\n");
    }
}

//! What is to choose from, what was typed and which one is marked: keys in, lines out, no terminal.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::cli::output::{Style, Tone};

/// The question, the line below it and the help.
const AROUND: usize = 3;
const HELP: &str = "Arrow keys choose, Enter takes, Escape leaves; type to filter";
/// More than any name has.
const LONGEST_FILTER: usize = 200;

/// One to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Entry {
    /// What is chosen.
    pub(in crate::cli) name: String,
    /// What it is, for people; left out where there is no room.
    pub(in crate::cli) title: String,
    /// Where it stands.
    pub(in crate::cli) state: String,
    /// The state's colour.
    pub(in crate::cli) tone: Tone,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Chosen(String),
    Left,
    Interrupt,
}

pub(super) struct List {
    question: String,
    entries: Vec<Entry>,
    typed: String,
    /// Among those that the filter leaves.
    marked: usize,
}

impl List {
    pub(super) fn new(question: &str, entries: Vec<Entry>) -> Self {
        // A title may come from a configuration: no control character reaches the terminal.
        let tame = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let tamed = |entry: Entry| Entry {
            name: tame(entry.name),
            title: tame(entry.title),
            state: tame(entry.state),
            ..entry
        };
        let entries = entries.into_iter().map(tamed).collect();
        Self { question: question.to_owned(), entries, typed: String::new(), marked: 0 }
    }

    /// One key, on a terminal of so many rows.
    pub(super) fn key(&mut self, key: KeyEvent, rows: usize) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::More;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Step::Interrupt,
            KeyCode::Esc => return Step::Left,
            KeyCode::Char('d') if control && self.typed.is_empty() => return Step::Left,
            KeyCode::Enter => return self.chosen(),
            KeyCode::Char('j' | 'm') if control => return self.chosen(),
            KeyCode::Up | KeyCode::BackTab => self.step(-1),
            KeyCode::Down | KeyCode::Tab => self.step(1),
            KeyCode::Char('p') if control => self.step(-1),
            KeyCode::Char('n') if control => self.step(1),
            KeyCode::PageUp => self.marked = self.marked.saturating_sub(room(rows)),
            KeyCode::PageDown => self.marked = (self.marked + room(rows)).min(self.last()),
            KeyCode::Home => self.marked = 0,
            KeyCode::End => self.marked = self.last(),
            KeyCode::Char('u') if control => self.filter(String::new()),
            KeyCode::Char('h') if control => self.shorten(),
            KeyCode::Backspace => self.shorten(),
            KeyCode::Char(c) if !control && self.typed.len() < LONGEST_FILTER => {
                self.filter(format!("{}{c}", self.typed))
            }
            _ => {}
        }
        Step::More
    }

    fn chosen(&self) -> Step {
        self.left().nth(self.marked).map_or(Step::More, |entry| Step::Chosen(entry.name.clone()))
    }

    /// Up or down; the last is followed by the first.
    fn step(&mut self, by: isize) {
        let count = self.left().count();
        if count > 0 {
            self.marked = self.marked.saturating_add(count).saturating_add_signed(by) % count;
        }
    }

    fn last(&self) -> usize {
        self.left().count().saturating_sub(1)
    }

    fn shorten(&mut self) {
        let mut typed = self.typed.clone();
        typed.pop();
        self.filter(typed);
    }

    /// The mark stays with its entry as long as that is left.
    fn filter(&mut self, typed: String) {
        let marked = self.left().nth(self.marked).map(|entry| entry.name.clone());
        self.typed = typed;
        let place = self.left().position(|entry| Some(&entry.name) == marked.as_ref());
        self.marked = place.unwrap_or(0);
    }

    /// Those with every typed word in them; a name that begins with what was typed comes first.
    fn left(&self) -> impl Iterator<Item = &Entry> {
        let typed = self.typed.to_lowercase();
        let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
        let fits = move |entry: &&Entry| {
            let text = format!("{} {} {}", entry.name, entry.title, entry.state).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let (first, rest): (Vec<_>, Vec<_>) =
            self.entries.iter().filter(fits).partition(|entry| entry.name.to_lowercase().starts_with(typed.trim()));
        first.into_iter().chain(rest)
    }

    /// The whole picture for a terminal of that size; no line is longer than it is wide.
    pub(super) fn shown(&self, columns: usize, rows: usize, style: Style) -> String {
        let width = columns.saturating_sub(1).max(8);
        let left: Vec<&Entry> = self.left().collect();
        let room = room(rows);
        // The marked one is in the middle, as far as there are lines around it.
        let first = self.marked.saturating_sub(room / 2).min(left.len().saturating_sub(room));
        let mut lines = vec![cut(&format!("{} {}_", self.question, self.typed), width), String::new()];
        let layout = Layout::of(&self.entries, width);
        let visible = left.iter().enumerate().skip(first).take(room);
        lines.extend(visible.map(|(at, entry)| layout.line(entry, at == self.marked, style)));
        if left.is_empty() {
            lines.push(cut("  Nothing matches; Ctrl-U clears what was typed", width));
        }
        lines.push(style.paint(Tone::Faint, &cut(&help(first, room, left.len()), width)));
        lines.join("\n")
    }
}

/// How many entries fit.
fn room(rows: usize) -> usize {
    rows.saturating_sub(AROUND).max(1)
}

fn help(first: usize, room: usize, count: usize) -> String {
    if count <= room {
        return HELP.to_owned();
    }
    format!("{}-{} of {count}. {HELP}", first + 1, (first + room).min(count))
}

/// How wide the columns are; the title's is none where all three don't fit.
struct Layout {
    name: usize,
    title: usize,
    width: usize,
}

impl Layout {
    fn of(entries: &[Entry], width: usize) -> Self {
        let longest = |of: fn(&Entry) -> &str| entries.iter().map(|entry| of(entry).chars().count()).max().unwrap_or(0);
        let (name, title, state) = (longest(|e| &e.name), longest(|e| &e.title), longest(|e| &e.state));
        let fits = name + title + state + 6 <= width;
        Self { name, title: if fits { title } else { 0 }, width }
    }

    fn line(&self, entry: &Entry, marked: bool, style: Style) -> String {
        let mark = if marked { "> " } else { "  " };
        let mut start = format!("{mark}{:name$}  ", entry.name, name = self.name);
        if self.title > 0 {
            start.push_str(&format!("{:title$}  ", entry.title, title = self.title));
        }
        let start = cut(&start, self.width);
        let state = cut(&entry.state, self.width.saturating_sub(start.chars().count()));
        let start = if marked { style.paint(Tone::Strong, &start) } else { start };
        format!("{start}{}", style.paint(entry.tone, &state)).trim_end().to_owned()
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { on: false };

    fn entry(name: &str, title: &str, state: &str) -> Entry {
        Entry { name: name.to_owned(), title: title.to_owned(), state: state.to_owned(), tone: Tone::Good }
    }

    fn thirty() -> List {
        let entries = (0..30).map(|n| entry(&format!("provider-{n:02}"), "A Title", "signed out")).collect();
        List::new("Which?", entries)
    }

    fn press(list: &mut List, codes: &[KeyCode]) -> Step {
        codes.iter().map(|code| list.key(KeyEvent::from(*code), 24)).last().unwrap_or(Step::More)
    }

    fn type_in(list: &mut List, text: &str) {
        text.chars().for_each(|c| assert_eq!(press(list, &[KeyCode::Char(c)]), Step::More));
    }

    #[test]
    fn arrows_move_the_mark_around_and_enter_takes_it() {
        let mut list = thirty();
        let taken = |list: &mut List, codes: &[KeyCode]| {
            press(list, codes);
            press(list, &[KeyCode::Enter])
        };
        let chosen = |name: &str| Step::Chosen(name.to_owned());
        use KeyCode::{Down, End, Home, PageDown, Up};
        assert_eq!(taken(&mut list, &[Down, Down, Up]), chosen("provider-01"));
        assert_eq!(taken(&mut list, &[Home, Up]), chosen("provider-29"));
        assert_eq!(taken(&mut list, &[Down]), chosen("provider-00"));
        assert_eq!(taken(&mut list, &[PageDown]), chosen("provider-21"));
        assert_eq!(taken(&mut list, &[PageDown]), chosen("provider-29"));
        assert_eq!(taken(&mut list, &[Home, End]), chosen("provider-29"));
    }

    #[test]
    fn typing_filters_by_every_word_and_can_be_taken_back() {
        let mut list = List::new(
            "Which?",
            vec![
                entry("my-github", "Own", ""),
                entry("github", "GitHub", "signed in as ada"),
                entry("google", "Google", ""),
            ],
        );
        let names = |list: &List| list.left().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        type_in(&mut list, "GitH");
        assert_eq!(names(&list), ["github", "my-github"], "a name that begins so comes first");
        type_in(&mut list, " ada");
        assert_eq!(names(&list), ["github"]);
        type_in(&mut list, "x");
        assert_eq!(press(&mut list, &[KeyCode::Enter]), Step::More, "nothing is left to take");
        assert!(list.shown(80, 24, PLAIN).contains("Nothing matches"));
        press(&mut list, &[KeyCode::Backspace]);
        assert_eq!(press(&mut list, &[KeyCode::Enter]), Step::Chosen("github".to_owned()));
        list.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), 24);
        assert_eq!(names(&list).len(), 3);
    }

    #[test]
    fn escape_leaves_and_ctrl_c_interrupts() {
        assert_eq!(press(&mut thirty(), &[KeyCode::Esc]), Step::Left);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(thirty().key(control_c, 24), Step::Interrupt);
    }

    #[test]
    fn the_picture_fits_every_terminal_with_the_mark_in_it() {
        for (columns, rows) in [(80, 24), (30, 10), (12, 4), (1, 1), (200, 60)] {
            for key in [KeyCode::Home, KeyCode::PageDown, KeyCode::End] {
                let mut list = thirty();
                press(&mut list, &[key]);
                let shown = list.shown(columns, rows, PLAIN);
                assert!(shown.lines().count() <= rows.max(4), "{columns}x{rows}:\n{shown}");
                let longest = shown.lines().map(|line| line.chars().count()).max().unwrap_or(0);
                assert!(longest < columns.max(9), "{columns}x{rows}:\n{shown}");
                assert_eq!(shown.lines().filter(|line| line.starts_with('>')).count(), 1, "{columns}x{rows}:\n{shown}");
            }
        }
    }

    #[test]
    fn a_narrow_terminal_leaves_the_title_out_and_not_the_state() {
        let list = List::new("Which?", vec![entry("anthropic", "A long title of it", "signed in\x1b[2J")]);
        assert!(list.shown(80, 24, PLAIN).contains("> anthropic  A long title of it  signed in [2J"));
        assert!(list.shown(40, 24, PLAIN).contains("> anthropic  signed in [2J"));
        assert!(!list.shown(80, 24, PLAIN).contains('\x1b'), "no colours, no controls");
        assert!(list.shown(80, 24, Style { on: true }).contains("\x1b[32msigned in [2J\x1b[0m"));
    }
}

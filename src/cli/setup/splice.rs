//! One change of a text: what stands where, and what takes its place. A file is only ever changed by these, so that all that
//! they don't name stays as it was, byte for byte; backwards, they give back the text of before.

use serde::{Deserialize, Serialize};

/// A change at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Splice {
    /// Where, in bytes.
    at: usize,
    /// What stood there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    old: String,
    /// What stands there now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    new: String,
}

impl Splice {
    /// Puts lines in, with the line ends that the text has.
    pub(super) fn insert(text: &str, at: usize, new: &str) -> Self {
        Self { at, old: String::new(), new: new.replace('\n', line_end(text)) }
    }

    /// Takes a part out.
    pub(super) fn remove(text: &str, part: std::ops::Range<usize>) -> Self {
        Self { at: part.start, old: text.get(part).unwrap_or_default().to_owned(), new: String::new() }
    }

    /// Puts a word in the place of another.
    pub(super) fn replace(text: &str, part: std::ops::Range<usize>, new: &str) -> Self {
        Self { new: new.replace('\n', line_end(text)), ..Self::remove(text, part) }
    }

    /// What stood there, if this stands there now.
    pub(super) fn replaced_by(&self, new: &str) -> Option<&str> {
        (self.new == new && !self.old.is_empty()).then_some(&self.old)
    }

    /// The text after it; `None` if something else stands there.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let (before, rest) = (text.get(..self.at)?, text.get(self.at..)?);
        let after = rest.strip_prefix(self.old.as_str())?;
        Some([before, &self.new, after].concat())
    }

    /// The same with the blank line before it, if one of these put in both.
    pub(super) fn with_blank_line(self, text: &str, done: &[Splice]) -> Self {
        let end = line_end(text);
        let first = self.old.lines().next().filter(|first| !first.is_empty());
        let both = |splice: &Splice| splice.new.strip_prefix(end).is_some_and(|new| new.lines().next() == first);
        let before = text.get(..self.at).and_then(|before| before.strip_suffix(end));
        if first.is_some() && before.is_some_and(|before| before.ends_with('\n')) && done.iter().any(both) {
            return Self::remove(text, self.at - end.len()..self.at + self.old.len());
        }
        self
    }

    /// What undoes it.
    pub(super) fn reversed(&self) -> Self {
        Self { at: self.at, old: self.new.clone(), new: self.old.clone() }
    }

    /// What it put in, in one line, if that still stands somewhere in a text.
    pub(super) fn left_in(&self, text: &str) -> Option<String> {
        let put = self.new.trim();
        (!put.is_empty() && text.contains(put)).then(|| put.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The lines that go and those that come, for a person. What stands beside it in a line of its own is the user's, and may be a
    /// secret: more of it than punctuation is not shown.
    pub(super) fn shown(&self, text: &str) -> Vec<String> {
        let start = text.get(..self.at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = self.at + self.old.len();
        let rest = text.get(end..).unwrap_or_default();
        let (head, tail) = (text.get(start..self.at).unwrap_or_default(), rest.split('\n').next().unwrap_or_default());
        let whole = |middle: &str| lines(&format!("{head}{middle}{tail}"));
        let (old, new) = (whole(&self.old), whole(&self.new));
        let (head, tail) = (masked(head), masked(tail));
        let fit = |middle: &str| lines(&format!("{head}{middle}{tail}").replace("……", "…"));
        let (old_shown, new_shown) = (fit(&self.old), fit(&self.new));
        let last = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
        let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count().min(old.len().min(new.len()) - last);
        let kept = |sign: char, all: &[String]| {
            let all = all.get(first..all.len() - last).unwrap_or_default();
            // An empty text has no line that could go.
            let all = all.iter().filter(|line| sign == '+' || !line.is_empty());
            all.map(|line| format!("{sign} {}", printable(line))).collect()
        };
        let mut shown: Vec<String> = kept('-', &old_shown);
        shown.extend::<Vec<String>>(kept('+', &new_shown));
        shown
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

/// No commands for a terminal, whatever stands in the file.
pub(super) fn printable(line: &str) -> String {
    line.replace(|c: char| c.is_control() && c != '\t', "…")
}

fn masked(part: &str) -> String {
    let harmless = |c: char| c.is_whitespace() || "{}[](),:\"".contains(c);
    if part.chars().all(harmless) { part.to_owned() } else { "…".to_owned() }
}

/// The line ends of a text: those of its first line.
pub(super) fn line_end(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The number of the line in which a byte is, from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Where the line ends in which a byte is: behind its line end, if it has one.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| at + found + 1)
}

/// Whole lines put in where a line begins. A text that ends in the middle of one goes on without a line end, as it was.
pub(super) fn insert_lines(text: &str, at: usize, lines: &str) -> Splice {
    let unended = at == text.len() && !text.is_empty() && !text.ends_with('\n');
    match unended {
        true => Splice::insert(text, at, &format!("\n{}", lines.trim_end_matches('\n'))),
        false => Splice::insert(text, at, lines),
    }
}

/// Whole lines taken out. At the end of a text that ends without a line end, the one before them goes instead of theirs.
pub(super) fn remove_lines(text: &str, mut part: std::ops::Range<usize>) -> Splice {
    if part.end == text.len() && part.start > 0 && !text.ends_with('\n') {
        part.start -= if text[..part.start].ends_with("\r\n") { 2 } else { 1 };
    }
    Splice::remove(text, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backwards_it_gives_back_the_text_and_never_changes_another() {
        for (text, at, new) in [("a\nb\n", 2, "x\n"), ("a", 1, "\nx"), ("", 0, "x\n"), ("ä\r\nb", 4, "x\n")] {
            let splice = Splice::insert(text, at, new);
            let after = splice.apply(text).expect("a text");
            assert_eq!(splice.reversed().apply(&after).as_deref(), Some(text));
            assert_eq!(splice.reversed().apply("something else altogether"), None);
        }
        assert_eq!(Splice::insert("ä", 1, "x").apply("ä"), None, "in the middle of a character");
    }

    #[test]
    fn whole_lines_come_and_go_whatever_the_end() {
        for text in ["", "a\n", "a", "a\r\n", "a\r\nb"] {
            let after = insert_lines(text, text.len(), "x\ny\n").apply(text).expect("a text");
            assert_eq!(after.contains("\r\nx"), text.contains('\r'), "{text:?}");
            assert_eq!(after.ends_with('\n'), text.is_empty() || text.ends_with('\n'), "{text:?}");
            let part = after.find('x').expect("there")..after.len();
            assert_eq!(remove_lines(&after, part).apply(&after).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_blank_line_goes_with_the_lines_that_it_came_with() {
        for (text, put, left) in [
            ("a\n\nx\ny\n", "\nx\n", "a\ny\n"),
            ("a\r\n\r\nx\r\n", "\r\nx\r\n", "a\r\n"),
            ("a\n\nx\n", "x\n", "a\n\n"),
            ("a\n\nx\n", "\nxx\n", "a\n\n"),
            ("a\nx\n", "\nx\n", "a\n"),
        ] {
            let at = text.find('x').expect("there");
            let lines = remove_lines(text, at..next_line(text, at));
            let gone = lines.with_blank_line(text, &[Splice::insert("", 0, put)]).apply(text);
            assert_eq!(gone.as_deref(), Some(left), "{text:?} {put:?}");
        }
    }

    #[test]
    fn a_person_sees_what_comes_and_goes_and_nothing_of_the_line_beside_it() {
        for (text, splice, shown) in [
            ("", Splice::insert("", 0, "a\nb\n"), &["+ a", "+ b"][..]),
            ("a\n", Splice::insert("a\n", 2, "b\n"), &["+ b"]),
            ("a", insert_lines("a", 1, "b\n"), &["+ b"]),
            ("{\n  \"s\": 1\n}", Splice::insert("", 4, "\"k\": 2,\n  "), &["+   \"k\": 2,"]),
            ("user: old\n", Splice::replace("user: old\n", 6..9, "new"), &["- …old", "+ …new"]),
            ("{\u{b}}", Splice::insert("{}", 1, "\"k\": 2"), &["- {…}", "+ {\"k\": 2…}"]),
            ("\ra: b\n", Splice::replace("\ra: b\n", 4..5, "c"), &["- …b", "+ …c"]),
            ("{\"s\": \"secret\"}", Splice::insert("", 1, "\"k\": 2, "), &["- {…", "+ {\"k\": 2, …"]),
        ] {
            assert_eq!(splice.shown(text), shown, "{text}");
        }
    }
}

//! Files of lines that each say one thing, as npm, bazel, go and terraform keep their settings.

use serde::{Deserialize, Serialize};

use super::super::splice::{Splice, insert_lines, line_at, remove_lines};
use super::Look;

/// A line, or several that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Line {
    /// What it is called in a sentence, where it is put in.
    #[serde(skip)]
    pub(in super::super) what: &'static str,
    /// What another line for the same begins with.
    pub(in super::super) same: String,
    /// The lines, without the last line end.
    pub(in super::super) text: String,
}

impl Line {
    pub(super) fn name(&self) -> String {
        self.what.to_owned()
    }

    pub(super) fn look(&self, text: &str) -> Look {
        if self.find(text).is_some() {
            return Look::There;
        }
        let same = lines(text).find(|(_, line)| line.trim_start().starts_with(&self.same));
        match same {
            Some((range, _)) => Look::Other(line_at(text, range.start)),
            None => Look::Missing(insert_lines(text, text.len(), &format!("{}\n", self.text))),
        }
    }

    pub(super) fn take(&self, text: &str) -> Option<Splice> {
        self.find(text).map(|part| remove_lines(text, part))
    }

    fn find(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let wanted: Vec<&str> = self.text.lines().map(str::trim).collect();
        let all: Vec<_> = lines(text).collect();
        let found = all
            .windows(wanted.len())
            .find(|found| found.iter().map(|(_, line)| line.trim()).eq(wanted.iter().copied()))?;
        Some(found.first()?.0.start..found.last()?.0.end)
    }
}

fn lines(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start..*at, line))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::play::put_in;
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry::Line(Line { what: "it", same: "key=".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn lines_come_last_and_nothing_else_changes() {
        for (before, after) in [
            ("", "key=x\n"),
            ("# key=y\nother", "# key=y\nother\nkey=x"),
            ("other\r\n", "other\r\nkey=x\r\n"),
            ("\n\n", "\n\nkey=x\n"),
        ] {
            assert_eq!(put_in(&entry("key=x"), before), after);
        }
        assert_eq!(put_in(&entry("key=x {\n  y\n}"), "a\r\n"), "a\r\nkey=x {\r\n  y\r\n}\r\n");
        assert_eq!(entry("key=x").look("a\n key=y\n"), Ok(Look::Other(2)));
    }
}

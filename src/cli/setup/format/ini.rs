//! Sections of `key = value` lines, as git, pip, aws and rclone keep their settings. Lines are all that is looked at: what is
//! between them, and how they are written, stays.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::super::splice::{Splice, insert_lines, line_at, remove_lines};
use super::Look;

/// Lines of a section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Ini {
    /// Its header, without the brackets.
    pub(in super::super) section: String,
    /// The key of all of them.
    pub(in super::super) key: Cow<'static, str>,
    /// One line for each value.
    pub(in super::super) values: Vec<String>,
    /// Where they stand among others of that key.
    pub(in super::super) order: Order,
    /// What a line begins with that is put in.
    #[serde(skip)]
    pub(in super::super) indent: &'static str,
}

/// What other lines of the same key mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Order {
    /// There is one at most.
    Alone,
    /// Each counts, and the first most.
    First,
    /// Each counts, and the last can undo those before.
    Last,
}

/// One line that says something.
struct Written<'a> {
    range: Range<usize>,
    header: bool,
    text: &'a str,
}

impl Ini {
    pub(super) fn name(&self) -> String {
        format!("`{}` in [{}]", self.key, self.section)
    }

    pub(super) fn look(&self, text: &str) -> Look {
        let lines = self.own_lines(text);
        let keyed: Vec<_> = lines.iter().filter(|line| !line.header && self.value(line.text).is_some()).collect();
        if self.find(text).is_some() {
            return Look::There;
        }
        if let (Order::Alone, Some(other)) = (self.order, keyed.first()) {
            return Look::Other(line_at(text, other.range.start));
        }
        let ours: String = self.values.iter().map(|value| self.line(value)).collect();
        let at = match (self.order, keyed.first(), lines.last()) {
            (Order::First, Some(first), _) => first.range.start,
            (_, _, Some(last)) => last.range.end,
            (_, _, None) => {
                let header = format!("[{}]\n{ours}", self.section);
                // Files with blank lines between their sections get one more.
                let blank = text.contains("\n[") && (text.contains("\n\n[") || text.contains("\n\r\n["));
                let header = if blank { format!("\n{header}") } else { header };
                return Look::Missing(insert_lines(text, text.len(), &header));
            }
        };
        Look::Missing(insert_lines(text, at, &ours))
    }

    /// Whether its lines stand in a text.
    pub(in super::super) fn is_in(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// The line of a text in which a section has a key.
    pub(in super::super) fn line_of(text: &str, section: &str, key: &'static str) -> Option<usize> {
        let entry =
            Self { section: section.to_owned(), key: key.into(), values: Vec::new(), order: Order::Alone, indent: "" };
        let lines = entry.own_lines(text);
        let line = lines.iter().find(|line| !line.header && entry.value(line.text).is_some())?;
        Some(line_at(text, line.range.start))
    }

    pub(super) fn take(&self, text: &str) -> Option<Splice> {
        let mut part = self.find(text)?;
        let lines = self.own_lines(text);
        // A section that has nothing else goes, too.
        let header = lines.iter().rfind(|line| line.header && line.range.end <= part.start);
        if let Some(header) = header {
            let rest = text.get(part.end..).unwrap_or_default();
            let next = rest.lines().map(str::trim).find(|line| !line.is_empty());
            let alone = text.get(header.range.end..part.start).is_some_and(|between| between.trim().is_empty());
            if alone && next.is_none_or(|line| line.starts_with('[')) {
                part.start = header.range.start;
            }
        }
        Some(remove_lines(text, part))
    }

    fn line(&self, value: &str) -> String {
        format!("{}{} =", self.indent, self.key) + if value.is_empty() { "" } else { " " } + value + "\n"
    }

    /// Where all the values stand, one line after the other.
    fn find(&self, text: &str) -> Option<Range<usize>> {
        let lines = self.own_lines(text);
        let all = lines.windows(self.values.len().max(1)).find(|lines| {
            let values = lines.iter().map(|line| self.value(line.text));
            values.eq(self.values.iter().map(|value| Some(value.as_str())))
        })?;
        Some(all.first()?.range.start..all.last()?.range.end)
    }

    fn value<'a>(&self, line: &'a str) -> Option<&'a str> {
        let (key, value) = line.split_once('=')?;
        key.trim().eq_ignore_ascii_case(&self.key).then_some(value.trim())
    }

    /// The section's lines that say something, its header first; those of every section of that name.
    fn own_lines<'a>(&self, text: &'a str) -> Vec<Written<'a>> {
        let (mut at, mut inside, mut continued) = (0, false, false);
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let range = at..at + line.len();
            at = range.end;
            let line = line.trim();
            let comment = line.starts_with(['#', ';']);
            // In git's files a value goes on in the next line; in others a backslash is one, at the end of a path.
            let goes_on = std::mem::replace(&mut continued, !comment && self.is_gits() && line.ends_with('\\'));
            let header = !goes_on && line.starts_with('[');
            if header {
                let name = line.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name.trim());
                inside = name.is_some_and(|name| self.is_section(name));
            }
            if inside && !line.is_empty() && !comment {
                lines.push(Written { range, header, text: line });
            }
        }
        lines
    }

    /// Only git has several values of a key.
    fn is_gits(&self) -> bool {
        self.order != Order::Alone
    }

    /// Git alone reads a name without regard to case, but for a second part in quotes. To others [dav] and [Dav] are two, and what
    /// stands in one is not for the other's server.
    fn is_section(&self, name: &str) -> bool {
        let split =
            |name: &str| name.split_once('"').map(|(first, rest)| (first.trim().to_lowercase(), rest.to_owned()));
        match (split(name), split(&self.section)) {
            (Some(a), Some(b)) => a == b,
            _ => name == self.section || self.is_gits() && name.eq_ignore_ascii_case(&self.section),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::play::put_in;
    use super::*;

    fn entry(order: Order, values: &[&str]) -> Entry {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Entry::Ini(Ini { section: "cred \"https://A\"".to_owned(), key: "helper".into(), values, order, indent: "\t" })
    }

    #[test]
    fn lines_go_to_their_section_or_into_a_new_one() {
        for (before, after) in [
            ("", "[cred \"https://A\"]\nLINES"),
            ("[a]\nb = 1", "[a]\nb = 1\n[cred \"https://A\"]\n\thelper =\n\thelper = x"),
            ("[a]\n\n[b]\n", "[a]\n\n[b]\n\n[cred \"https://A\"]\nLINES"),
            ("# c\r\n", "# c\r\n[cred \"https://A\"]\r\n\thelper =\r\n\thelper = x\r\n"),
            ("[Cred \"https://A\"]\n b=1 # c\n\n# end\n[z]\n", "[Cred \"https://A\"]\n b=1 # c\nLINES\n# end\n[z]\n"),
            ("[cred \"https://a\"]\nhelper = x\n", "[cred \"https://a\"]\nhelper = x\n[cred \"https://A\"]\nLINES"),
            (
                "[cred]\nhelper =\nhelper = x",
                "[cred]\nhelper =\nhelper = x\n[cred \"https://A\"]\n\thelper =\n\thelper = x",
            ),
            ("[cred \"https://A\"]\nhelper = y\n", "[cred \"https://A\"]\nhelper = y\nLINES"),
        ] {
            let lines = "\thelper =\n\thelper = x\n";
            assert_eq!(put_in(&entry(Order::Last, &["", "x"]), before), after.replace("LINES", lines));
        }
    }

    #[test]
    fn the_first_of_several_stands_before_them_and_the_only_one_has_none_beside_it() {
        let text = "[cred \"https://A\"]\na = 1\n  HELPER = y\nhelper = z\n";
        let after = put_in(&entry(Order::First, &["x"]), text);
        assert_eq!(after, "[cred \"https://A\"]\na = 1\n\thelper = x\n  HELPER = y\nhelper = z\n");
        assert_eq!(entry(Order::Alone, &["x"]).look(text), Ok(Look::Other(3)));
        assert_eq!(entry(Order::Alone, &["y"]).look(text), Ok(Look::There));
    }

    #[test]
    fn a_section_ends_where_the_tool_ends_it_and_is_nobody_elses() {
        let alone = Entry::Ini(Ini {
            section: "dav".to_owned(),
            key: "token_command".into(),
            values: vec!["x".to_owned()],
            order: Order::Alone,
            indent: "",
        });
        for (before, after) in [
            ("[dav]\na = 1\n[Dav]\nb = 1\n", "[dav]\na = 1\nLINE[Dav]\nb = 1\n"),
            ("[DAV]\nb = 1\n", "[DAV]\nb = 1\n[dav]\nLINE"),
            ("[dav]\na = C:\\x\\\n[other]\nb = 1\n", "[dav]\na = C:\\x\\\nLINE[other]\nb = 1\n"),
        ] {
            assert_eq!(put_in(&alone, before), after.replace("LINE", "token_command = x\n"));
        }
        let git = entry(Order::First, &["x"]);
        for (before, after) in [
            ("[cred \"https://A\"]\n# C:\\\n[user]\na = 1\n", "[cred \"https://A\"]\nLINE# C:\\\n[user]\na = 1\n"),
            ("[cred \"https://A\"]\na = \\\n[b]\nc = 1\n", "[cred \"https://A\"]\na = \\\n[b]\nc = 1\nLINE"),
        ] {
            assert_eq!(put_in(&git, before), after.replace("LINE", "\thelper = x\n"));
        }
    }

    #[test]
    fn what_was_changed_since_is_taken_out_where_it_is() {
        let take =
            |text: &str| entry(Order::Last, &["x"]).take(text, &[]).expect(text).map(|it| it.apply(text).expect(text));
        for (before, after) in [
            ("[a]\n[cred \"https://A\"]\nhelper=x\n\n[b]\n", Some("[a]\n\n[b]\n")),
            ("[cred \"https://A\"]\n# mine\nhelper=x\n", Some("[cred \"https://A\"]\n# mine\n")),
            ("[cred \"https://A\"]\nhelper=x\nhelper = y", Some("[cred \"https://A\"]\nhelper = y")),
            ("[cred \"https://A\"]\nhelper=y\nhelper = x", Some("[cred \"https://A\"]\nhelper=y")),
            ("[cred \"https://A\"]\nhelper=xy\n", None),
        ] {
            assert_eq!(take(before).as_deref(), after, "{before}");
        }
    }
}

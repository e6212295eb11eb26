//! TOML, as cargo, Codex, uv and we ourselves keep our settings: a key of a table.
//!
//! A key goes to the end of its table where that has a header, else a table is put at the end. What is written in line or with
//! dots is left to the person.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::splice::{Splice, insert_lines, line_at, next_line, remove_lines};
use super::{Look, Wrong};

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Toml {
    /// The names of its table; none for the keys before the first table.
    pub(in super::super) table: Vec<String>,
    /// Its name there.
    pub(in super::super) key: String,
    /// Its value.
    pub(in super::super) value: toml::Value,
}

impl Toml {
    pub(super) fn name(&self) -> String {
        self.table.iter().chain([&self.key]).map(|name| key(name)).collect::<Vec<_>>().join(".")
    }

    pub(super) fn look(&self, text: &str) -> Result<Look, Wrong> {
        let parsed = parse(text)?;
        let mut table = parsed.get_ref();
        let mut header = None;
        for name in &self.table {
            let Some((_, value)) = member(table, name) else { return Ok(Look::Missing(self.new_table(text))) };
            let DeValue::Table(inner) = value.get_ref() else {
                return Ok(Look::Other(line_at(text, value.span().start)));
            };
            (table, header) = (inner, Some(value.span()));
        }
        if let Some((_, value)) = member(table, &self.key) {
            let same = parse_value(text, &value.span()).as_ref() == Some(&self.value);
            return Ok(if same { Look::There } else { Look::Other(line_at(text, value.span().start)) });
        }
        let line = format!("{} = {}\n", key(&self.key), self.value);
        let at = match (last_value(text, table), header) {
            (Some(end), None) => next_line(text, end),
            (None, None) => return Ok(Look::Missing(before_tables(text, &line))),
            (end, Some(header)) if text.get(header.clone()).is_some_and(|text| text.starts_with('[')) => {
                next_line(text, end.unwrap_or(header.end))
            }
            // No header: there are tables below it alone, or it is in line.
            (_, Some(_)) => {
                let splice = self.new_table(text);
                let fits = splice.apply(text).is_some_and(|after| parse(&after).is_ok());
                let at = table.keys().map(|name| line_at(text, name.span().start)).min();
                return Ok(if fits { Look::Missing(splice) } else { Look::Other(at.unwrap_or(1)) });
            }
        };
        Ok(Look::Missing(insert_lines(text, at, &line)))
    }

    pub(super) fn take(&self, text: &str) -> Result<Option<Splice>, Wrong> {
        if self.look(text)? != Look::There {
            return Ok(None);
        }
        let parsed = parse(text)?;
        let (mut table, mut header) = (parsed.get_ref(), None);
        for name in &self.table {
            let Some((_, value)) = member(table, name) else { return Ok(None) };
            let DeValue::Table(inner) = value.get_ref() else { return Ok(None) };
            (table, header) = (inner, Some(value.span()));
        }
        let Some((name, value)) = member(table, &self.key) else { return Ok(None) };
        let start = line_start(text, name.span().start);
        if table.len() == 1
            && let Some(header) = header.filter(|header| text.get(header.clone()).is_some_and(|it| it.starts_with('[')))
        {
            let alone = text.get(header.end..start).is_some_and(|between| between.trim().is_empty());
            let start = if alone { line_start(text, header.start) } else { start };
            return Ok(Some(remove_lines(text, start..next_line(text, value.span().end))));
        }
        let own_line = text.get(start..name.span().start).is_some_and(|before| before.trim().is_empty());
        let part = start..next_line(text, value.span().end);
        Ok(own_line.then(|| remove_lines(text, part)))
    }

    /// The table with the key, at the end.
    fn new_table(&self, text: &str) -> Splice {
        let name = self.table.iter().map(|name| key(name)).collect::<Vec<_>>().join(".");
        let blank = if text.trim().is_empty() { "" } else { "\n" };
        insert_lines(text, text.len(), &format!("{blank}[{name}]\n{} = {}\n", key(&self.key), self.value))
    }
}

/// Why a text is no TOML, before anything is looked for in it.
pub(in super::super) fn check(text: &str) -> Result<(), Wrong> {
    parse(text).map(drop)
}

fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Wrong> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        Wrong::at(line_at(text, at), "this is not valid TOML")
    })
}

fn member<'a, 'i>(
    table: &'a DeTable<'i>,
    name: &str,
) -> Option<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

fn parse_value(text: &str, span: &Range<usize>) -> Option<toml::Value> {
    let table: toml::Table = toml::from_str(&format!("v = {}", text.get(span.clone())?)).ok()?;
    table.get("v").cloned()
}

/// Where the last value ends that stands under the table's own header.
fn last_value(text: &str, table: &DeTable<'_>) -> Option<usize> {
    let ends = table.iter().filter_map(|(name, value)| match value.get_ref() {
        // One with a header of its own stands elsewhere: the name is within it.
        _ if value.span().start < name.span().start => None,
        // Without braces it is one with dots, or there are headers below it alone.
        DeValue::Table(inner) if !text.get(value.span())?.starts_with('{') => last_value(text, inner),
        _ => Some(value.span().end),
    });
    ends.max()
}

/// A line before the first table: behind the comments at the very top, if a blank line ends them.
fn before_tables(text: &str, line: &str) -> Splice {
    let top: usize = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    let blank = text.get(top..).and_then(|rest| rest.split_inclusive('\n').next());
    let at = blank.filter(|line| line.trim().is_empty()).map_or(0, |line| top + line.len());
    if text.get(at..).is_none_or(str::is_empty) {
        insert_lines(text, text.len(), line)
    } else {
        Splice::insert(text, at, line)
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// A key as it is written: bare where it can be.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if bare { name.to_owned() } else { toml::Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::play::put_in;
    use super::*;

    fn entry(table: &[&str]) -> Entry {
        let table = table.iter().map(|name| (*name).to_owned()).collect();
        Entry::Toml(Toml { table, key: "https://a".to_owned(), value: "x".into() })
    }

    const LINE: &str = "\"https://a\" = \"x\"";

    #[test]
    fn a_key_goes_to_the_end_of_its_table_or_into_a_new_one() {
        for (before, after) in [
            ("", "[t.u]\nLINE\n"),
            ("a = 1", "a = 1\n\n[t.u]\nLINE"),
            ("a = 1\r\n", "a = 1\r\n\r\n[t.u]\r\nLINE\r\n"),
            ("[t.u]", "[t.u]\nLINE"),
            ("[t.u] # c\n\n[v]\n", "[t.u] # c\nLINE\n\n[v]\n"),
            ("[t.u]\n  a = 1 # c\n# end\n", "[t.u]\n  a = 1 # c\nLINE\n# end\n"),
            ("[t.u]\na = [\n 1,\n]\n[t]\nb = 1\n", "[t.u]\na = [\n 1,\n]\nLINE\n[t]\nb = 1\n"),
            (
                "[t.u]\na = \"\"\"\n[x]\n\"\"\"\n[t.u.v]\nb = 1\n",
                "[t.u]\na = \"\"\"\n[x]\n\"\"\"\nLINE\n[t.u.v]\nb = 1\n",
            ),
            ("[t.u]\nb.c = 1\na = { d = 1 }\n", "[t.u]\nb.c = 1\na = { d = 1 }\nLINE\n"),
            ("[t.u.v]\nb = 1\n", "[t.u.v]\nb = 1\n\n[t.u]\nLINE\n"),
            ("[t]\nu.v = 1\n", "?"),
            ("t = { u = {} }\n", "?"),
            ("t.u = { a = 1 }\n", "?"),
        ] {
            if after == "?" {
                assert_eq!(
                    entry(&["t", "u"]).look(before).ok(),
                    Some(Look::Other(1)).map(|other| match before {
                        "[t]\nu.v = 1\n" => Look::Other(2),
                        _ => other,
                    }),
                    "{before}"
                );
                continue;
            }
            assert_eq!(put_in(&entry(&["t", "u"]), before), after.replace("LINE", LINE));
        }
    }

    #[test]
    fn a_key_of_no_table_stands_before_the_first_one() {
        for (before, after) in [
            ("", "LINE\n"),
            ("# c\n\n[t]\n", "# c\n\nLINE\n[t]\n"),
            ("# c\n[t]\n", "LINE\n# c\n[t]\n"),
            ("a = 1\n[t]\nb = 1\n", "a = 1\nLINE\n[t]\nb = 1\n"),
            ("[t.u]\nb = 1\n", "LINE\n[t.u]\nb = 1\n"),
            ("a.b = [[1]]\n[t.u]\n", "a.b = [[1]]\nLINE\n[t.u]\n"),
            ("[[p]]\nb = 1\n", "LINE\n[[p]]\nb = 1\n"),
            ("a = 1\n[[p]]\nb = 1\n[[p]]\nb = 2\n", "a = 1\nLINE\n[[p]]\nb = 1\n[[p]]\nb = 2\n"),
        ] {
            assert_eq!(put_in(&entry(&[]), before), after.replace("LINE", LINE));
        }
    }

    #[test]
    fn what_was_changed_since_is_taken_out_where_it_is() {
        let take =
            |text: &str| entry(&["t"]).take(text, &[]).expect(text).map(|splice| splice.apply(text).expect(text));
        for (before, after) in [
            ("[t]\n'https://a' = 'x'\n", Some("")),
            ("[t]\n'https://a'='x' # c\nb = 1\n", Some("[t]\nb = 1\n")),
            ("a = 1\n[t]\n# c\n'https://a' = 'x'\n", Some("a = 1\n[t]\n# c\n")),
            ("[t]\n'https://a' = 'y'\n", None),
            ("t = { 'https://a' = 'x' }\n", None),
            ("", None),
        ] {
            assert_eq!(take(before).as_deref(), after, "{before}");
        }
    }

    #[test]
    fn anothers_setting_is_left_and_a_broken_file_named_by_its_line() {
        assert_eq!(entry(&["t"]).look("\n[t]\n'https://a' = 'y'"), Ok(Look::Other(3)));
        assert_eq!(entry(&["t"]).look("t = 1\n"), Ok(Look::Other(1)));
        assert_eq!(entry(&["t"]).look("a = 1\nb = canary\n"), Err(Wrong::at(2, "this is not valid TOML")));
    }
}

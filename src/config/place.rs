//! Where in the file a mistake is: the key that a place in the text belongs to, and the line of a key.
//!
//! For errors alone, in a text that is TOML. Keys are shown as the file has them; values never are.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line of a place in the text, from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The key whose value is at that place; none where the text is no TOML, or the place is a table's.
pub(super) fn key_at(text: &str, place: &Range<usize>) -> Option<String> {
    let file = DeTable::parse(text).ok()?;
    let mut found = None;
    in_table(file.get_ref(), place, &mut found);
    found.map(|(key, _)| crate::redact::server_text(&key))
}

/// The key with the smallest value around the place.
fn in_table(table: &DeTable<'_>, place: &Range<usize>, found: &mut Option<(String, usize)>) {
    for (key, value) in table.iter() {
        let span = value.span();
        let smaller = found.as_ref().is_none_or(|(_, size)| span.len() <= *size);
        if span.start <= place.start && place.end <= span.end && smaller {
            *found = Some((key.get_ref().to_string(), span.len()));
        }
        match value.get_ref() {
            DeValue::Table(inner) => in_table(inner, place, found),
            DeValue::Array(list) => {
                let tables = list.iter().filter_map(|value| value.get_ref().as_table());
                tables.for_each(|inner| in_table(inner, place, found));
            }
            _ => {}
        }
    }
}

/// The line of a key, or of the innermost table on the way to it that is there.
pub(super) fn line_of(text: &str, path: &[&str]) -> usize {
    let Ok(file) = DeTable::parse(text) else { return 1 };
    let mut table = Some(file.get_ref());
    let mut place = 0;
    for part in path {
        let found: Option<(&Spanned<_>, &Spanned<_>)> =
            table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == part));
        let Some((key, value)) = found else { break };
        place = key.span().start;
        table = value.get_ref().as_table();
    }
    line(text, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[p.x]\ni = 'u'\nt = { k = 'v' }\n[p.x.r]\nh = [ 'one',\n 'two' ]\n[[p.x.e]]\nc = 'w'\n\
                        [p]\nz.y = 2\n";

    #[test]
    fn a_value_belongs_to_its_key_wherever_it_stands() {
        for (value, key) in
            [("1", "a"), ("'u'", "i"), ("'v'", "k"), ("'two'", "h"), ("'w'", "c"), ("2", "y"), ("{ k = 'v' }", "t")]
        {
            let start = TEXT.find(value).expect(value);
            assert_eq!(key_at(TEXT, &(start..start + value.len())).as_deref(), Some(key), "{value}");
        }
        assert_eq!(key_at("a = [\n", &(0..1)), None);
    }

    #[test]
    fn a_key_is_on_its_line_and_one_that_is_missing_on_its_tables() {
        for (path, line) in [
            (&["a"][..], 1),
            (&["p", "x", "i"], 3),
            (&["p", "x", "t", "k"], 4),
            (&["p", "x", "r", "h"], 6),
            (&["p", "x", "none"], 2),
            (&["p", "z", "y"], 11),
            (&["q"], 1),
        ] {
            assert_eq!(line_of(TEXT, path), line, "{path:?}");
        }
    }
}

//! JSON, as docker and Claude Code keep their settings: a member at the end of a path of names.

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::{Deserialize, Serialize};

use super::super::splice::{Splice, line_at};
use super::{Look, Wrong};

/// A member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Json {
    /// The names on the way to it, and its own.
    pub(in super::super) path: Vec<String>,
    /// Its value.
    pub(in super::super) value: serde_json::Value,
}

impl Json {
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }

    pub(super) fn look(&self, text: &str) -> Result<Look, Wrong> {
        let Some(root) = parse(text)? else {
            let whole = self.nested(&self.path);
            return Ok(Look::Missing(Splice::insert(text, 0, &format!("{}\n", written(&whole, "  ", "")))));
        };
        let Value::Object(mut object) = root else { return Ok(Look::Other(1)) };
        let mut unit = None;
        for (depth, name) in self.path.iter().enumerate() {
            unit = unit.or_else(|| indent_of(text, object.properties.first()?).filter(|indent| !indent.is_empty()));
            let Some(member) = object.take(name) else {
                let (_, rest) = self.path.split_at(depth + 1);
                return Ok(Look::Missing(put_in(text, &object, name, &self.nested(rest), unit.unwrap_or("  "))));
            };
            let last = depth + 1 == self.path.len();
            match member.value {
                value if last && plain(&value).as_ref() == Some(&self.value) => return Ok(Look::There),
                Value::Object(inner) if !last => object = inner,
                value => return Ok(Look::Other(line_at(text, value.range().start))),
            }
        }
        Ok(Look::Other(1))
    }

    pub(super) fn take(&self, text: &str) -> Result<Option<Splice>, Wrong> {
        let Some(Value::Object(root)) = parse(text)? else { return Ok(None) };
        let mut object = &root;
        // The outermost object that has nothing else goes with it.
        let mut goes: Option<(&Object<'_>, usize)> = None;
        for (depth, name) in self.path.iter().enumerate() {
            let at = object.properties.iter().position(|member| member.name.as_str() == name.as_str());
            let Some((at, member)) = at.and_then(|at| Some((at, object.properties.get(at)?))) else { return Ok(None) };
            if goes.is_none() || object.properties.len() > 1 {
                goes = Some((object, at));
            }
            match &member.value {
                Value::Object(inner) if depth + 1 < self.path.len() => object = inner,
                value if depth + 1 == self.path.len() && plain(value).as_ref() == Some(&self.value) => {}
                _ => return Ok(None),
            }
        }
        Ok(goes.map(|(object, at)| Splice::remove(text, with_comma(text, object, at))))
    }

    /// The value within objects of these names.
    fn nested(&self, names: &[String]) -> serde_json::Value {
        let wrap = |value, name: &String| serde_json::Value::from_iter([(name.clone(), value)]);
        names.iter().rev().fold(self.value.clone(), wrap)
    }
}

/// The document; none where there is nothing but blanks.
fn parse(text: &str) -> Result<Option<Value<'_>>, Wrong> {
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..ParseOptions::default()
    };
    match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(Wrong::at(error.line_display(), "this is not valid JSON")),
    }
}

fn put_in(text: &str, object: &Object<'_>, name: &str, value: &serde_json::Value, unit: &str) -> Splice {
    let member = |indent: &str, value: String| {
        let name = serde_json::Value::from(name);
        format!("{indent}{name}: {value}")
    };
    let Some(first) = object.properties.first() else {
        let start = object.range.start;
        let line = text.get(line_start(text, start)..).unwrap_or_default();
        let outer: String = line.chars().take_while(|c| " \t".contains(*c)).collect();
        let indent = format!("{outer}{unit}");
        let inside = text.get(start + 1..object.range.end).unwrap_or_default();
        let closing = if inside.contains('\n') { String::new() } else { format!("\n{outer}") };
        let member = member(&indent, written(value, unit, &indent));
        return Splice::insert(text, start + 1, &format!("\n{member}{closing}"));
    };
    let at = first.range.start;
    match indent_of(text, first) {
        Some(indent) => Splice::insert(text, at, &format!("{},\n{indent}", member("", written(value, unit, indent)))),
        None => Splice::insert(text, at, &format!("{}, ", member("", value.to_string()))),
    }
}

/// The blanks before a member that stands first in its line, which is not the text's first.
fn indent_of<'a>(text: &'a str, member: &ObjectProp<'_>) -> Option<&'a str> {
    let start = line_start(text, member.range.start);
    text.get(start..member.range.start).filter(|indent| start > 0 && indent.trim().is_empty())
}

/// Where a byte's line begins.
fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

fn written(value: &serde_json::Value, unit: &str, indent: &str) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter));
    String::from_utf8(out).unwrap_or_default().replace('\n', &format!("\n{indent}"))
}

/// A member with the comma that separates it from the others.
fn with_comma(text: &str, object: &Object<'_>, at: usize) -> std::ops::Range<usize> {
    let range = |at: usize| object.properties.get(at).map(|member| member.range.start..member.range.end);
    let own = range(at).unwrap_or_default();
    if let Some(next) = range(at + 1) {
        return own.start..next.start;
    }
    if let Some(before) = at.checked_sub(1).and_then(range) {
        return before.end..own.end;
    }
    let (open, close) = (object.range.start + 1, object.range.end - 1);
    let blank = |part: std::ops::Range<usize>| text.get(part).is_some_and(|part| part.trim().is_empty());
    let alone = blank(open..own.start) && blank(own.end..close);
    if alone { open..close } else { own }
}

fn plain(value: &Value<'_>) -> Option<serde_json::Value> {
    match value {
        Value::StringLit(text) => Some(text.value.as_ref().into()),
        Value::BooleanLit(it) => Some(it.value.into()),
        Value::NumberLit(number) => serde_json::from_str(number.value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::play::put_in;
    use super::*;

    fn entry(path: &[&str]) -> Entry {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Entry::Json(Json { path, value: "cred-helper".into() })
    }

    #[test]
    fn a_member_is_put_in_and_all_else_stays() {
        for (before, after) in [
            ("", "{\n  \"h\": {\n    \"a:5\": \"cred-helper\"\n  }\n}\n"),
            ("{}", "{\n  \"h\": {\n    \"a:5\": \"cred-helper\"\n  }\n}"),
            ("{\n}\n", "{\n  \"h\": {\n    \"a:5\": \"cred-helper\"\n  }\n}\n"),
            ("{\"x\":1}", "{\"h\": {\"a:5\":\"cred-helper\"}, \"x\":1}"),
            ("{ \"x\": 1 }\r\n", "{ \"h\": {\"a:5\":\"cred-helper\"}, \"x\": 1 }\r\n"),
            (
                "{\n\t\"x\": 1,\n\n\t\"y\": 2 }",
                "{\n\t\"h\": {\n\t\t\"a:5\": \"cred-helper\"\n\t},\n\t\"x\": 1,\n\n\t\"y\": 2 }",
            ),
            ("{\n  \"h\": {}\n}", "{\n  \"h\": {\n    \"a:5\": \"cred-helper\"\n  }\n}"),
            (
                "{\r\n    \"h\": {\r\n        \"b\": \"c\"\r\n    }\r\n}",
                "{\r\n    \"h\": {\r\n        \"a:5\": \"cred-helper\",\r\n        \"b\": \"c\"\r\n    }\r\n}",
            ),
            ("// why\n{ /* x */ \"x\": 1, }", "// why\n{ /* x */ \"h\": {\"a:5\":\"cred-helper\"}, \"x\": 1, }"),
        ] {
            assert_eq!(put_in(&entry(&["h", "a:5"]), before), after);
        }
    }

    #[test]
    fn what_was_changed_since_is_taken_out_where_it_is() {
        let take =
            |text: &str| entry(&["h", "a"]).take(text, &[]).expect(text).map(|splice| splice.apply(text).expect(text));
        for (before, after) in [
            ("{\"h\":{\"a\":\"cred-helper\"}}", Some("{}")),
            ("{\"x\":1,\"h\":{\"a\":\"cred-helper\"}}", Some("{\"x\":1}")),
            ("{\"h\":{\"b\":\"c\",\n\"a\":\"cred-helper\"},\"x\":1}", Some("{\"h\":{\"b\":\"c\"},\"x\":1}")),
            ("{\"h\":{\"a\":\"cred-helper\", \"b\":\"c\"}}", Some("{\"h\":{\"b\":\"c\"}}")),
            ("{\"h\":{\"a\":\"other\"}}", None),
            ("{\"h\":\"a\"}", None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(take(before).as_deref(), after, "{before}");
        }
    }

    #[test]
    fn anothers_setting_is_left_and_named_by_its_line() {
        for (text, line) in [("{\n\"h\": 1}", 2), ("{\"h\":{\n\n\"a\": \"other\"}}", 3), ("[]", 1)] {
            assert_eq!(entry(&["h", "a"]).look(text), Ok(Look::Other(line)), "{text}");
        }
        for (text, line) in [("{\n\"h\": }", 2), ("{\"a\": 1}}", 1), ("{'h': 1}", 1), ("{\n\n\"h\": canary}", 3)] {
            let wrong = entry(&["h", "a"]).look(text).expect_err(text);
            assert_eq!(wrong, Wrong::at(line, "this is not valid JSON"), "{text}");
        }
    }
}

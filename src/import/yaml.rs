//! YAML into the tree that JSON makes. Anchors, aliases and tags are refused: no program writes its tokens with them, and
//! an alias of an alias makes a small file large.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::document::ImportError;

/// As deep as a document may be; JSON's reader takes as much.
const MAX_DEPTH: usize = 64;

/// A mapping or sequence that has not ended yet.
enum Open {
    Mapping(Map<String, Value>, Option<String>),
    Sequence(Vec<Value>),
}

/// Reads the first document of a stream.
pub(super) fn parse(text: &str) -> Result<Value, ImportError> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| ImportError::Malformed {
            format: "YAML",
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        let whole = match event {
            Event::Scalar(text, style, 0, None) => scalar(&text, style),
            Event::SequenceStart(0, None) if open.len() < MAX_DEPTH => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(0, None) if open.len() < MAX_DEPTH => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Mapping(fields, _)) => Value::Object(fields),
                Some(Open::Sequence(values)) => Value::Array(values),
                None => return Err(unsuitable()),
            },
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
            Event::DocumentEnd | Event::StreamEnd => break,
            _ => return Err(unsuitable()),
        };
        match open.last_mut() {
            None => return Ok(whole),
            Some(Open::Sequence(values)) => values.push(whole),
            Some(Open::Mapping(fields, name)) => match (name.take(), whole) {
                (Some(name), whole) => drop(fields.insert(name, whole)),
                (None, Value::String(text)) => *name = Some(text),
                (None, Value::Number(number)) => *name = Some(number.to_string()),
                (None, _) => return Err(unsuitable()),
            },
        }
    }
    Ok(Value::Null)
}

fn unsuitable() -> ImportError {
    let message = "this YAML has anchors, tags, keys that are no text, or is too deep: convert it to JSON";
    ImportError::Unsuitable(message.to_owned())
}

/// The core schema's scalars (YAML 1.2.2 section 10.3.2), as far as they matter here: whole numbers, null, texts.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_small_files_large_is_refused() {
        for text in ["a: &x b\nc: *x\n", "a: &x [1]\n", "a: !!binary abc\n", "? [a]\n: b\n"] {
            assert!(matches!(parse(text), Err(ImportError::Unsuitable(_))), "{text}");
        }
        let deep = "[".repeat(500);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn the_first_document_counts_and_nothing_is_null() {
        assert_eq!(parse("a: 1\n---\na: 2\n").ok(), Some(serde_json::json!({"a": 1})));
        assert_eq!(parse("").ok(), Some(Value::Null));
        assert_eq!(parse("gho_token\n").ok(), Some(Value::from("gho_token")));
        assert_eq!(parse("a: '12'\nb: ~\n").ok(), Some(serde_json::json!({"a": "12", "b": null})));
    }
}

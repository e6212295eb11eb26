//! JSON, YAML or TOML as one kind of tree, whose texts are wiped when it goes.

use serde_json::{Map, Value};
use zeroize::Zeroize as _;

use super::yaml;
use crate::ipc::message::import::ImportFormat;

/// What was read; it holds tokens.
pub struct Document(Value);

/// Why nothing can be imported. The file's content is never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not that format.
    #[error("it is not {format}: line {line}, column {column}")]
    Malformed {
        /// What it was taken for.
        format: &'static str,
        /// From one.
        line: usize,
        /// From one.
        column: usize,
    },
    /// It is that format, in a way that is not taken.
    #[error("{0}")]
    Unsuitable(String),
    /// There is neither an access token nor a refresh token.
    #[error("there is no token under a usual name; say where it is with --map access_token=/path/to/it")]
    NoToken,
    /// There are several.
    #[error("there are several tokens ({}); say which with --map access_token=", .0.join(", "))]
    Several(Vec<String>),
    /// Something is where it was said to be, and is no token.
    #[error("nothing at {0} is a token")]
    NotAToken(String),
    /// A time that can't be read.
    #[error("what is at {0} is no time: seconds, milliseconds or RFC 3339")]
    NotATime(String),
}

impl Document {
    /// Reads a document.
    pub fn parse(text: &str, format: ImportFormat) -> Result<Self, ImportError> {
        match format {
            ImportFormat::Json => serde_json::from_str(text).map(Self).map_err(|error| ImportError::Malformed {
                format: "JSON",
                line: error.line(),
                column: error.column(),
            }),
            ImportFormat::Yaml => yaml::parse(text).map(Self),
            ImportFormat::Toml => match text.parse::<toml::Table>() {
                Ok(table) => Ok(Self(from_toml(toml::Value::Table(table)))),
                Err(error) => {
                    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
                    Err(ImportError::Malformed { format: "TOML", line, column })
                }
            },
            ImportFormat::Unknown => Err(ImportError::Unsuitable("that format is not known here".to_owned())),
        }
    }

    /// What is there (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer).filter(|value| !value.is_null())
    }

    /// All of it.
    pub fn root(&self) -> &Value {
        &self.0
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Texts move, so that there is no second copy.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(values) => Value::Array(values.into_iter().map(from_toml).collect()),
        toml::Value::Table(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, from_toml(value))).collect::<Map<_, _>>())
        }
    }
}

/// Line and column, from one, of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_formats_make_one_tree() {
        let texts = [
            (ImportFormat::Json, r#"{"a":{"t":"x","n":5,"l":["p","q"]},"d":"2026-01-02T03:04:05Z"}"#),
            (ImportFormat::Yaml, "a:\n  t: x\n  n: 5\n  l: [p, q]\nd: 2026-01-02T03:04:05Z\n"),
            (ImportFormat::Toml, "d = 2026-01-02T03:04:05Z\n[a]\nt = 'x'\nn = 5\nl = ['p', 'q']\n"),
        ];
        for (format, text) in texts {
            let document = Document::parse(text, format).expect("a document");
            let got = ["/a/t", "/a/n", "/a/l/1", "/d"].map(|pointer| document.at(pointer).cloned().unwrap_or_default());
            assert_eq!(got, [Value::from("x"), 5.into(), "q".into(), "2026-01-02T03:04:05Z".into()], "{format:?}");
            assert_eq!(document.at("/a/none"), None);
        }
    }

    #[test]
    fn an_error_says_where_and_never_what() {
        let texts = [
            (ImportFormat::Json, "{\"access_token\": \"sk-secret\",\n oops}", 2),
            (ImportFormat::Yaml, "a: b\nx: [sk-secret\n", 3),
            (ImportFormat::Toml, "a = 'b'\nx = sk-secret oops\n", 2),
        ];
        for (format, text, expected) in texts {
            let Err(ImportError::Malformed { line, .. }) = Document::parse(text, format) else { panic!("{format:?}") };
            assert_eq!(line, expected, "{format:?}");
        }
    }
}

//! From a message's bytes to a request (JSON-RPC 2.0): the agent's reading of what a stranger wrote.
//!
//! Pure: no I/O, no runtime. An answer to what is no request never quotes it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{Error, ErrorKind, Method, Version};
use crate::secret::Secret;

/// JSON-RPC 2.0 section 5.1: not JSON at all.
const PARSE_ERROR: i32 = -32700;
/// The longest id in bytes: it is kept until the answer and sent back, so it must not be a way to have much sent back.
const MAX_ID: usize = 1024;

/// A request that wants an answer.
pub(crate) struct Asked {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: Secret,
}

/// A request's id, a string or a number, as it was written: it goes back byte by byte. Default: null.
#[derive(Debug, PartialEq)]
pub(crate) struct Id(Box<str>);

impl Default for Id {
    fn default() -> Self {
        Self("null".into())
    }
}

/// A request, its values left as text: a tree of what a stranger wrote takes thirty times its room.
#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "jsonrpc")]
    _version: Version,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Reads a message: a request, a notification (`None`: nothing to answer), or an error to answer with its id.
pub(crate) fn read(message: &[u8]) -> Result<Option<Asked>, (Id, Error)> {
    if message.trim_ascii_start().first() == Some(&b'[') {
        return Err((Id::default(), invalid("batches are not supported: send one request per message")));
    }
    // serde_json's own words may quote the message.
    let request: Incoming<'_> = serde_json::from_slice(message).map_err(|error| {
        if error.is_data() {
            (
                readable_id(message),
                invalid("not a JSON-RPC 2.0 request: it takes jsonrpc \"2.0\", id, method and params"),
            )
        } else {
            (Id::default(), Error { code: PARSE_ERROR, ..invalid("not valid JSON") })
        }
    })?;
    let Some(id) = request.id else { return Ok(None) };
    let Some(id) = Id::new(id) else {
        return Err((Id::default(), invalid("a request's id is a string or a number, of at most 1024 bytes")));
    };
    let params = match request.params.map_or("{}", |params| params.get().trim_ascii()) {
        params if params.starts_with('{') => Secret::from(params.to_owned()),
        _ => return Err((id, Error::new(ErrorKind::InvalidParams, "parameters go by name, in an object"))),
    };
    Ok(Some(Asked { id, method: request.method.into_owned(), params }))
}

/// A method's parameters, read.
pub(crate) fn parameters<M: Method>(params: &Secret) -> Result<M, Error> {
    // The parser's words name fields and types; a value it might quote can be a secret, so they are not passed on.
    serde_json::from_str(&params.expose()).map_err(|error| wrong_params(M::NAME, &error))
}

fn wrong_params(method: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let advice = match message.split_once('`') {
        Some((what @ "missing field ", rest)) => {
            let field: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            format!("{what}`{field}`")
        }
        _ => "see cred-helper-protocol(7)".to_owned(),
    };
    Error::new(ErrorKind::InvalidParams, format!("the parameters are not those of {method}: {advice}"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl Id {
    /// As it goes back.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn new(raw: &RawValue) -> Option<Self> {
        let text = raw.get().trim_ascii();
        let fits = text.len() <= MAX_ID && text.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
        fits.then(|| Self(text.into()))
    }
}

/// The id of what is no request otherwise, so that its sender can tell.
fn readable_id(message: &[u8]) -> Id {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    serde_json::from_slice(message).ok().and_then(|found: Identified<'_>| Id::new(found.id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_answered_as_json_rpc_says() {
        let cases = [
            ("nonsense", PARSE_ERROR, "null"),
            (r#"{"jsonrpc":"2.0","#, PARSE_ERROR, "null"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, -32600, "null"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, -32600, "1"),
            (r#"{"jsonrpc":"2.0","id":"x"}"#, -32600, "\"x\""),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":3,"method":"m","params":[1]}"#, -32602, "3"),
            (r#"{"jsonrpc":"2.0","id":3,"method":"m","params":"text"}"#, -32602, "3"),
            ("3", -32600, "null"),
            ("{\"id\":\"\u{0}\"}", PARSE_ERROR, "null"),
        ];
        for (message, code, id) in cases {
            let (found, error) = read(message.as_bytes()).err().expect("refused");
            assert_eq!((error.code, &*found.0), (code, id), "{message}");
        }
    }

    #[test]
    fn hostile_json_is_an_error_or_a_request_like_any_other() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{}1{}}}"#,
            "[".repeat(90_000),
            "]".repeat(90_000)
        );
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#, "x".repeat(MAX_ID));
        let refused = [
            (&*deep, -32602, "1"),
            (&*long, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","method":"n"}"#, -32600, "1"),
            (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m"} {}"#, PARSE_ERROR, "null"),
            (r#"{"jsonrpc":"2.0","id":01,"method":"m"}"#, PARSE_ERROR, "null"),
        ];
        for (message, code, id) in refused {
            let shown = &message[..message.len().min(60)];
            let (found, error) = read(message.as_bytes()).err().expect("refused");
            assert_eq!((error.code, &*found.0), (code, id), "{shown}");
        }
        // Given back as written: a number that no machine's arithmetic holds, a half of a surrogate pair.
        for id in ["123456789012345678901234567890", "-1.5e+400", r#""\ud800""#] {
            let message = format!(r#"{{"jsonrpc":"2.0","id": {id} ,"method":"m","params":{{"x":[{{}}]}}}}"#);
            let asked = read(message.as_bytes()).ok().flatten().expect("a request");
            assert_eq!((&*asked.id.0, &*asked.params.expose()), (id, r#"{"x":[{}]}"#));
        }
        assert!(read(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"m\"}").is_err(), "not UTF-8");
    }

    #[test]
    fn a_notification_wants_no_answer_and_missing_params_are_empty() {
        assert!(read(br#"{"jsonrpc":"2.0","method":"m","params":{}}"#).expect("valid").is_none());
        let asked = read(br#"{"jsonrpc":"2.0","id":1,"method":"m"}"#).expect("valid").expect("a request");
        assert_eq!(&*asked.params.expose(), "{}");
    }
}

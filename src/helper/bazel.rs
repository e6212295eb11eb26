//! The credential helpers of Bazel and other build tools (EngFlow's credential-helper-spec): `get`, a URI in JSON, headers.
//!
//! A helper that fails fails the build: for a URI that no account answers for there are no headers, and that is no error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::words::Words;
use super::{Call, Failure, authorization};
use crate::expiry;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::token::{GetToken, Token};
use crate::secret::Secret;

/// How it is used.
pub(super) const HELP: &str = "\
With such a link in the PATH, `--credential_helper=bazel-credential-cred-helper`, or \
`--credential_helper=*.example.com=bazel-credential-cred-helper` for some hosts alone, for example in ~/.bazelrc after `common`; \
it serves downloads, remote caches and remote execution. The token is shown as Bearer, as Basic where the rule has a \
`username`, a key in its provider's own header. For other URIs there are no headers, and bazel goes on without. Bazel keeps \
the headers until the token ends; what a server refuses it doesn't say: `cred-helper refresh` has a token renewed, and \
`bazel shutdown` makes bazel forget the old one. Bazel passes no words of its own; a script that runs \
`cred-helper helper bazel --id-token get` is a helper, too, and no account can be named there: it would answer for every host.";

/// Bazel gives a helper ten seconds, and then says nothing of why. Seconds.
const DEADLINE: u64 = 8;

/// What bazel asks.
#[derive(Debug, Deserialize)]
struct Request {
    uri: String,
}

#[derive(Default, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "lists")]
    headers: BTreeMap<&'a str, Secret>,
}

/// A header may have several values.
fn lists<S: Serializer>(headers: &BTreeMap<&str, Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown: Vec<_> = headers.iter().map(|(name, value)| (*name, value.expose())).collect();
    serializer.collect_map(shown.iter().map(|(name, value)| (*name, [&**value])))
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let words = Words::read(call.arguments)?;
    if words.rest != ["get"] {
        return Err(Failure::Usage("a credential helper of bazel's takes `get` and nothing else"));
    }
    let get = words.asking_only(uri(&call.read()?.expose())?)?;
    let get = GetToken { deadline: Some(DEADLINE), ..get };
    let token = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => None,
        answer => Some(answer?),
    };
    let answer = token.as_ref().map_or_else(|| Ok(Answer::default()), Answer::of)?;
    let answer = serde_json::to_string(&answer).map(Secret::from).map_err(std::io::Error::from)?;
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(call.output.write_all(b"\n")?)
}

impl<'a> Answer<'a> {
    fn of(token: &'a Token) -> Result<Self, Failure> {
        let headers = [authorization::header(token)?].into();
        Ok(Self { expires: token.expires_at.and_then(expiry::rfc3339), headers })
    }
}

/// What is asked for. Names that are not known say nothing.
pub fn uri(text: &str) -> Result<String, Failure> {
    let request = serde_json::from_str(text).map(|Request { uri }| uri);
    request.map_err(|_| Failure::Usage("bazel's request cannot be read: it is JSON with a `uri`"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::play::{Played, call};
    use super::super::{Failure, named_by};
    use crate::ipc::message::ErrorKind;

    const URI: &str = r#"{"uri":"https://cache.example/ac/00","hunter2":1}"#;

    fn told(words: &str, input: &str, agent: &mut Played) -> Result<Value, Failure> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let output = call(named_by("bazel-credential-cred-helper").expect("it"), &words, input.as_bytes(), agent)?;
        Ok(serde_json::from_str(&output).expect("JSON"))
    }

    #[test]
    fn bazel_is_told_the_header_and_until_when() {
        for (answer, expected) in [
            (
                json!({}),
                json!({ "expires": "2026-09-21T14:13:20Z", "headers": { "Authorization": ["Bearer the-token"] } }),
            ),
            (json!({ "expires_at": null }), json!({ "headers": { "Authorization": ["Bearer the-token"] } })),
            (
                json!({ "expires_at": null, "key_header": "x-api-key" }),
                json!({ "headers": { "x-api-key": ["the-token"] } }),
            ),
        ] {
            let mut agent = Played { answer: Some(answer), ..Played::default() };
            assert_eq!(told("--id-token get", URI, &mut agent).expect("an answer"), expected);
            assert_eq!(agent.heard, ["get https://cache.example/ac/00 as id token"]);
            assert!(agent.deadlines[0] < 10, "bazel waits no longer");
        }
    }

    #[test]
    fn without_an_account_there_are_no_headers_and_other_errors_are_errors() {
        let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
        assert_eq!(told("get", URI, &mut agent).expect("no headers"), json!({}));
        let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..Played::default() };
        assert!(matches!(told("get", URI, &mut agent), Err(Failure::Agent(_))));
        for (words, input) in [
            ("", URI),
            ("set", URI),
            ("get x", URI),
            ("--account forge get", URI),
            ("--url https://a.example get", URI),
            ("get", "hunter2"),
            ("get", r#"{"uri":["hunter2"]}"#),
        ] {
            match told(words, input, &mut Played::default()) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2")),
                other => panic!("{words} {input}: {other:?}"),
            }
        }
    }
}

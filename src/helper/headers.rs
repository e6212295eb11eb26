//! The headers that show a token to an HTTP server, as a JSON object of strings: what Claude Code's `headersHelper` of an MCP
//! server prints. The server is named in a variable; one that no account answers for gets no headers.

use std::collections::BTreeMap;

use super::words::Words;
use super::{Call, Failure, authorization};
use crate::ipc::message::token::Token;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;

/// How it is used.
pub(super) const HELP: &str = "\
`cred-helper setup claude --host URL --name NAME` has Claude Code ask for an MCP server's headers. In a project's \
.mcp.json it is yours to write, in a server of type http or sse: `\"headersHelper\": \"cred-helper helper headers \
--asks-again-when-refused\"`. Which account answers is said by the server's URL, or by `--account NAME` or `--url URL` after \
`headers`; `--audience URI` asks for a token for that audience. The answer has the header with the token and those that \
the account's provider wants beside it; `{}` where no account answers, so that Claude Code signs in there itself. A server in a \
project's .mcp.json is asked once the project is trusted. Claude Code asks once for each connection, and where the server \
refuses a token it gives up without a word: connect anew (/mcp). With `--asks-again-when-refused` there is a new token then, \
as `get-token` tells of that option; else `cred-helper refresh` fetches one.";

/// The server's URL, as Claude Code says it.
const VARIABLE: &str = "CLAUDE_CODE_MCP_SERVER_URL";
const ASKS_AGAIN: &str = "--asks-again-when-refused";
/// Whoever calls gives up after ten seconds, and says nothing of why. Seconds.
const DEADLINE: u64 = 8;
const WORDS: &str =
    "the headers' helper takes --account, --audience, --url and --asks-again-when-refused and nothing else";

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let (asks_again, arguments): (Vec<_>, Vec<_>) =
        call.arguments.iter().cloned().partition(|argument| argument == ASKS_AGAIN);
    let words = Words::read(&arguments)?;
    if !words.rest.is_empty() {
        return Err(Failure::Usage(WORDS));
    }
    let mut get = words.asking(|| (call.variable)(VARIABLE));
    get.deadline = Some(DEADLINE);
    get.asks_again_when_refused = !asks_again.is_empty();
    if get.account.is_none() && get.target.is_none() {
        return Err(Failure::Usage(
            "no server is named in CLAUDE_CODE_MCP_SERVER_URL: add --account NAME or --url URL",
        ));
    }
    let headers = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => Secret::from("{}".to_owned()),
        answer => headers(&answer?)?,
    };
    call.output.write_all(headers.expose().as_bytes())?;
    Ok(call.output.write_all(b"\n")?)
}

/// The one with the token, and what its provider's API wants beside it.
fn headers(token: &Token) -> Result<Secret, Failure> {
    let (name, value) = authorization::header(token)?;
    if token.headers.iter().any(|(name, value)| (name.clone() + value).contains(char::is_control)) {
        let message = format!("the headers of {} have characters that no header carries", token.account);
        return Err(Failure::Agent(Box::new(Error::new(ErrorKind::Internal, message))));
    }
    let exposed = value.expose();
    let beside = token.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all: BTreeMap<&str, &str> = beside.chain([(name, &*exposed)]).collect();
    Ok(serde_json::to_string(&all).map(Secret::from).map_err(std::io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::play::{Played, call};
    use super::super::{Failure, named};
    use super::VARIABLE;
    use crate::ipc::message::ErrorKind;

    const SERVER: &str = "https://mcp.example/mcp";

    fn told(words: &str, agent: &mut Played) -> Result<String, Failure> {
        let words: Vec<&str> = words.split_whitespace().collect();
        call(named("headers").expect("it"), &words, b"", agent)
    }

    fn asked_by_claude() -> Played {
        Played { variables: vec![(VARIABLE, SERVER.to_owned())], ..Played::default() }
    }

    #[test]
    fn the_headers_are_an_object_of_strings() {
        for (answer, headers) in [
            (json!({}), r#"{"Authorization":"Bearer the-token"}"#),
            (
                json!({ "headers": { "x-version": "2", "Authorization": "of the provider" } }),
                r#"{"Authorization":"Bearer the-token","x-version":"2"}"#,
            ),
            (json!({ "method": "api_key", "key_header": "x-api-key" }), r#"{"x-api-key":"the-token"}"#),
            (
                json!({ "for_target": { "username": "oauth2", "fingerprint": "f1" } }),
                r#"{"Authorization":"Basic b2F1dGgyOnRoZS10b2tlbg=="}"#,
            ),
        ] {
            let mut agent = Played { answer: Some(answer.clone()), ..asked_by_claude() };
            assert_eq!(told("", &mut agent).expect("headers"), format!("{headers}\n"), "{answer}");
        }
    }

    #[test]
    fn the_server_is_the_target_unless_the_settings_name_what_is() {
        for (words, asked) in [
            ("", SERVER),
            ("--asks-again-when-refused", SERVER),
            ("--asks-again-when-refused --account forge", "account forge"),
            ("--url https://other.example --asks-again-when-refused", "https://other.example"),
        ] {
            let mut agent = asked_by_claude();
            told(words, &mut agent).expect("headers");
            let again = if words.contains("again") { " again when refused" } else { "" };
            assert_eq!(agent.heard, [format!("get {asked}{again}")], "{words}");
        }
    }

    #[test]
    fn a_server_that_nobody_answers_for_gets_no_headers_and_what_fails_is_said() {
        let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..asked_by_claude() };
        assert_eq!(told("", &mut agent).expect("nothing"), "{}\n");
        let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..asked_by_claude() };
        assert!(matches!(told("", &mut agent), Err(Failure::Agent(_))));
        for answer in [json!({ "headers": { "x": "a\nb" } }), json!({ "token": "a\r\nb" })] {
            let mut agent = Played { answer: Some(answer), ..asked_by_claude() };
            assert!(matches!(told("", &mut agent), Err(Failure::Agent(_))));
        }
        for (words, mut agent) in [("", Played::default()), ("hunter2", asked_by_claude())] {
            match told(words, &mut agent) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2")),
                other => panic!("{words}: {other:?}"),
            }
        }
    }
}

//! Google's executable-sourced credentials (workload and workforce identity federation): the account's ID token as the subject
//! token that Google's STS takes.
//!
//! The client reads standard error as a part of the answer: not a word may be said there, and what went wrong is an answer
//! as well, with exit code 0.

use serde_json::json;

use super::shown::{joined, one_line, quoted};
use super::words::Words;
use super::{Call, Failure};
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;
use crate::token::TokenKind;

/// How it is used.
pub(super) const HELP: &str = "\
In the credential configuration (type external_account) \
`\"credential_source\": {\"executable\": {\"command\": \"/usr/bin/cred-helper helper google --account NAME\", \
\"timeout_millis\": 30000}}`, with GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 in the environment, and no output_file. Google \
gets the account's ID token, whose audience its provider has to allow; the subject_token_type is \
urn:ietf:params:oauth:token-type:id_token or jwt. Without --account a rule for the configuration's audience names the account: \
`\"https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/POOL/providers/P\" = \"NAME\"`. A token that \
Google refuses is not asked for again: `cred-helper refresh`.";
const AUDIENCE: &str = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE";
const TOKEN_TYPE: &str = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE";
/// What is known of subject tokens, without their common prefix.
const ID_TOKENS: &[&str] = &["id_token", "jwt"];
const PREFIX: &str = "urn:ietf:params:oauth:token-type:";
/// The client gives an executable 30 seconds where nobody says otherwise, and then knows nothing of why. Seconds.
const DEADLINE: u64 = 25;

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    call.agent.hush();
    let answer = match subject_token(call) {
        Ok(answer) => answer,
        Err(Failure::Agent(error)) => Secret::from(refusal(&error).to_string()),
        Err(failure) => return Err(failure),
    };
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(call.output.write_all(b"\n")?)
}

fn subject_token(call: &mut Call<'_>) -> Result<Secret, Failure> {
    let words = Words::read(call.arguments)?;
    if !words.rest.is_empty() {
        return Err(Failure::Usage("google's executable takes --account, --url and --audience"));
    }
    let kind = (call.variable)(TOKEN_TYPE).filter(|kind| !kind.is_empty()).unwrap_or(format!("{PREFIX}id_token"));
    if !ID_TOKENS.iter().any(|known| kind.strip_prefix(PREFIX) == Some(known)) {
        return Err(misconfigured("the subject_token_type has to be urn:ietf:params:oauth:token-type:id_token or jwt"));
    }
    let audience = (call.variable)(AUDIENCE).filter(|audience| audience.starts_with("//"));
    let mut get = words.asking(|| audience.map(|audience| format!("https:{audience}")));
    if get.account.is_none() && get.target.is_none() {
        return Err(misconfigured("no account is named: add --account NAME to the command"));
    }
    (get.token_type, get.deadline) = (TokenKind::Id, Some(DEADLINE));
    let token = call.agent.token(&get)?;
    let subject = one_line(&token)?;
    let mut answer = json!({ "version": 1, "success": true, "token_type": kind });
    if let Some(end) = token.expires_at {
        answer["expiration_time"] = end.0.into();
    }
    let answer = answer.to_string();
    let members = answer.strip_suffix('}').unwrap_or_default();
    Ok(joined(&[members, ",\"id_token\":", &quoted(&subject.expose()).expose(), "}"]))
}

fn misconfigured(message: &str) -> Failure {
    Failure::Agent(Box::new(Error::new(ErrorKind::Misconfigured, message)))
}

/// What the client shows: `code: ..., message: ...`.
fn refusal(error: &Error) -> serde_json::Value {
    let code = serde_json::to_value(error.kind()).unwrap_or_default();
    json!({ "version": 1, "success": false, "code": code, "message": format!("cred-helper: {}", error.message) })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::PROTOCOLS;
    use super::super::play::{Played, call};
    use super::*;

    const RULED: &str = "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b";

    fn google(arguments: &[&str], agent: &mut Played) -> Value {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == "google").expect("the protocol");
        let told = call(protocol, arguments, b"", agent).expect("an answer");
        assert_eq!(agent.heard.remove(0), "hush", "before anything else");
        serde_json::from_str(&told).expect("JSON")
    }

    fn with(audience: &str, kind: &str) -> Played {
        let variables = vec![(AUDIENCE, audience.to_owned()), (TOKEN_TYPE, format!("{PREFIX}{kind}"))];
        Played { variables, ..Played::default() }
    }

    #[test]
    fn google_is_given_the_id_token_of_the_account_that_is_named_or_ruled() {
        let audience = RULED.strip_prefix("https:").expect("it");
        for (arguments, audience, kind, heard) in [
            (&["--account", "forge"][..], audience, "id_token", "get account forge"),
            (&["--account=forge"], "", "jwt", "get account forge"),
            (&[], audience, "jwt", &format!("get {RULED}")),
        ] {
            let mut agent = with(audience, kind);
            let expected = json!({
                "version": 1, "success": true, "token_type": format!("{PREFIX}{kind}"), "id_token": "the-token",
                "expiration_time": 1_790_000_000
            });
            assert_eq!(google(arguments, &mut agent), expected);
            assert_eq!(agent.heard, [format!("{heard} as id token")]);
            assert!(agent.deadlines[0] < 30, "the client waits no longer");
        }
    }

    #[test]
    fn what_went_wrong_is_an_answer() {
        for (arguments, mut agent, code) in [
            (&["--account", "forge"][..], with("", "saml2"), "misconfigured"),
            (&[], with("urn:x", "jwt"), "misconfigured"),
            (&[], Played::default(), "misconfigured"),
            (
                &["--account", "forge"],
                Played { error: Some(ErrorKind::LoginRequired), ..with("", "jwt") },
                "login_required",
            ),
            (&[], Played { error: Some(ErrorKind::UnknownTarget), ..with("//x.example", "jwt") }, "unknown_target"),
            (
                &["--account", "forge"],
                Played { answer: Some(json!({ "token": "a\nb" })), ..with("", "jwt") },
                "internal",
            ),
        ] {
            let told = google(arguments, &mut agent);
            assert_eq!((&told["success"], &told["code"]), (&json!(false), &json!(code)));
            assert!(told["message"].as_str().is_some_and(|text| text.starts_with("cred-helper: ")), "{told}");
        }
    }
}

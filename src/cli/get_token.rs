//! `get-token`: what every other program calls. Standard output has the token and a newline, ever.
//!
//! This is the path that is walked thousands of times a day: one connection, one question, no thread.

use std::time::Duration;

use super::args::GetTokenArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::format::{self, Peer};
use super::{output, project};
use crate::ipc::message::token::{AuthMethod, GetToken, Token};
use crate::secret::Secret;
use crate::token::TokenKind;

/// The agent keeps the time limit, and says why there is no token yet: so long it has for that.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);

pub(super) fn run(connect: &Connect, args: &GetTokenArgs) -> Result<(), Failure> {
    let paths = connect::paths()?;
    let mut request = request(args)?;
    if request.account.is_none() {
        request.project = project::find(&paths.home)?;
    }
    request.deadline = Some(args.timeout.as_secs().max(1));
    let mut token = connect.ask_within(&paths, args.timeout + LAST_WORD, &request)?;

    if let Some((name, value)) = outranking(&token, |name| std::env::var(name).ok()) {
        output::warning(&format!("the environment variable {name} is set and outranks the login"));
        token = from_environment(token, &name, value);
    }
    if let Some(warning) = &token.warning {
        output::warning(warning);
    }
    let peer = Peer { user: args.user.as_deref(), host: args.host.as_deref(), port: args.port };
    let text = format::render(args.format, &token, peer).map_err(|error| Failure::Usage(error.to_string()))?;
    output::secret(&text)
}

fn request(args: &GetTokenArgs) -> Result<GetToken, Failure> {
    Ok(GetToken {
        account: connect::account(args.account.as_deref())?,
        project: None,
        token_type: args.token_type,
        audience: args.audience.clone(),
        scope: scopes(&args.scope),
        min_validity: args.min_validity.map(|duration| duration.as_secs()),
        deadline: None,
    })
}

/// `--scope "a b" --scope c` is three scopes (RFC 6749 section 3.3 separates them by blanks).
pub(super) fn scopes(arguments: &[String]) -> Vec<String> {
    arguments.iter().flat_map(|argument| argument.split_whitespace()).map(str::to_owned).collect()
}

/// The first of the variables named by the answer that is set. They hold access tokens: no ID token comes from there.
fn outranking(token: &Token, variable: impl Fn(&str) -> Option<String>) -> Option<(String, Secret)> {
    if token.kind != TokenKind::Access {
        return None;
    }
    let set = |name: &String| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    token.environment.iter().find_map(|name| set(name).map(|value| (name.clone(), Secret::from(value))))
}

/// The answer, with a token that the agent knows nothing about.
fn from_environment(answer: Token, name: &str, value: Secret) -> Token {
    Token {
        token: value,
        source: format!("environment variable {name}"),
        method: AuthMethod::Oauth,
        expires_at: None,
        scope: Vec::new(),
        identity: None,
        min_validity_met: true,
        warning: None,
        environment: Vec::new(),
        ..answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(environment: &[&str]) -> Token {
        let mut token: Token = serde_json::from_str(
            r#"{"account":"a","token":"t","kind":"access","token_type":"Bearer","method":"oauth","source":"login",
                "min_validity_met":true,"persisted":true,"warning":"w"}"#,
        )
        .expect("an answer");
        token.environment = environment.iter().map(|name| (*name).to_owned()).collect();
        token
    }

    #[test]
    fn the_first_variable_that_is_set_outranks_the_answer() {
        let set = |name: &str| match name {
            "B" => Some("from-b\n".to_owned()),
            "C" => Some("from-c".to_owned()),
            "EMPTY" => Some(" ".to_owned()),
            _ => None,
        };
        let (name, value) = outranking(&answer(&["A", "EMPTY", "B", "C"]), set).expect("one");
        assert_eq!((name.as_str(), &*value.expose()), ("B", "from-b"));
        assert!(outranking(&answer(&["A"]), set).is_none());
        let mut id = answer(&["B"]);
        id.kind = TokenKind::Id;
        assert!(outranking(&id, set).is_none());
    }

    #[test]
    fn a_token_from_the_environment_claims_nothing_of_the_login() {
        let mut login = answer(&["B"]);
        login.identity = Some("me@x.example".to_owned());
        let token = from_environment(login, "B", Secret::from("v".to_owned()));
        assert_eq!(token.source, "environment variable B");
        assert!(token.identity.is_none() && token.expires_at.is_none() && token.warning.is_none());
    }

    #[test]
    fn scopes_are_separated_by_blanks_or_repetition() {
        assert_eq!(scopes(&["a b".to_owned(), " c".to_owned()]), ["a", "b", "c"]);
    }
}

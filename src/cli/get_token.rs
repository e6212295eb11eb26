//! `get-token`: what every other program calls. Standard output has the token and a newline, ever.
//!
//! This is the path that is walked thousands of times a day: one connection, one question, no thread.

use std::time::Duration;

use super::args::GetTokenArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::format::{self, Peer};
use super::variables::Environment;
use super::{output, project, when};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::token::{GetToken, Token};
use crate::paths::Paths;

/// The agent keeps the time limit, and says why there is no token yet: so long it has for that.
const LAST_WORD: Duration = Duration::from_secs(2);
const NO_TARGETS: &str =
    "the agent is older than this command and knows accounts only, no URLs: run `cred-helper agent restart`";

pub(super) fn run(connect: &Connect, args: &GetTokenArgs) -> Result<(), Failure> {
    let paths = connect::paths()?;
    let mut request = request(args)?;
    if request.account.is_none() && request.target.is_none() {
        request.project = project::find(&paths.home)?;
    }
    request.deadline = Some(args.timeout.as_secs().max(1));
    let token = resolve(connect, &paths, args.timeout, &request)?;
    let peer = Peer { user: args.user.as_deref(), host: args.host.as_deref(), port: args.port };
    let text = format::render(args.format, &token, peer).map_err(|error| Failure::Usage(error.to_string()))?;
    output::secret(&text)
}

/// The token, from the agent or from the caller's own variables, in the order of the account's sources; with what is to be
/// said of it.
pub(super) fn resolve(
    connect: &Connect,
    paths: &Paths,
    timeout: Duration,
    request: &GetToken,
) -> Result<Token, Failure> {
    resolve_with(connect, paths, timeout, request, output::warning)
}

/// The same where it is another's business what becomes of what is to be said.
pub(super) fn resolve_with(
    connect: &Connect,
    paths: &Paths,
    timeout: Duration,
    request: &GetToken,
    warn: impl Fn(&str),
) -> Result<Token, Failure> {
    let (found, answer) = match connect.ask_within(paths, timeout + LAST_WORD, request) {
        // An older one has passed over what it does not know, and means the default account, whatever the host.
        Ok(token) if request.target.is_some() && token.for_target.is_none() => {
            return Err(Failure::new(ErrorKind::MethodNotFound, NO_TARGETS));
        }
        Ok(token) => (environment().outranking(&token, request), Ok(token)),
        Err(Failure::Agent(error)) => (environment().instead(&error, request), Err(Failure::Agent(error))),
        Err(failure) => return Err(failure),
    };
    found.warnings.iter().for_each(|warning| warn(warning));
    let token = found.token.map_or(answer, Ok)?;
    if let Some(warning) = &token.warning {
        warn(warning);
    }
    Ok(token)
}

fn request(args: &GetTokenArgs) -> Result<GetToken, Failure> {
    Ok(GetToken {
        account: connect::account(args.account.as_deref())?,
        target: args.target.clone(),
        or_password_for: None,
        project: None,
        token_type: args.token_type,
        audience: args.audience.clone(),
        scope: scopes(&args.scope),
        min_validity: args.min_validity.map(|duration| duration.as_secs()),
        deadline: None,
        retry_for: None,
        asks_again_when_refused: args.asks_again_when_refused,
    })
}

/// `--scope "a b" --scope c` is three scopes (RFC 6749 section 3.3 separates them by blanks).
pub(super) fn scopes(arguments: &[String]) -> Vec<String> {
    arguments.iter().flat_map(|argument| argument.split_whitespace()).map(str::to_owned).collect()
}

/// The caller's own.
fn environment() -> Environment<'static> {
    Environment { read: &|name| std::env::var(name).ok(), now: when::now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_separated_by_blanks_or_repetition() {
        assert_eq!(scopes(&["a b".to_owned(), " c".to_owned()]), ["a", "b", "c"]);
    }
}

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
use crate::ipc::message::token::GetToken;

/// The agent keeps the time limit, and says why there is no token yet: so long it has for that.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);

pub(super) fn run(connect: &Connect, args: &GetTokenArgs) -> Result<(), Failure> {
    let paths = connect::paths()?;
    let mut request = request(args)?;
    if request.account.is_none() {
        request.project = project::find(&paths.home)?;
    }
    request.deadline = Some(args.timeout.as_secs().max(1));
    let token = match connect.ask_within(&paths, args.timeout + LAST_WORD, &request) {
        Ok(token) => {
            let found = environment().outranking(&token, &request);
            found.warnings.iter().for_each(|warning| output::warning(warning));
            found.token.unwrap_or(token)
        }
        Err(Failure::Agent(error)) => {
            let found = environment().instead(&error, &request);
            found.warnings.iter().for_each(|warning| output::warning(warning));
            found.token.ok_or(Failure::Agent(error))?
        }
        Err(failure) => return Err(failure),
    };
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

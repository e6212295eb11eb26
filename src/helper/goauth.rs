//! The go command's GOAUTH (go help goauth, 1.24): URLs, a blank line, headers, a blank line.
//!
//! Go runs it once before the first request, and again with a URL and the server's answer after each 4xx, whatever the host
//! is. Nothing is said first but for a server that the configuration names: no token is fetched that no server asks for. Go
//! doesn't say whether it had sent one before a 401: to a server that was named it had, of others the challenge may say so.

use super::words::Words;
use super::{Call, Failure, authorization, shown};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::token::{AuthMethod, GetToken, RejectToken, Token};

/// How it is used.
pub(super) const HELP: &str = "\
`go env -w GOAUTH='cred-helper helper goauth --url https://goproxy.example.com'`, for go 1.24 and newer; several commands go \
with semicolons between them, such as netrc. The server that is named gets its token with the first request, and one that it \
refuses (401, 403) is renewed, once for each request. Without `--url` each server is asked without a token first; then a \
token that was refused is renewed only if the server says `invalid_token`, else `cred-helper refresh` does that. No account \
can be named here: go asks for every host that answers with an error. Go sends tokens over HTTPS alone, by host, or to a \
single URL where [targets] has rules for parts of a host. What goes wrong here go shows with `-x` only.";

/// What a server answered, as far as go says it.
#[derive(Debug, Default)]
pub struct Response {
    status: u16,
    /// Whether a challenge says that a token was sent and is no good (RFC 6750 section 3.1).
    invalid_token: bool,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let Words { mut get, rest } = Words::read(call.arguments)?;
    if get.account.is_some() {
        return Err(Failure::Usage("no account can be named here: [targets] says who answers for which URL"));
    }
    let named = get.target.take();
    let (url, refused) = match rest {
        [] => match named {
            Some(url) => (url, None),
            None => return Ok(()),
        },
        [url] => {
            let response = Response::parse(&call.read()?.expose());
            let was_named = named.is_some_and(|named| is_below(url, &named));
            (url.clone(), response.refuses(was_named).then_some(response))
        }
        _ => return Err(Failure::Usage("GOAUTH's command is run with nothing or a URL after its own words")),
    };
    if !url.starts_with("https://") || url.contains(char::is_whitespace) {
        return Err(Failure::Usage("go sends tokens to https:// URLs only"));
    }
    get.target = Some(url.clone());
    let token = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => return Ok(()),
        answer => answer?,
    };
    let token = match refused {
        Some(response) => renewed(call, token, &get, response.forbids())?,
        None => token,
    };
    tell(call, &url, &token)
}

/// The token that takes the place of one that was there already and is refused. A key is not renewed.
fn renewed(call: &mut Call<'_>, token: Token, get: &GetToken, forbidden: bool) -> Result<Token, Failure> {
    let said = token.for_target.as_ref().filter(|said| said.cached && token.method == AuthMethod::Oauth);
    let Some(said) = said else { return Ok(token) };
    let reject = RejectToken { fingerprint: Some(said.fingerprint.clone()), forbidden, ..RejectToken::default() };
    match call.agent.reject(&reject) {
        // It is tried again for what is asked next.
        Err(error) if error.kind() == ErrorKind::TemporarilyUnavailable => {}
        answer => drop(answer?),
    }
    Ok(call.agent.token(get)?)
}

/// Go looks for the whole URL, then for the host.
fn tell(call: &mut Call<'_>, url: &str, token: &Token) -> Result<(), Failure> {
    let (name, value) = authorization::header(token)?;
    let origin = token.for_target.as_ref().and_then(|said| said.origin.as_deref());
    let (origin, end) = origin.map_or(("", ""), |origin| (origin, "\n"));
    let text = shown::joined(&[origin, end, url, "\n\n", name, ": ", &value.expose(), "\n\n"]);
    Ok(call.output.write_all(text.expose().as_bytes())?)
}

/// Whether a URL is another one or a path below it, letter for letter.
fn is_below(url: &str, other: &str) -> bool {
    let rest = url.strip_prefix(other.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Response {
    /// Reads the status line and the headers. What cannot be read says nothing.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_default();
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        let mut challenges = headers.filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        Self { status, invalid_token: challenges.any(|(_, value)| value.contains("invalid_token")) }
    }

    /// Whether it is about a token: the server says so, or it was sent one.
    pub fn refuses(&self, was_sent: bool) -> bool {
        matches!(self.status, 401 | 403) && (was_sent || self.invalid_token)
    }

    /// Whether it may be the account that may not: of a module that is not for everybody, proxies say 403 to each that is.
    fn forbids(&self) -> bool {
        self.status == 403 && !self.invalid_token
    }
}

#[cfg(test)]
#[path = "goauth/tests.rs"]
mod tests;

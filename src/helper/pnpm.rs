//! pnpm's `tokenHelper`: a program that prints the value of `Authorization`, for a registry that it is not told.
//!
//! Up to pnpm 10 it is an absolute path and gets no words. So the link's name says for which registry it answers: the host
//! comes after an `@`. Without one nothing is said: a token of whatever account there is could go to anybody's registry.

use super::shown::{joined, one_line};
use super::words::Words;
use super::{Call, Failure};

/// The program, and what its links' names begin with.
pub(super) const PROGRAM: &str = "pnpm-token-cred-helper";
/// How it is used.
pub(super) const HELP: &str = "\
Pnpm doesn't say which registry it asks for, and up to version 10 takes no more than a path: make a link whose name has the \
registry's host (and port) after an @, and name it in ~/.npmrc, not in a project's: \
`//npm.example.com/:tokenHelper=/home/ada/.local/bin/pnpm-token-cred-helper@npm.example.com`. The link's account is the one for \
https://npm.example.com (for 127.0.0.1, [::1] and localhost: http). Newer pnpm takes words, too: \
`/usr/bin/cred-helper helper pnpm --url https://npm.example.com/team`, or `--account NAME`. Pnpm runs it for each command. \
It compares the host alone: where a project's .npmrc has the registry with http:// or another port, pnpm sends the token there, \
in the open. Where it fails, version 10 fails and shows its exit code alone, newer ones go on without a token: run it by hand to \
see why. A token that a registry refuses is not asked for again: `cred-helper refresh`.";
const NO_REGISTRY: &str =
    "pnpm says nothing of the registry: name it by --url, or by a link called pnpm-token-cred-helper@HOST";

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let Words { get, rest } = Words::read(call.arguments)?;
    if !rest.is_empty() {
        return Err(Failure::Usage("pnpm's token helper takes --url, --account, --audience and --id-token"));
    }
    if get.account.is_none() && get.target.is_none() {
        return Err(Failure::Usage(NO_REGISTRY));
    }
    let token = call.agent.token(&get)?;
    let answer = joined(&["Bearer ", &one_line(&token)?.expose(), "\n"]);
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(())
}

/// The registry that a link's name says, as a URL.
pub(super) fn registry(name: &str) -> Option<String> {
    let host = name.strip_prefix(PROGRAM)?.strip_prefix('@').filter(|host| !host.is_empty())?;
    let here = ["127.0.0.1", "[::1]", "localhost"]
        .iter()
        .any(|here| host.strip_prefix(here).is_some_and(|port| port.is_empty() || port.starts_with(':')));
    Some(format!("{}://{host}", if here { "http" } else { "https" }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::play::{Played, call};
    use super::super::{named_by, words_in};
    use super::*;
    use crate::ipc::message::ErrorKind;

    fn pnpm(arguments: &[&str], agent: &mut Played) -> Result<String, Failure> {
        call(named_by(PROGRAM).expect("the protocol"), arguments, b"", agent)
    }

    #[test]
    fn what_is_printed_is_the_headers_value() {
        for (arguments, heard) in [
            (&["--url", "https://npm.example/team"][..], "get https://npm.example/team"),
            (&["--account", "forge/me", "--id-token"], "get account forge/me as id token"),
        ] {
            let mut agent = Played::default();
            assert_eq!(pnpm(arguments, &mut agent).expect("an answer"), "Bearer the-token\n");
            assert_eq!(agent.heard, [heard]);
        }
        let mut agent = Played { answer: Some(json!({ "token": "a\r\nb" })), ..Played::default() };
        assert!(matches!(pnpm(&["--url", "https://npm.example"], &mut agent), Err(Failure::Agent(_))));
        let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
        assert!(matches!(pnpm(&["--url", "https://npm.example"], &mut agent), Err(Failure::Agent(_))));
    }

    #[test]
    fn without_a_registry_nobody_answers() {
        let mut agent = Played::default();
        for arguments in [&[][..], &["--audience", "a"], &["hunter2"], &["--url", "https://npm.example", "hunter2"]] {
            match pnpm(arguments, &mut agent) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2"), "{message}"),
                other => panic!("{arguments:?}: {other:?}"),
            }
        }
        assert!(agent.heard.is_empty());
    }

    #[test]
    fn a_links_name_says_the_registry() {
        for (path, url) in [
            ("/b/pnpm-token-cred-helper@npm.example.com", Some("https://npm.example.com")),
            ("pnpm-token-cred-helper@npm.example.com:8443", Some("https://npm.example.com:8443")),
            ("/b/pnpm-token-cred-helper@127.0.0.1:4873", Some("http://127.0.0.1:4873")),
            ("/b/pnpm-token-cred-helper@[::1]:4873", Some("http://[::1]:4873")),
            ("/b/pnpm-token-cred-helper@localhost", Some("http://localhost")),
            ("/b/pnpm-token-cred-helper@localhost.evil.example", Some("https://localhost.evil.example")),
            ("C:\\b\\pnpm-token-cred-helper@npm.example.com.exe", Some("https://npm.example.com")),
            ("/b/pnpm-token-cred-helper", None),
            ("/b/git-credential-cred-helper@npm.example.com", None),
        ] {
            let words: Vec<String> = url.into_iter().flat_map(|url| ["--url".to_owned(), url.to_owned()]).collect();
            assert_eq!(words_in(path), words, "{path}");
            assert!(url.is_none() || named_by(path).is_some_and(|found| found.name == "pnpm"), "{path}");
        }
        assert!(named_by("git-credential-cred-helper@npm.example.com").is_none());
        assert!(named_by("pnpm-token-cred-helper@").is_none());
    }
}

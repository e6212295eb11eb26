//! The words that a client's configuration puts before the client's own: which account is asked, where the client names no
//! target or another account is wanted than its target's.

use super::{Failure, asking};
use crate::ipc::message::token::GetToken;
use crate::token::TokenKind;

/// Words of ours, and what follows them.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// What they say of the token; neither account nor target if there were none.
    pub(super) get: GetToken,
    /// The client's own.
    pub(super) rest: &'a [String],
}

impl<'a> Words<'a> {
    /// Reads `--account NAME`, `--audience URI`, `--id-token` and `--url URL` up to the first word that is none of them.
    pub(super) fn read(arguments: &'a [String]) -> Result<Self, Failure> {
        let mut get = asking();
        let mut rest = arguments;
        while let Some((word, after)) = rest.split_first() {
            let (name, written) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            rest = match name {
                "--id-token" if written.is_none() => {
                    get.token_type = TokenKind::Id;
                    after
                }
                "--account" | "--audience" | "--url" => {
                    let next = after.first().cloned();
                    let after = if written.is_some() { after } else { after.get(1..).unwrap_or_default() };
                    let value = written.or(next).ok_or(Failure::Usage("a value is missing after an option"))?;
                    match name {
                        "--account" => get.account = Some(value),
                        "--audience" => get.audience = Some(value),
                        _ => get.target = Some(value),
                    }
                    after
                }
                _ => break,
            };
        }
        if get.account.is_some() && get.target.is_some() {
            return Err(Failure::Usage("an account is named or a URL, not both"));
        }
        Ok(Self { get, rest })
    }

    /// The question for the client's URL alone: a client that asks about every server there is would be told the token of an
    /// account that the configuration names for each of them.
    pub(super) fn asking_only(self, url: String) -> Result<GetToken, Failure> {
        if self.get.account.is_some() || self.get.target.is_some() {
            return Err(Failure::Usage(
                "no account and no URL can be named here: [targets] says who answers for which URL",
            ));
        }
        Ok(self.asking(|| Some(url)))
    }

    /// The question, with the client's target where the configuration named no account.
    pub(super) fn asking(mut self, target: impl FnOnce() -> Option<String>) -> GetToken {
        if self.get.account.is_none() && self.get.target.is_none() {
            self.get.target = target();
        }
        self.get
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(String, String), Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let Words { get, rest } = Words::read(&words)?;
        let kind = (get.token_type == TokenKind::Id).then_some("id");
        let said = [get.account.as_deref(), get.target.as_deref(), get.audience.as_deref(), kind];
        Ok((said.into_iter().flatten().collect::<Vec<_>>().join(" "), rest.join(" ")))
    }

    #[test]
    fn our_words_come_first_and_the_rest_is_the_clients() {
        for (line, said, rest) in [
            ("", "", ""),
            ("get host", "", "get host"),
            ("--account a/b get --account", "a/b", "get --account"),
            ("--url=https://x --id-token --audience u -- y", "https://x u id", "-- y"),
            ("--accounts a", "", "--accounts a"),
        ] {
            assert_eq!(read(line).expect(line), (said.to_owned(), rest.to_owned()), "{line}");
        }
        for line in ["--account", "--account a --url b"] {
            assert!(matches!(read(line), Err(Failure::Usage(_))), "{line}");
        }
    }
}

//! Names of accounts: `provider` or `provider/label`.
//!
//! A name is what people type and what other programs' configurations hold, so it keeps to characters that need no
//! quoting in a shell, a URL or a file. The bare provider names that provider's default account.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest provider name or label.
const MAX_PART: usize = 128;

/// A login's name, e.g. `anthropic` or `anthropic/work`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName {
    provider: String,
    label: Option<String>,
}

/// Why a text is no account name. The text itself is not repeated: it may be a token pasted by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountNameError {
    /// Nothing before or after the slash.
    #[error("an account name is `provider` or `provider/label`, and neither part may be empty")]
    Empty,
    /// A character outside the allowed ones.
    #[error("an account name has letters, digits and . _ - @ + only (character {0} is none of them)")]
    Character(usize),
    /// It starts with a dot or a dash.
    #[error("neither part of an account name starts with `.` or `-`")]
    Start,
    /// A part is over 128 bytes.
    #[error("each part of an account name has at most 128 characters")]
    TooLong,
}

impl AccountName {
    /// Checks both parts.
    pub fn new(provider: &str, label: Option<&str>) -> Result<Self, AccountNameError> {
        check_part(provider, 0)?;
        if let Some(label) = label {
            check_part(label, provider.len() + 1)?;
        }
        Ok(Self { provider: provider.to_owned(), label: label.map(str::to_owned) })
    }

    /// What stands in the place of a name where there is no account.
    #[cfg(feature = "formats")]
    pub(crate) fn nobody() -> Self {
        Self { provider: "nobody".to_owned(), label: None }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The label, where it is not the provider's default account.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

fn check_part(part: &str, offset: usize) -> Result<(), AccountNameError> {
    if part.is_empty() {
        return Err(AccountNameError::Empty);
    }
    if part.len() > MAX_PART {
        return Err(AccountNameError::TooLong);
    }
    if part.starts_with(['.', '-']) {
        return Err(AccountNameError::Start);
    }
    let odd = part.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || "._-@+".contains(*c)));
    odd.map_or(Ok(()), |(at, _)| Err(AccountNameError::Character(offset + at + 1)))
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((provider, label)) => Self::new(provider, Some(label)),
            None => Self::new(text, None),
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = AccountNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{}/{label}", self.provider),
            None => f.write_str(&self.provider),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["anthropic", "anthropic/work", "127.0.0.1-8080/me@example.org", "a/b+c_d-e"] {
            assert_eq!(name.parse::<AccountName>().expect(name).to_string(), name);
        }
    }

    #[test]
    fn odd_names_are_refused_with_the_place_of_the_fault() {
        use AccountNameError::*;
        let long = "x".repeat(129);
        let cases = [
            ("", Empty),
            ("a/", Empty),
            ("/b", Empty),
            ("a b", Character(2)),
            ("a/b/c", Character(4)),
            ("a/é", Character(3)),
            ("a\n", Character(2)),
            ("../x", Start),
            ("-x", Start),
            ("a/.b", Start),
            (long.as_str(), TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<AccountName>(), Err(error), "{text:?}");
        }
    }
}

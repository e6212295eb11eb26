//! What a person pastes: `code#state` as a provider's page shows it, a bare code where nothing more is shown, or the
//! whole address that the browser was sent to.
//!
//! Pure, because it reads what anybody can put on a clipboard. A refusal never quotes the paste: it may be a secret.

use zeroize::Zeroizing;

use super::authorization::{self, Outcome, Redirected};
use crate::secret::Secret;

/// The longest paste.
pub const MAX_PASTE: usize = 6000;

/// What a login takes.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Where this login sends the person back to.
    pub redirect_uri: &'a str,
    /// Ties the paste to this login.
    pub state: &'a Secret,
    /// Whether a code may come without its state: only from a provider's page that shows no more than that. The code
    /// verifier still ties it to this login (RFC 9700 section 2.1.1).
    pub bare_code: bool,
    /// Whether the state is part of the address's path, so that the address alone says whose it is.
    pub state_in_path: bool,
}

/// Why a paste was refused; the login goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// Nothing was pasted.
    #[error("nothing was pasted")]
    Empty,
    /// Over [`MAX_PASTE`] characters.
    #[error("that is longer than 6000 characters: paste the code alone")]
    TooLong,
    /// No code.
    #[error("that is no code: paste what the provider's page shows, or the whole address it sent you to")]
    NotACode,
    /// Cut at the `#`.
    #[error("the part from `#` on is missing: paste the whole code")]
    Cut,
    /// Cut behind it.
    #[error("its end is missing: paste all of it")]
    CutShort,
    /// An address without its state.
    #[error("the `state` is missing from that address: paste the whole address")]
    NoState,
    /// A code where an address is needed.
    #[error("paste the whole address that the browser was sent to, from http on")]
    AddressNeeded,
    /// An address of something else.
    #[error("that is not the address that this login sends you back to")]
    OtherAddress,
    /// The state of another login.
    #[error("that belongs to another login: use the page that this login opened")]
    OtherLogin,
}

/// Reads a paste and checks that it belongs to this login.
pub fn decode(text: &str, expected: Expected<'_>) -> Result<Redirected, PasteError> {
    if text.chars().take(MAX_PASTE + 1).count() > MAX_PASTE {
        return Err(PasteError::TooLong);
    }
    // A terminal wraps long lines, and what is copied from it has breaks inside.
    let joined = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect::<String>());
    let pasted = joined.trim_matches(['"', '\'', '`']);
    let redirected = match pasted {
        "" => return Err(PasteError::Empty),
        address if address.contains("://") => from_address(address, expected)?,
        code => from_code(code, expected)?,
    };
    match &redirected.state {
        Some(state) if state.matches(expected.state) => Ok(redirected),
        // Who pastes is the person whose login it is: that a start is right tells nobody else.
        Some(state) if expected.state.expose().starts_with(&*state.expose()) => Err(PasteError::CutShort),
        Some(_) => Err(PasteError::OtherLogin),
        _ => Ok(redirected),
    }
}

fn from_address(address: &str, expected: Expected<'_>) -> Result<Redirected, PasteError> {
    let (address, _fragment) = address.split_once('#').unwrap_or((address, ""));
    let (bare, query) = address.split_once('?').ok_or(PasteError::NotACode)?;
    let (expected_bare, _) = expected.redirect_uri.split_once('?').unwrap_or((expected.redirect_uri, ""));
    if bare != expected_bare {
        return Err(PasteError::OtherAddress);
    }
    let redirected = authorization::decode(query).map_err(|_| PasteError::NotACode)?;
    if redirected.state.is_none() && !expected.state_in_path { Err(PasteError::NoState) } else { Ok(redirected) }
}

fn from_code(pasted: &str, expected: Expected<'_>) -> Result<Redirected, PasteError> {
    let (code, state) = match pasted.split_once('#') {
        Some((code, state)) if !state.is_empty() && !state.contains('#') => (code, Some(state)),
        Some((_, "")) => return Err(PasteError::Cut),
        Some(_) => return Err(PasteError::NotACode),
        None => (pasted, None),
    };
    if !authorization::is_code(code) {
        return Err(PasteError::NotACode);
    }
    let page = !is_loopback(expected.redirect_uri);
    if state.is_none() && !expected.bare_code {
        return Err(if page { PasteError::Cut } else { PasteError::AddressNeeded });
    }
    let secret = |text: &str| Secret::from(text.to_owned());
    let outcome = Outcome::Code(secret(code));
    Ok(Redirected { state: state.map(secret), issuer: None, addressed: false, outcome })
}

fn is_loopback(redirect_uri: &str) -> bool {
    redirect_uri.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://provider.example/code/callback";
    const LOOPBACK: &str = "http://127.0.0.1:4711/callback";

    fn read(text: &str, redirect_uri: &str, bare_code: bool) -> Result<String, PasteError> {
        let state = Secret::from("STATE".to_owned());
        let redirected = decode(text, Expected { redirect_uri, state: &state, bare_code, state_in_path: false })?;
        Ok(match redirected.outcome {
            Outcome::Code(code) => code.expose().to_owned(),
            Outcome::Error { error, .. } => format!("error {error}"),
        })
    }

    #[test]
    fn a_code_with_its_state_is_taken_however_it_was_wrapped() {
        for text in
            ["abc#STATE", "  abc#STATE\n", "ab\nc#ST ATE", "ab\r\n  c#STATE", "\"abc#STATE\"", "abc\u{a0}#STATE"]
        {
            assert_eq!(read(text, PAGE, false).as_deref(), Ok("abc"), "{text:?}");
        }
        let long = format!("{}#STATE", "a".repeat(MAX_PASTE - 6));
        assert_eq!(read(&long, PAGE, false).map(|code| code.len()), Ok(MAX_PASTE - 6));
    }

    #[test]
    fn a_whole_address_is_taken_with_its_code_or_its_error() {
        let at = |base: &str, query: &str| read(&format!("{base}?{query}"), base, false);
        assert_eq!(at(LOOPBACK, "code=abc&state=STATE").as_deref(), Ok("abc"));
        assert_eq!(at(PAGE, "state=STATE&code=a%23c&iss=https://i#frag").as_deref(), Ok("a#c"));
        assert_eq!(at(LOOPBACK, "error=access_denied&state=STATE").as_deref(), Ok("error access_denied"));
    }

    #[test]
    fn everything_else_is_refused_with_what_to_do() {
        use PasteError::*;
        let long = "a".repeat(MAX_PASTE + 1);
        let cases = [
            ("", PAGE, Empty),
            (" \n\t", PAGE, Empty),
            ("''", PAGE, Empty),
            (long.as_str(), PAGE, TooLong),
            ("abc", PAGE, Cut),
            ("abc#", PAGE, Cut),
            ("abc", LOOPBACK, AddressNeeded),
            ("#STATE", PAGE, NotACode),
            ("abc#STATE#x", PAGE, NotACode),
            ("caf\u{e9}#STATE", PAGE, NotACode),
            ("a\u{0}b#STATE", PAGE, NotACode),
            ("abc#state", PAGE, OtherLogin),
            ("abc#STATEX", PAGE, OtherLogin),
            ("abc#STAT", PAGE, CutShort),
            ("http://127.0.0.1:4711/callback?code=abc&state=ST", LOOPBACK, CutShort),
            ("http://127.0.0.1:4711/callback?code=abc&state=other", LOOPBACK, OtherLogin),
            ("http://127.0.0.1:4711/callback?code=abc", LOOPBACK, NoState),
            ("http://127.0.0.1:4711/callback", LOOPBACK, NotACode),
            ("http://127.0.0.1:4711/callback?state=STATE", LOOPBACK, NotACode),
            ("http://127.0.0.1:4711/callback?code=a&code=b&state=STATE", LOOPBACK, NotACode),
            ("http://127.0.0.1:9/callback?code=abc&state=STATE", LOOPBACK, OtherAddress),
            ("https://provider.example/authorize?code=true&state=STATE", PAGE, OtherAddress),
        ];
        for (text, redirect_uri, error) in cases {
            assert_eq!(read(text, redirect_uri, false), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_bare_code_is_taken_only_where_the_page_shows_no_more() {
        assert_eq!(read("abc", PAGE, true).as_deref(), Ok("abc"));
        assert_eq!(read("abc#other", PAGE, true), Err(PasteError::OtherLogin));
        assert_eq!(read(&format!("{PAGE}?code=abc"), PAGE, true), Err(PasteError::NoState));
    }
}

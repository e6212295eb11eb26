//! What browsers, clipboards and keyboards bring.

use super::quotes_nothing;
use crate::account::AccountName;
use crate::oauth::authorization::{self, Outcome, Redirected};
use crate::oauth::paste::{self, Expected};
use crate::oauth::redirect::{Knock, judge};
use crate::secret::Secret;

const STATE: &str = "STATE";

fn is_this_logins(redirected: &Redirected) {
    if let Outcome::Code(code) = &redirected.outcome {
        assert!(authorization::is_code(&code.expose()));
    }
}

/// The input as a query, and, in lines, as a whole request: only the right one is this login's.
pub(super) fn redirects(input: &[u8]) {
    let state = Secret::from(STATE.to_owned());
    let text = String::from_utf8_lossy(input);
    match authorization::decode(&text) {
        Ok(redirected) => is_this_logins(&redirected),
        Err(error) => quotes_nothing(error),
    }
    let mut lines = text.splitn(4, '\n');
    let (method, host, path) = (lines.next().unwrap_or(""), lines.next(), lines.next().unwrap_or(""));
    let knock = Knock { method, host, path, query: lines.next() };
    if let Ok(redirected) = judge(knock, "127.0.0.1:4711", "/callback", &state) {
        is_this_logins(&redirected);
        assert_eq!((method, host, path), ("GET", Some("127.0.0.1:4711"), "/callback"));
        assert!(redirected.state.is_some_and(|claimed| claimed.matches(&state)));
    }
}

/// Whatever is taken has this login's state, or is a bare code where one may be.
pub(super) fn pastes(input: &[u8]) {
    let state = Secret::from(STATE.to_owned());
    let text = String::from_utf8_lossy(input);
    let targets = [
        ("https://provider.example/code/callback", true),
        ("https://provider.example/code/callback", false),
        ("http://127.0.0.1:4711/callback", false),
    ];
    for (redirect_uri, bare_code) in targets {
        match paste::decode(&text, Expected { redirect_uri, state: &state, bare_code, state_in_path: false }) {
            Ok(redirected) => {
                is_this_logins(&redirected);
                assert!(redirected.state.as_ref().map_or(bare_code, |claimed| claimed.matches(&state)));
            }
            Err(error) => quotes_nothing(error),
        }
    }
}

/// A name is written as it was read, and needs no quoting anywhere.
pub(super) fn account_names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match text.parse::<AccountName>() {
        Ok(name) => {
            assert_eq!(name.to_string(), text);
            assert!(text.len() <= 257 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+/".contains(&b)));
        }
        Err(error) => quotes_nothing(error),
    }
}

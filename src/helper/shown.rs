//! A token as clients are shown it: on a line of its own or beside other words, and nothing in it ends that line.

use super::Failure;
use crate::ipc::message::token::Token;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;

/// The token, if it is one line.
pub(super) fn one_line(token: &Token) -> Result<&Secret, Failure> {
    if token.token.expose().contains(|c: char| c.is_control()) {
        let message = format!("the token of {} has characters that no client can be sent", token.account);
        return Err(Failure::Agent(Box::new(Error::new(ErrorKind::Internal, message))));
    }
    Ok(&token.token)
}

/// Whether a password can be told again by a protocol of lines. Nothing of it is repeated.
pub(super) fn can_be_told(password: &Secret) -> Result<(), Failure> {
    match password.expose().contains(char::is_control) {
        true => Err(Failure::Usage(
            "a password with a line end or another control character is not kept: none could be told it",
        )),
        false => Ok(()),
    }
}

/// Texts one after the other, in a buffer that is long enough not to leave copies behind as it grows.
pub(super) fn joined(texts: &[&str]) -> Secret {
    let mut joined = String::with_capacity(texts.iter().map(|text| text.len()).sum());
    texts.iter().for_each(|text| joined.push_str(text));
    Secret::from(joined)
}

/// As JSON writes it.
pub(super) fn quoted(text: &str) -> Secret {
    Secret::from(serde_json::Value::from(text).to_string())
}

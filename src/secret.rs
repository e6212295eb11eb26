//! The one type that holds a secret: a token, a code, a passphrase, a key.
//!
//! It is wiped on drop, redacted in `Debug`, and has neither `Display` nor `Serialize`: the only way out is
//! [`Secret::expose`], so that every place a secret leaves is found by searching for that word.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroize;

/// A value that must not be shown. `Secret` alone is text; `Secret<[u8; 32]>` is a key.
///
/// The value is boxed, so moving the `Secret` copies a pointer and leaves nothing behind.
///
/// ```
/// use cred_helper::Secret;
/// let token = Secret::from("ya29.a0Af".to_owned());
/// assert_eq!(format!("{token:?}"), "Secret(9 bytes)");
/// assert_eq!(token.expose(), "ya29.a0Af");
/// ```
pub struct Secret<T: Zeroize + ?Sized = str>(Box<T>);

impl<T: Zeroize + ?Sized> Secret<T> {
    /// Takes ownership of a boxed value.
    pub fn new(value: Box<T>) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value, to be filled in place (a key from the random source, a KDF's output).
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl Secret<str> {
    /// Length in bytes: what errors may say of a secret.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy; by name rather than `Clone`, so that copies are seen where they are made.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Equality that takes the same time wherever the first difference stands.
    pub fn matches(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value.into_boxed_str())
    }
}

impl<const N: usize> From<[u8; N]> for Secret<[u8; N]> {
    fn from(mut value: [u8; N]) -> Self {
        let boxed = Box::new(value);
        value.zeroize();
        Self(boxed)
    }
}

impl<T: Zeroize + ?Sized> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + ?Sized> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", size_of_val(&*self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// `#[serde(serialize_with = "secret::exposed")]`: for the few messages and records whose purpose is to carry it.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// As [`exposed`], for an optional field.
pub fn exposed_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_alone() {
        let shown = format!("{:?}", Secret::from("hunter2".to_owned()));
        assert_eq!(shown, "Secret(7 bytes)");
        let shown = format!("{:?}", Secret::from([7u8; 32]));
        assert_eq!(shown, "Secret(32 bytes)");
    }

    #[test]
    fn matches_only_the_same_bytes() {
        let secret = |s: &str| Secret::from(s.to_owned());
        assert!(secret("abc").matches(&secret("abc")));
        assert!(!secret("abc").matches(&secret("abd")));
        assert!(!secret("abc").matches(&secret("ab")));
    }
}

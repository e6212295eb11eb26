//! The one type that holds a secret: a token, a code, a passphrase, a key.
//!
//! It is wiped on drop, redacted in `Debug`, and has neither `Display` nor `Serialize`: the only way out is
//! [`Secret::expose`], so that every place a secret leaves is found by searching for that word.
//!
//! Where the process has a [`Sealer`], every secret made from then on rests sealed: in clear it is in memory only while an
//! [`Exposed`] lives. The cipher and its key are the sealer's; a program without one holds secrets as they are.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroize;

/// Seals secrets while they rest in this process's memory. It opens what it sealed itself, nothing else.
pub trait Sealer: Send + Sync {
    /// The sealed form of `plain`.
    fn seal(&self, plain: &[u8]) -> Box<[u8]>;
    /// What was sealed. Whoever calls this wipes it.
    fn open(&self, sealed: &[u8]) -> Box<[u8]>;
}

static SEALER: OnceLock<Arc<dyn Sealer>> = OnceLock::new();

/// Every secret made from now on is sealed. The first sealer stays: what it sealed no other one opens.
pub fn seal_from_now_on(sealer: Arc<dyn Sealer>) {
    let _ = SEALER.set(sealer);
}

/// What a [`Secret`] can hold: text, or a key's bytes.
pub trait Content: Zeroize {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
    /// The same again, from what [`Self::bytes`] gave.
    fn restore(bytes: Box<[u8]>) -> Box<Self>;
}

impl Content for str {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn restore(bytes: Box<[u8]>) -> Box<Self> {
        String::from_utf8(bytes.into_vec()).expect("text when it was sealed").into_boxed_str()
    }
}

impl<const N: usize> Content for [u8; N] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn restore(bytes: Box<[u8]>) -> Box<Self> {
        bytes.try_into().expect("as long as when it was sealed")
    }
}

/// A value that must not be shown. `Secret` alone is text; `Secret<[u8; 32]>` is a key.
///
/// What it holds is on the heap, so moving the `Secret` copies a pointer and leaves nothing behind.
///
/// ```
/// use cred_helper::Secret;
/// let token = Secret::from("ya29.a0Af".to_owned());
/// assert_eq!(format!("{token:?}"), "Secret(9 bytes)");
/// assert_eq!(&*token.expose(), "ya29.a0Af");
/// ```
pub struct Secret<T: Content + ?Sized = str> {
    length: usize,
    held: Held<T>,
}

enum Held<T: ?Sized> {
    Plain(Box<T>),
    Sealed(Box<[u8]>),
}

impl<T: Content + ?Sized> Secret<T> {
    /// Takes ownership of a boxed value.
    pub fn new(mut value: Box<T>) -> Self {
        let length = value.bytes().len();
        let Some(sealer) = SEALER.get() else { return Self { length, held: Held::Plain(value) } };
        let held = Held::Sealed(sealer.seal(value.bytes()));
        value.zeroize();
        Self { length, held }
    }

    /// The value itself, in clear for as long as the answer lives. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> Exposed<'_, T> {
        Exposed(match &self.held {
            Held::Plain(value) => Shown::Held(value),
            Held::Sealed(sealed) => Shown::Opened(T::restore(open(sealed))),
        })
    }

    /// Equality that takes the same time wherever the first difference stands.
    pub fn matches(&self, other: &Self) -> bool {
        let (a, b) = (self.expose(), other.expose());
        let (a, b) = (a.bytes(), b.bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
    }
}

fn open(sealed: &[u8]) -> Box<[u8]> {
    // Only a sealer makes `Held::Sealed`, and it stays.
    SEALER.get().map(|sealer| sealer.open(sealed)).unwrap_or_default()
}

impl<const N: usize> Secret<[u8; N]> {
    /// A key that `fill` writes in place (from the random source, a KDF); an error of its own stops it.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut value = Box::new([0; N]);
        let filled = fill(&mut value);
        // Made before the error is looked at, so that a half-filled one is wiped too.
        let secret = Self::new(value);
        filled.map(|()| secret)
    }
}

impl Secret<str> {
    /// Length in bytes: what errors may say of a secret.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A second copy; by name rather than `Clone`, so that copies are seen where they are made.
    pub fn duplicate(&self) -> Self {
        let held = match &self.held {
            Held::Plain(value) => Held::Plain(value.clone()),
            Held::Sealed(sealed) => Held::Sealed(sealed.clone()),
        };
        Self { length: self.length, held }
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value.into_boxed_str())
    }
}

impl<const N: usize> From<[u8; N]> for Secret<[u8; N]> {
    fn from(mut value: [u8; N]) -> Self {
        let boxed = Box::new(value);
        value.zeroize();
        Self::new(boxed)
    }
}

impl<T: Content + ?Sized> Drop for Secret<T> {
    fn drop(&mut self) {
        if let Held::Plain(value) = &mut self.held {
            value.zeroize();
        }
    }
}

impl<T: Content + ?Sized> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.length)
    }
}

/// A secret in clear, wiped when it is dropped; `&*exposed` is the value.
pub struct Exposed<'a, T: Content + ?Sized>(Shown<'a, T>);

enum Shown<'a, T: ?Sized> {
    /// It rests in clear anyway.
    Held(&'a T),
    Opened(Box<T>),
}

impl<T: Content + ?Sized> Deref for Exposed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Shown::Held(value) => value,
            Shown::Opened(value) => value,
        }
    }
}

impl<T: Content + ?Sized> Drop for Exposed<'_, T> {
    fn drop(&mut self) {
        if let Shown::Opened(value) = &mut self.0 {
            value.zeroize();
        }
    }
}

impl<T: Content + ?Sized> fmt::Debug for Exposed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exposed({} bytes)", self.bytes().len())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// `#[serde(serialize_with = "secret::exposed")]`: for the few messages and records whose purpose is to carry it.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secret.expose())
}

/// As [`exposed`], for an optional field.
pub fn exposed_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(&*secret.expose()),
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

    /// No cipher: what it makes is only not what it was given.
    struct Reversed;

    impl Sealer for Reversed {
        fn seal(&self, plain: &[u8]) -> Box<[u8]> {
            plain.iter().rev().copied().collect()
        }

        fn open(&self, sealed: &[u8]) -> Box<[u8]> {
            self.seal(sealed)
        }
    }

    #[test]
    fn a_secret_made_after_the_sealer_rests_sealed_and_one_made_before_stays_good() {
        let before = Secret { length: 6, held: Held::Plain("before".into()) };
        seal_from_now_on(Arc::new(Reversed));
        let text = Secret::from("a secret text".to_owned());
        let key = Secret::filled(|key: &mut [u8; 4]| {
            key.copy_from_slice(b"key!");
            Ok::<(), ()>(())
        });
        let Held::Sealed(sealed) = &text.held else { panic!("it rests in clear") };
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        assert_eq!((&*text.expose(), &*before.expose(), text.len()), ("a secret text", "before", 13));
        assert_eq!(*key.expect("filled").expose(), *b"key!");
        assert!(text.duplicate().matches(&text) && !text.matches(&before));
        assert_eq!(format!("{text:?} {:?}", text.expose()), "Secret(13 bytes) Exposed(13 bytes)");
        assert!(Secret::from(String::new()).is_empty());
    }

    #[test]
    fn matches_only_the_same_bytes() {
        let secret = |s: &str| Secret::from(s.to_owned());
        assert!(secret("abc").matches(&secret("abc")));
        assert!(!secret("abc").matches(&secret("abd")));
        assert!(!secret("abc").matches(&secret("ab")));
    }
}

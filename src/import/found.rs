//! The tokens in a document: where they were said to be, or under the names that programs usually give them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::document::{Document, ImportError};
use crate::clock::Timestamp;
use crate::expiry;
use crate::secret::Secret;

/// Longer than any token.
const MAX_TOKEN: usize = 16 * 1024;

const ACCESS: &[&str] = &["access_token", "accessToken", "oauth_token", "access", "token"];
const REFRESH: &[&str] = &["refresh_token", "refreshToken", "refresh"];
const EXPIRES: &[&str] = &["expires_at", "expiresAt", "expiry_date", "expiry", "expires", "expiration"];
const SCOPE: &[&str] = &["scope", "scopes"];
const CLIENT_ID: &[&str] = &["client_id", "clientId"];
const CLIENT_SECRET: &[&str] = &["client_secret", "clientSecret"];

/// Where things are in a document (JSON pointers, RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// The access token; the empty pointer is the whole document. None: there is a refresh token alone.
    pub access_token: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// When the access token ends.
    pub expires_at: Option<String>,
    /// Its scopes: a text with blanks, or a list.
    pub scope: Option<String>,
    /// The client identifier.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<String>,
}

/// What is in a document.
#[derive(Debug)]
pub struct Found {
    /// The access token; there is a refresh token where this is none.
    pub access_token: Option<Secret>,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
    /// When the access token ends: as the document says, else as the token itself does if it is a JWT.
    pub expires_at: Option<Timestamp>,
    /// The scopes, sorted.
    pub scope: Vec<String>,
    /// The client identifier.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<Secret>,
}

impl Pointers {
    /// The usual places: the shallowest object that has an access token, and what is beside that; where there is no access
    /// token at all, the shallowest that has a refresh token.
    ///
    /// # Errors
    /// There is neither, or there are several.
    pub fn usual(document: &Document) -> Result<Self, ImportError> {
        if document.root().is_string() {
            return Ok(Self::whole());
        }
        match Self::beside(document, ACCESS)? {
            Some(found) => Ok(found),
            None => Self::beside(document, REFRESH)?.ok_or(ImportError::NoToken),
        }
    }

    /// The access token is the whole document.
    fn whole() -> Self {
        Self { access_token: Some(String::new()), ..Self::default() }
    }

    /// The shallowest object that has one of these names, and what is in it.
    fn beside(document: &Document, names: &[&str]) -> Result<Option<Self>, ImportError> {
        let mut level = vec![(String::new(), document.root())];
        while !level.is_empty() {
            let mut holders = level.iter().filter_map(|(at, value)| Some((at, first(value, at, names)?, *value)));
            if let Some((at, token, object)) = holders.next() {
                let others: Vec<String> = holders.map(|(_, other, _)| other).collect();
                if !others.is_empty() {
                    return Err(ImportError::Several(
                        std::iter::once(token).chain(others).take(9).map(|at| shown(&at)).collect(),
                    ));
                }
                return Ok(Some(Self {
                    access_token: first(object, at, ACCESS),
                    refresh_token: first(object, at, REFRESH),
                    expires_at: first(object, at, EXPIRES),
                    scope: first(object, at, SCOPE),
                    client_id: first(object, at, CLIENT_ID),
                    client_secret: first(object, at, CLIENT_SECRET),
                }));
            }
            level = level.into_iter().flat_map(|(at, value)| children(&at, value)).collect();
        }
        Ok(None)
    }

    /// Reads what they point at. The access token has to be there, or where none is meant the refresh token.
    ///
    /// # Errors
    /// Something is no token, or no time.
    pub fn read(&self, document: &Document) -> Result<Found, ImportError> {
        let optional = |pointer: &Option<String>| match pointer {
            Some(pointer) if document.at(pointer).is_some() => token(document, pointer).map(Some),
            _ => Ok(None),
        };
        let access_token = self.access_token.as_deref().map(|pointer| token(document, pointer)).transpose()?;
        let refresh_token = optional(&self.refresh_token)?;
        if access_token.is_none() && refresh_token.is_none() {
            return Err(ImportError::NoToken);
        }
        let stated = match &self.expires_at {
            Some(pointer) => match document.at(pointer) {
                Some(value) => Some(time(value).ok_or_else(|| ImportError::NotATime(shown(pointer)))?),
                None => None,
            },
            None => None,
        };
        Ok(Found {
            expires_at: stated.or_else(|| own_end(access_token.as_ref()?)),
            refresh_token,
            scope: self.scope.as_deref().and_then(|pointer| document.at(pointer)).map(scopes).unwrap_or_default(),
            client_id: optional(&self.client_id)?.map(|id| id.expose().to_owned()),
            client_secret: optional(&self.client_secret)?,
            access_token,
        })
    }
}

/// The first of these names that an object has, as a pointer. Nothing that is empty counts.
fn first(value: &Value, at: &str, names: &[&str]) -> Option<String> {
    let object = value.as_object()?;
    let filled = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => names != ACCESS && names != REFRESH,
        Value::Array(_) => names == SCOPE,
        _ => false,
    };
    names.iter().find(|name| object.get(**name).is_some_and(filled)).map(|name| format!("{at}/{name}"))
}

fn children<'a>(at: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (format!("{at}/{}", escaped(name)), value)).collect()
        }
        Value::Array(values) => values.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)).collect(),
        _ => Vec::new(),
    }
}

/// A name as a part of a pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A text that a header can carry.
fn token(document: &Document, pointer: &str) -> Result<Secret, ImportError> {
    let text = document.at(pointer).and_then(Value::as_str).map(str::trim);
    let fit =
        |text: &&str| !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = text.filter(fit).ok_or_else(|| ImportError::NotAToken(shown(pointer)))?;
    Ok(Secret::from(text.to_owned()))
}

/// A pointer that was given or made of a file's names, fit to be shown.
fn shown(pointer: &str) -> String {
    if pointer.is_empty() { "the root".to_owned() } else { crate::redact::server_text(pointer) }
}

/// Seconds, milliseconds, or RFC 3339. Zero is what programs write that know no end.
fn time(value: &Value) -> Option<Timestamp> {
    let end = match value {
        Value::Number(n) => match n.as_i64() {
            Some(n) => expiry::from_number(n),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float to an integer saturates, and parts of seconds don't count"
            )]
            None => expiry::from_number(n.as_f64()? as i64),
        },
        Value::String(text) => expiry::parse(text),
        _ => None,
    };
    end.filter(|end| end.0 > 0)
}

fn scopes(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words = texts.into_iter().flat_map(str::split_whitespace);
    let mut scopes: Vec<String> = words
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_graphic()) && word.len() <= 256)
        .map(str::to_owned)
        .collect();
    scopes.sort();
    scopes.dedup();
    scopes.truncate(100);
    scopes
}

/// When a JWT says that it ends (RFC 7519 section 4.1.4). It is only read, not believed: a server decides.
fn own_end(token: &Secret) -> Option<Timestamp> {
    let token = token.expose();
    let claims = token.split('.').nth(1).filter(|_| token.split('.').count() == 3)?;
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: Value,
    }
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    time(&claims.exp)
}

#[cfg(test)]
#[path = "found/tests.rs"]
mod tests;

//! Faults on demand: what the next requests get instead of a decent answer. A new one is a variant and a match arm.

use std::time::Duration;

use serde_json::Value;

use super::http::{Answer, OAuthError};
use super::options::RotationMode;

/// How a request is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// As it should be.
    Decent,
    /// Never; nothing is done either.
    Hang,
    /// With a status and perhaps a `Retry-After`; nothing is done.
    Status(u16, Option<String>),
    /// With any status and JSON; nothing is done.
    Error(u16, Value),
    /// By a reset connection; nothing is done.
    ResetConnection,
    /// By a page of somebody's proxy, with status 200.
    Html,
    /// By a redirect to elsewhere.
    Redirect(String),
    /// `invalid_grant`, although the grant is good.
    InvalidGrant,
    /// Everything is done, a refresh token rotated too, and then the connection is reset.
    RotateThenDropAnswer,
    /// Everything is done, and the answer comes late.
    DelayAnswer(Duration),
    /// Everything is done, and half the answer arrives.
    TruncatedJson,
    /// Everything is done, and the answer comes byte by byte with this pause.
    SlowBytes(Duration),
    /// An answer of this many bytes.
    HugeBody(usize),
    /// Without `expires_in`.
    MissingExpiresIn,
    /// With this `expires_in`: a string, a negative or a fractional number.
    ExpiresIn(Value),
    /// Without a refresh token; the one that was sent stays good.
    NoRefreshToken,
    /// With this scope, narrower than what was asked.
    NarrowScope(String),
    /// With any other member changed, or left out.
    Member(String, Option<Value>),
    /// Everything is done, and the answer has this header, instead of its own of that name.
    Header(&'static str, String),
    /// Nothing is done, and these bytes come instead of an answer.
    Raw(Raw),
}

/// Bytes that no HTTP library would send, and then the end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Sent first.
    pub head: Vec<u8>,
    /// Sent behind it.
    pub block: Vec<u8>,
    /// How often.
    pub times: usize,
}

impl From<&str> for Raw {
    fn from(head: &str) -> Self {
        Self { head: head.as_bytes().to_vec(), block: Vec::new(), times: 0 }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Fate {
    Answer(Answer, Delivery),
    Reset,
    Silence,
    Raw(Raw),
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    Late(Duration),
    Half,
    ByteByByte(Duration),
}

impl Behaviour {
    /// Answers a request; `process` is the endpoint, told how to rotate where that differs from the server's habit.
    pub(super) fn answer(self, process: impl FnOnce(Option<RotationMode>) -> Answer) -> Fate {
        let whole = |answer| Fate::Answer(answer, Delivery::Whole);
        match self {
            Behaviour::Decent => whole(process(None)),
            Behaviour::Hang => Fate::Silence,
            Behaviour::Status(status, retry_after) => {
                let mut answer = Answer::new(status, "text/plain", String::new());
                answer.headers.extend(retry_after.map(|value| ("retry-after", value)));
                whole(answer)
            }
            Behaviour::Error(status, body) => whole(Answer { status, ..Answer::json(&body) }),
            Behaviour::ResetConnection => Fate::Reset,
            Behaviour::Html => whole(Answer::page(200, "<html><body>Please accept the terms of this Wi-Fi".to_owned())),
            Behaviour::Redirect(location) => whole(Answer { status: 307, ..Answer::redirect(location) }),
            Behaviour::InvalidGrant => whole(OAuthError::invalid_grant("told to say so").into()),
            Behaviour::RotateThenDropAnswer => {
                process(None);
                Fate::Reset
            }
            Behaviour::DelayAnswer(delay) => Fate::Answer(process(None), Delivery::Late(delay)),
            Behaviour::TruncatedJson => Fate::Answer(process(None), Delivery::Half),
            Behaviour::SlowBytes(pause) => Fate::Answer(process(None), Delivery::ByteByByte(pause)),
            Behaviour::HugeBody(length) => {
                whole(process(None).with("padding", Some(Value::String("x".repeat(length)))))
            }
            Behaviour::MissingExpiresIn => whole(process(None).with("expires_in", None)),
            Behaviour::ExpiresIn(value) => whole(process(None).with("expires_in", Some(value))),
            Behaviour::NoRefreshToken => whole(process(Some(RotationMode::None)).with("refresh_token", None)),
            Behaviour::NarrowScope(scope) => whole(process(None).with("scope", Some(Value::String(scope)))),
            Behaviour::Member(name, value) => whole(process(None).with(&name, value)),
            Behaviour::Header(name, value) => {
                let mut answer = process(None);
                answer.headers.retain(|(other, _)| *other != name);
                answer.headers.push((name, value));
                whole(answer)
            }
            Behaviour::Raw(raw) => Fate::Raw(raw),
        }
    }
}

/// What the authorization endpoint sends back instead of a decent redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectBehaviour {
    /// A code.
    Decent,
    /// An error (RFC 6749 section 4.1.2.1) and its description.
    Error(String, String),
    /// Another issuer in `iss`: a mix-up attack (RFC 9207).
    WrongIssuer,
    /// No `iss`, although the metadata promises it.
    NoIssuer,
    /// Another `state`.
    WrongState,
    /// No code.
    NoCode,
}

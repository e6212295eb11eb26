//! What was asked and how it ended, for tests to count. No token, code or secret ever gets in here.

use std::time::Duration;

/// The server's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// OpenID Connect Discovery and RFC 8414.
    Metadata,
    /// RFC 6749 section 3.1, the consent page's answer included.
    Authorization,
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 8628 section 3.1.
    DeviceAuthorization,
    /// RFC 8628 section 3.3: where the person types the user code.
    Verification,
    /// RFC 7009.
    Revocation,
    /// OpenID Connect Core section 5.3.
    Userinfo,
    /// A protected resource (RFC 6750).
    Resource,
    /// A login's token for a short-lived one.
    SecondStep,
    /// A login's token for an API key.
    Key,
    /// The page that shows a code for pasting.
    Paste,
    /// Anything else.
    Unknown,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it went.
    pub endpoint: Endpoint,
    /// The `grant_type`, at the token endpoint.
    pub grant_type: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// When it arrived, counted from the server's start.
    pub at: Duration,
    /// When its answer was handed to the connection, counted likewise.
    pub answered_at: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived and is not answered.
    Pending,
    /// It was answered without an error.
    Answered(u16),
    /// It was answered with an OAuth error.
    Refused(u16, String),
    /// The connection was dropped instead.
    Dropped,
}

impl Entry {
    /// Whether it is a request for this grant.
    pub fn is_grant(&self, grant_type: &str) -> bool {
        self.endpoint == Endpoint::Token && self.grant_type.as_deref() == Some(grant_type)
    }

    /// Whether it was answered without an error.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(200..=399))
    }
}

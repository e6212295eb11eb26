//! The client credentials grant (RFC 6749 section 4.4): the client asks for itself.

use crate::oauth::token_request::Parameters;

/// Section 4.4.2. What the client shows of itself is all there is.
pub(super) fn parameters() -> Parameters {
    Parameters::default().with("grant_type", "client_credentials")
}

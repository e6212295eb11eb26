//! JWTs as authorization grants (RFC 7523 section 2.1): somebody whom the server trusts says who asks.

use crate::oauth::token_request::Parameters;

/// Section 2.1.
pub(super) fn parameters(assertion: &str) -> Parameters {
    Parameters::default().with("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").with("assertion", assertion)
}

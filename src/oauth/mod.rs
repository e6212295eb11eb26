//! The RFCs, one file each: what is sent, and what comes back, read with suspicion.
//!
//! The decoders are pure functions of bytes or text, free of the runtime and of the HTTP crate; `http` alone talks.

pub mod authorization;
#[cfg(test)]
pub(crate) mod canned;
pub mod device_authorization;
pub mod http;
pub mod id_token;
pub mod metadata;
pub mod pkce;
pub mod token_error;
pub mod token_request;
pub mod token_response;

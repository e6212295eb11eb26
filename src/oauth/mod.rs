//! The RFCs, one file each: what is sent, and what comes back, read with suspicion.
//!
//! The decoders are pure functions of bytes or text, free of the runtime and of the HTTP crate; `http` alone talks.

pub mod authorization;
#[cfg(all(test, feature = "agent"))]
pub(crate) mod canned;
#[cfg(feature = "agent")]
pub mod client_assertion;
pub mod device_authorization;
#[cfg(feature = "agent")]
pub mod http;
pub mod id_token;
pub mod metadata;
pub mod paste;
pub mod pkce;
pub mod proxy;
pub mod redirect;
pub mod retry_after;
pub mod second_step;
pub mod sts;
pub mod token_error;
#[cfg(feature = "agent")]
pub mod token_request;
pub mod token_response;

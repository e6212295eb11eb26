//! What client and agent agree on: messages, their framing, the transport, and the blocking client.

pub mod client;
#[cfg(feature = "formats")]
pub(crate) mod door;
pub mod frame;
pub mod message;
pub mod owner;
#[cfg(feature = "formats")]
pub(crate) mod request;
#[cfg(feature = "agent")]
pub mod server;
pub mod start;
mod transport;

pub use transport::ConnectError;

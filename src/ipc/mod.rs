//! What client and agent agree on: messages, their framing, the transport, and the blocking client.

pub mod message;

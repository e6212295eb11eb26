//! The demonstration: an authorization server of our own on loopback, and what is shown with it.

pub mod server;

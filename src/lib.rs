//! The OAuth token agent of a machine: log in once, and every program gets a fresh token.

pub mod account;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
#[cfg(feature = "agent")]
pub mod config;
#[cfg(feature = "agent")]
pub mod demo;
#[cfg(feature = "agent")]
pub mod grant;
pub mod ipc;
#[cfg(feature = "agent")]
pub mod oauth;
pub mod paths;
#[cfg(feature = "agent")]
pub mod provider;
pub mod redact;
pub mod secret;
pub mod token;
#[cfg(feature = "agent")]
pub mod vault;

pub use ipc::client::Client;
pub use secret::Secret;

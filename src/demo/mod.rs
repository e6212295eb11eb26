//! `cred-helper demo`: the whole story on this machine alone, with no account and nothing of the user's touched.
//!
//! `server` is an authorization server that really checks what it is sent; the tests use the same one.

pub mod server;
mod stage;
mod story;

pub use story::run;

//! The OAuth token agent of a machine: log in once, and every program on it asks for a fresh access token when it needs
//! one. One long-lived agent owns the refresh tokens, redeems each exactly once for everybody, and keeps them safe.
//!
//! # As a library
//!
//! With `default-features = false` this crate is a light, blocking client: no async runtime, HTTP, TLS or D-Bus.
//!
//! ```no_run
//! use std::time::Duration;
//! use cred_helper::ipc::message::token::GetToken;
//! use cred_helper::ipc::start::{Start, connect_or_start};
//! use cred_helper::paths::Paths;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let paths = Paths::from_env()?;
//! let mut client = connect_or_start(&paths, Start::IfNeeded, Duration::from_secs(30))?;
//! let token = client.call(&GetToken { account: Some("anthropic".into()), ..GetToken::default() })?;
//! println!("{} until {:?}", token.account, token.expires_at);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/client.rs` is a whole program. The messages are in [`ipc::message`], and in words in
//! cred-helper-protocol(7).
//!
//! # One request, told once
//!
//! What happens between `$(cred-helper get-token)` and the token:
//!
//! 1. `cli/args` parses the command line into a [`GetToken`](ipc::message::token::GetToken); under the name of another program's
//!    helper, `helper` makes one of what that program sends. The caller's environment variables are the client's business: the
//!    answer names those that outrank it, their values never travel.
//! 2. [`ipc::start`] connects to the agent's socket, or starts the agent.
//! 3. `ipc/server` refuses a foreign peer, caps the frame, sets a deadline, decodes; `agent/dispatch` finds the method;
//!    `agent/audit` notes who asks and, in the end, what came of it; `agent/rules` says whether they may.
//! 4. `agent/tokens` looks under a short lock. A fresh token is the answer, and nothing else ran.
//! 5. Otherwise `agent/single_flight` makes one exchange of everybody's wish; each caller waits for its own deadline only.
//! 6. `agent/refresher` prepares (sealing key, open file, a durable mark "sent"), and only then redeems (`grant`, `oauth`).
//! 7. The outcome is classed by `grant/failure` and judged by `agent/state`, both pure: again, dead, or given up.
//! 8. What came back is sealed, synced and renamed by `vault`, and only then answered (`agent/persist`).
//!
//! # Where things are
//!
//! | module | what it holds | what it may use |
//! |---|---|---|
//! | [`secret`] [`token`] [`expiry`] [`account`] [`clock`] [`redact`] `panics` [`paths`] [`version`] `html` `residue` | the vocabulary | nothing |
//! | `fault` | steps at which tests kill, stop or fail the agent; nothing in a release | nothing |
//! | `import` | other programs' files: opened with care, decoded, their tokens found; for client and agent | `ipc`'s messages |
//! | [`ipc`] | what client and agent agree on: messages, frames, transport, client, server, start | vocabulary |
//! | `cli` | the command line: arguments, output, one file per command | `ipc`'s light half, `helper` |
//! | `helper` | other programs' credential protocols, one file each: text in, text out | `ipc`'s messages |
//! | `oauth` | the RFCs, one file per RFC or endpoint; `http` alone names the HTTP crate | vocabulary |
//! | `provider` | authorization servers as data: `presets/*.toml` and their schema | vocabulary |
//! | `grant` | how tokens are obtained and renewed; remembers nothing | `oauth`, `provider` |
//! | `vault` | where logins rest: sealed records, and key slots | vocabulary, messages |
//! | `config` | the configuration file | `provider` |
//! | `agent` | the only place that remembers | everything but `cli` |
//! | `fuzzing` | every decoder of foreign bytes in one table, for `fuzz/` and the tests; in no program | the decoders |
//! | `demo` | the embedded authorization server, and the story told with it | `oauth::http`, vocabulary |
//!
//! `tests/tidy/imports.rs` holds the table of allowed imports. A new provider is one TOML file, a new grant, key slot, method
//! or command one file; each is one line in a table that the tests loop over.

#![cfg_attr(
    all(feature = "formats", not(feature = "agent")),
    allow(dead_code, reason = "the decoders without the agent")
)]

pub mod account;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
#[cfg(feature = "formats")]
pub mod config;
#[cfg(feature = "agent")]
pub mod demo;
#[cfg(any(feature = "cli", feature = "formats"))]
pub mod expiry;
#[cfg(feature = "formats")]
pub mod fault;
#[cfg(any(feature = "fuzzing", all(test, feature = "agent", feature = "cli")))]
pub mod fuzzing;
#[cfg(feature = "agent")]
pub mod grant;
#[cfg(feature = "cli")]
pub mod helper;
#[cfg(feature = "agent")]
mod html;
#[cfg(any(feature = "formats", feature = "cli"))]
pub mod import;
pub mod ipc;
#[cfg(feature = "formats")]
pub mod oauth;
#[cfg(any(feature = "agent", feature = "cli"))]
mod panics;
pub mod paths;
#[cfg(feature = "formats")]
pub mod provider;
pub mod redact;
#[cfg(feature = "agent")]
pub mod residue;
pub mod secret;
pub mod token;
#[cfg(feature = "formats")]
pub mod vault;
pub mod version;

pub use ipc::client::Client;
pub use secret::Secret;

//! What several integration tests share, one file per counterpart.

#![allow(dead_code, reason = "every test is a crate of its own and uses a part of this")]
#![allow(missing_docs, unreachable_pub, reason = "the same: there is no other crate to see or document it for")]

pub mod browser;
pub mod cargo_registry;
pub mod chromium;
pub mod git_server;
pub mod http;
pub mod jwks;
pub mod listener;
pub mod oidc_provider;
pub mod programs;
pub mod python_index;
pub mod realm;
pub mod registry;
pub mod site;

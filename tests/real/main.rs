//! The product against real counterparts: a certified OpenID Connect server, a keyring on a D-Bus session, a browser, a
//! terminal. One file per counterpart; nothing of the user's is touched.
//!
//! A counterpart that is not installed is said on standard error and its tests are skipped; with
//! `CRED_HELPER_TESTS_REQUIRE=1` they fail.

// None of the counterparts runs under Wine, where other tests do.
#![cfg(all(target_os = "linux", feature = "cli", feature = "agent"))]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it saw and stops where it fails")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "what tests share, each binary uses in part")]

mod ai;
mod api_key;
mod aws;
mod bazel;
mod browser;
mod cargo;
mod certified_server;
mod clocks;
mod completions;
mod consent;
mod docker;
mod dovecot;
mod dunst;
#[path = "../product/faults.rs"]
mod faults;
mod forge;
mod git;
mod git_passwords;
mod goauth;
mod google;
mod grants;
#[path = "../product/home.rs"]
mod home;
#[path = "../keyring/mod.rs"]
mod keyring;
mod kubectl;
mod logind;
mod mail;
mod memory;
mod neomutt;
mod notices;
mod notifier;
mod odd_desktops;
mod pages;
mod passphrase;
mod paste;
mod picker;
mod pinentry;
mod pnpm;
#[path = "../keyring/prompter.rs"]
mod prompter;
mod provider;
mod python_indexes;
mod rclone;
mod screens;
mod sdks;
mod session;
mod setup;
mod sleep;
#[path = "../support/smtp_server.rs"]
mod smtp_server;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
mod terminal;
mod terraform;
#[path = "../support/tls.rs"]
mod tls;
mod vault_keyring;

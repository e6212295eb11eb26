//! The product from outside: the two programs as users run them, against an authorization server that checks what it is
//! sent. One file per promise.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it saw and stops where it fails")]

mod accounts;
mod canary;
mod crashes;
mod home;
mod logins;
mod mistakes;
mod owners;
mod tokens;
mod vaults;

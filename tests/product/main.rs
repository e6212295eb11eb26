//! The product from outside: the two programs as users run them, against an authorization server that checks what it is
//! sent. One file per promise.

#![cfg(all(feature = "agent", feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it saw and stops where it fails")]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "there is no other crate to see it or document it for")]

mod accounts;
#[cfg(target_os = "linux")]
mod asker;
#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod audit;
#[cfg(target_os = "linux")]
mod canary;
#[cfg(target_os = "linux")]
mod certificates;
mod crashes;
#[cfg(target_os = "linux")]
mod disks;
#[cfg(target_os = "linux")]
mod door;
#[cfg(unix)]
mod exec;
#[cfg(target_os = "linux")]
mod failing_disk;
mod faults;
#[cfg(target_os = "linux")]
mod files;
mod grants;
#[cfg(target_os = "linux")]
mod handovers;
mod home;
mod imports;
mod keys;
#[path = "../support/listener.rs"]
mod listener;
#[cfg(unix)]
mod locks;
mod logins;
#[cfg(target_os = "linux")]
mod memory;
mod mistakes;
#[cfg(target_os = "linux")]
mod owners;
#[cfg(unix)]
mod passwords;
#[path = "../support/programs.rs"]
mod programs;
mod providers;
#[cfg(target_os = "linux")]
mod proxies;
#[cfg(target_os = "linux")]
#[path = "../support/proxy.rs"]
mod proxy;
mod redirects;
#[cfg(target_os = "linux")]
mod rules;
mod second_steps;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod services;
#[cfg(unix)]
mod setups;
#[path = "../support/site.rs"]
mod site;
#[cfg(target_os = "linux")]
mod starts;
#[cfg(target_os = "linux")]
mod stops;
#[cfg(target_os = "linux")]
mod storage;
#[cfg(target_os = "linux")]
mod strangers;
mod streams;
#[cfg(target_os = "linux")]
mod successors;
#[cfg(unix)]
mod targets;
#[cfg(target_os = "linux")]
#[path = "../support/tls.rs"]
mod tls;
mod tokens;
#[cfg(target_os = "linux")]
mod units;
#[cfg(target_os = "linux")]
mod upgrades;
mod vaults;
#[cfg(target_os = "linux")]
mod walks;

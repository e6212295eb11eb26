//! What no Rust file may do: unsafe code without a reason, printing, work left undone, a file without a purpose or with several.

use std::fs;

use super::{Rule, code, complains, passes, root};

/// Who may say `unsafe`: a system call that nobody wraps, each with its reason beside it.
const UNSAFE: &[&str] = &[
    "src/agent/alarm.rs",
    "src/agent/detach.rs",
    "src/agent/key_page/linux.rs",
    "src/agent/key_page/macos.rs",
    "src/agent/key_page/windows.rs",
    "src/agent/wiping_allocator.rs",
    "src/cli/exec/windows.rs",
    "src/clock/windows.rs",
    "src/ipc/owner.rs",
    "src/ipc/start/launch.rs",
    "src/ipc/transport/unix.rs",
    "src/ipc/transport/unix/breath.rs",
    "src/ipc/transport/unix/listener.rs",
    "src/ipc/transport/windows.rs",
    "src/ipc/transport/windows/listener.rs",
    "src/ipc/transport/windows/tests.rs",
    "src/ipc/transport/windows/user.rs",
    "src/residue.rs",
    "src/vault/machine/windows.rs",
    "src/vault/slot/keyring/windows.rs",
];

const LONGEST_FILE: usize = 400;

/// Rules for every Rust file of `src`.
pub(crate) const OF_SOURCE: &[Rule] =
    &[one_http_client, only_listed_files_are_unsafe, one_place_prints, nothing_is_unfinished];
/// Rules for every Rust file.
pub(crate) const OF_RUST: &[Rule] = &[opens_with_its_purpose, is_short];

fn complain(path: &str, text: &str, what: &str, is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    code(text).filter(|(_, line)| is_bad(line)).map(|(at, _)| format!("{path}:{at}: {what}")).collect()
}

fn one_http_client(path: &str, text: &str) -> Vec<String> {
    let theirs = path != "src/oauth/http.rs" && !path.starts_with("src/oauth/http/");
    let names = |line: &str| theirs && (line.contains("reqwest") || line.contains("hyper_util::client"));
    complain(path, text, "only oauth/http names the HTTP client: its proxies and authorities are everybody's", names)
}

fn only_listed_files_are_unsafe(path: &str, text: &str) -> Vec<String> {
    if UNSAFE.contains(&path) {
        return Vec::new();
    }
    let says = |line: &str| line.split_whitespace().any(|word| word.trim_start_matches('(') == "unsafe");
    complain(path, text, "a new file says `unsafe`", says)
}

/// The lints forbid printing; this forbids switching them off without a reason.
fn one_place_prints(path: &str, text: &str) -> Vec<String> {
    let waived =
        |line: &str| line.contains("clippy::print_std") && !(line.contains("expect(") && line.contains("reason"));
    complain(path, text, "prints without a reason: only cli/output.rs prints", waived)
}

fn nothing_is_unfinished(path: &str, text: &str) -> Vec<String> {
    complain(path, text, "unfinished", |line| {
        ["todo!(", "unimplemented!(", "dbg!("].iter().any(|word| line.contains(word))
    })
}

fn opens_with_its_purpose(path: &str, text: &str) -> Vec<String> {
    let opens = text.starts_with("//!");
    if opens { Vec::new() } else { vec![format!("{path}:1: it does not open with what it is for (`//!`)")] }
}

fn is_short(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= LONGEST_FILE { Vec::new() } else { vec![format!("{path}: {lines} lines; split it by purpose")] }
}

#[test]
fn every_listed_file_is_unsafe_and_there() {
    for path in UNSAFE {
        let text =
            fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path} is gone: drop it from the list"));
        assert!(text.contains("unsafe"), "{path} is no longer unsafe: drop it from the list");
    }
}

#[test]
fn each_of_its_rules_can_complain() {
    complains(&[
        (one_http_client, "src/grant/login.rs", "use reqwest::Client;"),
        (one_http_client, "src/agent/mod.rs", "use hyper_util::client::legacy::Client;"),
        (only_listed_files_are_unsafe, "src/cli/mod.rs", "    let x = unsafe { f() };"),
        (one_place_prints, "src/cli/mod.rs", "#[allow(clippy::print_stdout)]"),
        (nothing_is_unfinished, "src/cli/mod.rs", concat!("    to", "do!()")),
        (opens_with_its_purpose, "src/cli/mod.rs", "use std::fs;"),
        (is_short, "src/cli/mod.rs", &"\n".repeat(LONGEST_FILE + 1)),
    ]);
}

#[test]
fn what_it_allows_passes() {
    passes(&[(only_listed_files_are_unsafe, "src/grant/page.rs", "\"style-src 'unsafe-inline'\"")]);
}

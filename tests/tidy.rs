//! The architecture as a test: which part may import which, and what no file may do. It reads the source as text, so that a
//! forbidden import fails here with its file and line, before anybody has to notice it in a review. Each rule is a function from a file's text to complaints; below, each is shown to complain.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

/// Words that every part speaks.
const VOCABULARY: &[&str] = &[
    "account", "clock", "expiry", "fault", "html", "import", "panics", "paths", "redact", "residue", "secret", "token",
    "version",
];

/// What each part may import besides itself and the vocabulary. What is not here is forbidden: a new part is a new line.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("cli", &["helper", "ipc::client", "ipc::message", "ipc::owner", "ipc::start", "ipc::ConnectError"]),
    ("helper", &["ipc::message"]),
    ("ipc", &[]),
    (
        "agent",
        &[
            "config",
            "demo::run",
            "grant",
            "ipc::door",
            "ipc::message",
            "ipc::request",
            "ipc::server",
            "ipc::start",
            "oauth",
            "provider",
            "vault",
        ],
    ),
    ("config", &["oauth::proxy", "provider"]),
    ("fuzzing", &["cli::project", "config", "ipc", "oauth", "provider", "vault"]),
    ("grant", &["ipc::message", "oauth", "provider"]),
    ("provider", &["oauth"]),
    ("oauth", &[]),
    ("vault", &["ipc::message", "ipc::owner"]),
    ("demo", &["oauth::http"]),
    ("token", &[]),
    ("account", &[]),
    ("clock", &[]),
    ("expiry", &[]),
    ("fault", &[]),
    ("html", &[]),
    ("import", &["ipc::message"]),
    ("panics", &[]),
    ("paths", &[]),
    ("redact", &[]),
    ("residue", &[]),
    ("secret", &[]),
    ("version", &[]),
];

/// What single files may import beyond that, and why.
const ALSO: &[(&str, &[&str])] = &[
    ("src/vault/fuzzing.rs", &["fuzzing"]), // What is checked of a decoder is told in one place.
    // The start of an agent looks whether another one is on its way out.
    ("src/agent/beginning.rs", &["ipc::client", "ipc::owner", "ipc::ConnectError"]),
    // The owner's file is written until it is there.
    ("src/agent/lifecycle.rs", &["ipc::owner"]),
    // A connection goes to a successor with its framing.
    ("src/agent/handover/", &["ipc::frame"]),
    // A whole agent in process, against the embedded server.
    ("src/agent/tests/", &["demo::server"]),
    // What the client signs is checked by the server that knows only the public key.
    ("src/demo/server/tests/assertions.rs", &["oauth::client_assertion"]),
];

/// Where the parts of the wire that a light client needs stop: the agent's side of it.
const SERVER_SIDE: &[&str] = &["src/ipc/server", "src/ipc/mod.rs", "/listener.rs"];

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

type Rule = fn(&str, &str) -> Vec<String>;

/// Rules for every Rust file of `src`.
const OF_SOURCE: &[Rule] =
    &[imports, one_http_client, only_listed_files_are_unsafe, one_place_prints, nothing_is_unfinished];
/// Rules for every Rust file.
const OF_RUST: &[Rule] = &[opens_with_its_purpose, is_short];

/// The name that a file's part has among the modules: `src/vault/seal.rs` is of `vault`.
fn part(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split(['/', '.']).next().unwrap_or(path)
}

/// A file's lines of code, numbered from one, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The modules that paths from the crate's root name, to a depth of two: `crate::ipc::{client, frame::Decoder}` is
/// `ipc::client` and `ipc::frame`.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let plain: String = code(text).fold(String::new(), |all, (at, line)| all + &format!("\u{1}{at}\n{line}\n"));
    let mut found = Vec::new();
    for (at, _) in plain.match_indices("crate::") {
        if plain[..at].ends_with(|before: char| before.is_alphanumeric() || "_$".contains(before)) {
            continue;
        }
        let line = plain[..at].rsplit('\u{1}').next().and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
        for first in branches(&plain[at + "crate::".len()..]) {
            let (name, rest) = first.split_once("::").unwrap_or((&first, ""));
            if rest.is_empty() {
                found.push((line, name.to_owned()));
            }
            for second in branches(rest).into_iter().filter(|_| !rest.is_empty()) {
                let second = second.split("::").next().unwrap_or_default();
                found.push((line, format!("{name}::{second}")));
            }
        }
    }
    found
}

/// The paths that a `use` tree stands for at its first level: one, or those in its braces.
fn branches(tree: &str) -> Vec<String> {
    let is_path = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
    let Some(inside) = tree.strip_prefix('{') else {
        let length = tree.find(|letter| !is_path(letter)).unwrap_or(tree.len());
        let (path, rest) = tree.split_at(length);
        // What its braces hold belongs to it.
        let end = if rest.starts_with('{') { closing(rest) } else { 0 };
        return vec![format!("{path}{}", &rest[..end])];
    };
    let (mut all, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let one = inside[start..at].split('\n').filter(|line| !line.starts_with('\u{1}')).collect::<String>();
                all.extend(Some(one.trim().to_owned()).filter(|one| !one.is_empty()));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    all
}

fn closing(tree: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    tree.len()
}

fn imports(path: &str, text: &str) -> Vec<String> {
    let own = part(path);
    if ["lib", "main", "bin"].contains(&own) {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(part, _)| *part == own) else {
        return vec![format!("{path}: the part `{own}` is not in the table of allowed imports")];
    };
    let is_server_side = SERVER_SIDE.iter().any(|side| path.contains(side));
    let fits = |module: &str, allowed: &str| module == allowed || module.starts_with(&format!("{allowed}::"));
    let forbidden = named_modules(text).into_iter().filter(|(_, module)| {
        let top = module.split("::").next().unwrap_or_default();
        let light = own == "ipc" && !is_server_side && fits(module, "ipc::server");
        let also = ALSO.iter().filter(|(start, _)| path.starts_with(start)).flat_map(|(_, also)| also.iter());
        let allowed = allowed.iter().chain(also).any(|allowed| fits(module, allowed));
        let known = top == own || VOCABULARY.contains(&top) || allowed;
        // A type at the crate's root (`crate::Secret`) is vocabulary too.
        light || !(known || top.starts_with(char::is_uppercase))
    });
    forbidden.map(|(line, module)| format!("{path}:{line}: `{own}` may not import `{module}`")).collect()
}

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

/// `name = ...` in a table of dependencies needs a `# reason` on the line that ends it.
fn dependencies_have_reasons(path: &str, text: &str) -> Vec<String> {
    let (mut in_table, mut open, mut all) = (false, None, Vec::new());
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_table = line.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        if !in_table || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let before_comment = line.split(" #").next().unwrap_or(line);
        let name = open.take().unwrap_or_else(|| line.split('=').next().unwrap_or_default().trim().to_owned());
        let opens = before_comment.matches(['[', '{']).count() > before_comment.matches([']', '}']).count();
        let closes = before_comment.trim_start().starts_with("] }");
        if opens || (!closes && line.starts_with(' ')) {
            open = Some(name);
        } else if !line.contains(" # ") {
            all.push(format!("{path}:{}: `{name}` has no reason", at + 1));
        }
    }
    all
}

/// Links of Markdown to files that should be there: `[text](path)`.
fn relative_links(text: &str) -> Vec<&str> {
    let targets = text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

/// Paths of somebody's machine, and addresses that only work there.
fn nothing_of_one_machine(path: &str, text: &str) -> Vec<String> {
    // In two pieces, so that this file does not complain about itself.
    let words = [
        concat!("/wo", "rk/"),
        concat!("/home/", "user"),
        concat!("/ro", "ot/."),
        concat!("artif", "actory"),
        concat!("mirror", "."),
    ];
    let lines = text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    lines.map(|(at, _)| format!("{path}:{}: a path or an address of one machine", at + 1)).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project's own that is text, with its path from the root.
fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        // `.git` is a file in a second work tree.
        if ["target", "node_modules", ".git"].contains(&name.as_str()) {
            continue;
        }
        if entry.is_dir() {
            files(&entry, found);
        } else if let Ok(text) = fs::read_to_string(&entry) {
            let path = entry.strip_prefix(root()).expect("inside").to_string_lossy().into_owned();
            found.push((path, text));
        }
    }
}

#[test]
fn every_file_keeps_the_rules() {
    let mut all = Vec::new();
    files(&root(), &mut all);
    let mut complaints = Vec::new();
    for (path, text) in &all {
        let mut rules: Vec<Rule> = vec![nothing_of_one_machine];
        rules.extend(OF_RUST.iter().filter(|_| path.ends_with(".rs")));
        rules.extend(OF_SOURCE.iter().filter(|_| path.ends_with(".rs") && path.starts_with("src/")));
        rules.extend((path == "Cargo.toml").then_some(dependencies_have_reasons as Rule));
        complaints.extend(rules.iter().flat_map(|rule| rule(path, text)));
        if path.ends_with(".md") {
            let here = root().join(path).parent().expect("a directory").to_owned();
            let broken = relative_links(text).into_iter().filter(|target| !here.join(target).exists());
            complaints.extend(broken.map(|target| format!("{path}: no such file: {target}")));
        }
    }
    assert!(all.iter().any(|(path, _)| path == "src/lib.rs"), "it reads the project");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
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
fn every_rule_can_complain() {
    let cases: &[(Rule, &str, &str)] = &[
        (imports, "src/cli/status.rs", "use crate::vault::Vault;"),
        (imports, "src/cli/status.rs", "use crate::{\n    account::Account,\n    agent,\n};"),
        (imports, "src/cli/status.rs", "fn f() { crate::config::load() }"),
        (imports, "src/cli/status.rs", "use crate::ipc::{client, server};"),
        (imports, "src/helper/git.rs", "use crate::grant;"),
        (imports, "src/ipc/client.rs", "use crate::oauth::http::Http;"),
        (imports, "src/ipc/frame.rs", "use crate::ipc::server::Listener;"),
        (imports, "src/vault/seal.rs", "use crate::oauth;"),
        (imports, "src/oauth/pkce.rs", "use crate::vault;"),
        (imports, "src/oauth/pkce.rs", "use crate::provider::schema;"),
        (imports, "src/agent/mod.rs", "use crate::cli::output;"),
        (imports, "src/token.rs", "use crate::ipc::message;"),
        (imports, "src/common/mod.rs", ""),
        (one_http_client, "src/grant/login.rs", "use reqwest::Client;"),
        (one_http_client, "src/agent/mod.rs", "use hyper_util::client::legacy::Client;"),
        (only_listed_files_are_unsafe, "src/cli/mod.rs", "    let x = unsafe { f() };"),
        (one_place_prints, "src/cli/mod.rs", "#[allow(clippy::print_stdout)]"),
        (nothing_is_unfinished, "src/cli/mod.rs", concat!("    to", "do!()")),
        (opens_with_its_purpose, "src/cli/mod.rs", "use std::fs;"),
        (is_short, "src/cli/mod.rs", &"\n".repeat(LONGEST_FILE + 1)),
        (dependencies_have_reasons, "Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
        (
            dependencies_have_reasons,
            "Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\na = { features = [\n  \"b\",\n] }\n",
        ),
        (nothing_of_one_machine, "README.md", concat!("cd /wo", "rk/main")),
    ];
    for (rule, path, text) in cases {
        assert!(!rule(path, text).is_empty(), "no complaint about {path}: {text}");
    }
    assert_eq!(relative_links("[a](https://x.example/) [b](gone.md#part)"), ["gone.md"]);
}

#[test]
fn what_is_allowed_passes() {
    let cases: &[(Rule, &str, &str)] = &[
        (imports, "src/cli/status.rs", "use crate::cli::output;\nuse crate::ipc::{client::Client, message};"),
        (imports, "src/cli/status.rs", "//! See [`crate::vault`].\nuse crate::Secret;"),
        (imports, "src/grant/login.rs", "use crate::{oauth::http, provider};"),
        (imports, "src/ipc/transport/unix/listener.rs", "use crate::ipc::server::Peer;"),
        (
            dependencies_have_reasons,
            "Cargo.toml",
            "[dependencies]\n# a title\na = \"1\" # why\nb = { features = [\n  \"c\",\n] } # why\n",
        ),
        (only_listed_files_are_unsafe, "src/grant/page.rs", "\"style-src 'unsafe-inline'\""),
    ];
    for (rule, path, text) in cases {
        assert_eq!(rule(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

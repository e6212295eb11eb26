//! Which part may import which.

use super::{code, complains, passes};

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
    ("fuzzing", &["cli::project", "cli::setup", "config", "helper", "ipc", "oauth", "provider", "vault"]),
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
    // What is checked of a decoder is told in one place.
    ("src/cli/setup/fuzzing.rs", &["fuzzing"]),
    ("src/vault/fuzzing.rs", &["fuzzing"]),
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

/// The name that a file's part has among the modules: `src/vault/seal.rs` is of `vault`.
fn part(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split(['/', '.']).next().unwrap_or(path)
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

pub(crate) fn imports(path: &str, text: &str) -> Vec<String> {
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

#[test]
fn each_of_its_rules_can_complain() {
    complains(&[
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
    ]);
}

#[test]
fn what_it_allows_passes() {
    passes(&[
        (imports, "src/cli/status.rs", "use crate::cli::output;\nuse crate::ipc::{client::Client, message};"),
        (imports, "src/cli/status.rs", "//! See [`crate::vault`].\nuse crate::Secret;"),
        (imports, "src/grant/login.rs", "use crate::{oauth::http, provider};"),
        (imports, "src/ipc/transport/unix/listener.rs", "use crate::ipc::server::Peer;"),
    ]);
}

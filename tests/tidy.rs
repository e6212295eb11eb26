//! The architecture as a test: which part may import which, and what no file may do. It reads the source as text, so that a
//! forbidden import fails here with its file and line, before anybody has to notice it in a review.
//!
//! Each rule is a function from a file's text to complaints, in the file of its subject, where each is shown to complain.

#![cfg(unix)]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

/// From a file's path and text to what is wrong with it.
type Rule = fn(&str, &str) -> Vec<String>;

/// A file's lines of code, numbered from one, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project's own that is text, with its path from the root.
fn files(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        // `.git` is a file in a second work tree; Python's tools leave caches.
        if ["target", "node_modules", ".git"].contains(&name.as_str()) || name.ends_with("_cache") {
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

/// Each of these rules complains about that file with that text.
fn complains(cases: &[(Rule, &str, &str)]) {
    for (rule, path, text) in cases {
        assert!(!rule(path, text).is_empty(), "no complaint about {path}: {text}");
    }
}

/// Each of these rules lets that pass.
fn passes(cases: &[(Rule, &str, &str)]) {
    for (rule, path, text) in cases {
        assert_eq!(rule(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn every_file_keeps_the_rules() {
    let mut all = Vec::new();
    files(&root(), &mut all);
    let mut complaints = Vec::new();
    for (path, text) in &all {
        let mut rules: Vec<Rule> = vec![documents::nothing_of_one_machine];
        rules.extend(source::OF_RUST.iter().filter(|_| path.ends_with(".rs")));
        rules.extend(
            source::OF_SOURCE
                .iter()
                .chain(&[imports::imports as Rule])
                .filter(|_| path.ends_with(".rs") && path.starts_with("src/")),
        );
        rules.extend((path == "Cargo.toml").then_some(documents::dependencies_have_reasons as Rule));
        complaints.extend(rules.iter().flat_map(|rule| rule(path, text)));
        if path.ends_with(".md") {
            let here = root().join(path).parent().expect("a directory").to_owned();
            let broken = documents::relative_links(text).into_iter().filter(|target| !here.join(target).exists());
            complaints.extend(broken.map(|target| format!("{path}: no such file: {target}")));
        }
    }
    assert!(all.iter().any(|(path, _)| path == "src/lib.rs"), "it reads the project");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

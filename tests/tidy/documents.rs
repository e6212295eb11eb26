//! Text beside the code: dependencies and their reasons, links, and what only one machine has.

use super::{complains, passes};

/// `name = ...` in a table of dependencies needs a `# reason` on the line that ends it.
pub(crate) fn dependencies_have_reasons(path: &str, text: &str) -> Vec<String> {
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
pub(crate) fn relative_links(text: &str) -> Vec<&str> {
    let targets = text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

/// Paths of somebody's machine, and addresses that only work there.
pub(crate) fn nothing_of_one_machine(path: &str, text: &str) -> Vec<String> {
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

#[test]
fn each_of_its_rules_can_complain() {
    complains(&[
        (dependencies_have_reasons, "Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
        (
            dependencies_have_reasons,
            "Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\na = { features = [\n  \"b\",\n] }\n",
        ),
        (nothing_of_one_machine, "README.md", concat!("cd /wo", "rk/main")),
    ]);
    assert_eq!(relative_links("[a](https://x.example/) [b](gone.md#part)"), ["gone.md"]);
}

#[test]
fn what_it_allows_passes() {
    passes(&[(
        dependencies_have_reasons,
        "Cargo.toml",
        "[dependencies]\n# a title\na = \"1\" # why\nb = { features = [\n  \"c\",\n] } # why\n",
    )]);
}

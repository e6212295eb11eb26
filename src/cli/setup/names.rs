//! What tools are called on the command line: by their own names, and by those of what shares their settings.

use clap::builder::PossibleValue;

use super::TOOLS;
use super::plan::Tool;

/// What is set up together with a tool of another name.
const SHARED: &[(&str, &[&str])] = &[
    ("claude", &["claude-code"]),
    ("docker", &["buildah", "crane", "oras", "podman", "skopeo"]),
    ("git", &["git-lfs"]),
    ("goauth", &["go"]),
    ("google", &["gcloud"]),
    ("kubectl", &["helm", "k9s"]),
    ("mail", &["aerc", "getmail", "mbsync", "msmtp", "neomutt"]),
    ("terraform", &["opentofu", "tofu"]),
];

fn shared(name: &str) -> &'static [&'static str] {
    SHARED.iter().find(|(tool, _)| *tool == name).map_or(&[], |(_, others)| others)
}

/// The names of all tools, for the parser: others are taken, and not listed.
pub fn names() -> Vec<PossibleValue> {
    TOOLS.iter().map(|tool| PossibleValue::new(tool.name).aliases(shared(tool.name).iter().copied())).collect()
}

/// The tool that is meant.
pub(super) fn tool(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name || shared(tool.name).contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_tool() {
        for (own, others) in SHARED {
            for name in std::iter::once(own).chain(*others) {
                assert_eq!(tool(name).map(|found| found.name), Some(*own), "{name}");
                let shares = TOOLS.iter().filter(|tool| shared(tool.name).contains(name)).count();
                assert_eq!(shares, usize::from(name != own), "{name}");
            }
        }
        assert!(tool("npm").is_none());
    }
}

//! Every tool: what its file is like before and after, that a second time changes nothing, and that --remove gives back what was.

#[cfg(target_os = "linux")]
mod doubts;
mod elsewhere;
#[cfg(target_os = "linux")]
mod golden;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::paths::Paths;
#[cfg(target_os = "linux")]
use golden::GOLDEN;

/// A home with this program in its PATH.
struct Stage {
    directory: tempfile::TempDir,
    /// Where the program lies.
    bin: &'static str,
    /// Variables besides the PATH, and what they lead to.
    variables: BTreeMap<&'static str, &'static str>,
}

impl Stage {
    fn new() -> Self {
        Self::with_program_in("bin")
    }

    fn with_program_in(bin: &'static str) -> Self {
        let stage = Self { directory: tempfile::tempdir().expect("a directory"), bin, variables: BTreeMap::new() };
        fs::create_dir(stage.at(bin)).expect("a directory");
        let program = stage.at(bin).join(machine::file_name("cred-helper"));
        fs::copy(std::env::current_exe().expect("this test"), &program).map(drop).expect("a program");
        stage
    }

    fn at(&self, path: &str) -> PathBuf {
        let home = self.directory.path().canonicalize().expect("a home");
        if path.is_empty() { home } else { home.join(path) }
    }

    fn with<T>(&self, work: impl FnOnce(&Machine<'_>) -> T) -> T {
        let path = || std::env::join_paths([self.at(self.bin), self.at("links")]).expect("a PATH");
        let other = |name: &str| self.variables.get(name).map(|path| self.at(path).into_os_string());
        let variable = |name: &str| if name == "PATH" { Some(path()) } else { other(name) };
        let paths = Paths::from_variables(|_| None, Some(self.at(""))).expect("paths");
        let own = self.at(self.bin).join(machine::file_name("cred-helper"));
        work(&Machine::new(&paths, own, &variable))
    }

    fn add(&self, name: &str, wish: &Wish) -> Result<String, Failure> {
        let tool = tool(name).expect(name);
        self.with(|machine| {
            let mut records = Records::read(&machine.state_dir)?;
            add(machine, &mut records, tool, wish, true).map(|done| done.state.to_owned())
        })
    }

    fn remove(&self, name: &str, wish: &Wish) -> String {
        let tool = tool(name).expect(name);
        let removed = self.with(|machine| {
            let mut records = Records::read(&machine.state_dir).expect("records");
            remove(machine, &mut records, tool, wish, true).map(|done| done.state.to_owned())
        });
        removed.expect(name)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().expect("a directory")).expect("directories");
        fs::write(self.at(path), text).expect("written");
    }

    /// Everything but the program: paths, and texts with the home as HOME.
    fn all(&self) -> BTreeMap<String, String> {
        fn collect(directory: &Path, home: &Path, all: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(directory).expect("a directory").flatten() {
                let path = entry.path();
                let name = path.strip_prefix(home).expect("inside").display().to_string().replace('\\', "/");
                if path.is_dir() {
                    all.insert(format!("{name}/"), String::new());
                    collect(&path, home, all);
                } else if !name.ends_with("/cred-helper") && !path.is_symlink() {
                    // A link may be a copy elsewhere, and no text.
                    let text = String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned();
                    let text = text.replace(&home.display().to_string(), "HOME");
                    all.insert(name, text);
                } else {
                    all.insert(name, String::new());
                }
            }
        }
        let mut all = BTreeMap::new();
        collect(&self.at(""), &self.at(""), &mut all);
        all
    }
}

fn wish(words: &str) -> Wish {
    let mut wish = Wish::default();
    let mut words = words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--all-hosts" => wish.all_hosts = true,
            "--account" => wish.account = words.next(),
            "--host" => wish.host = words.next(),
            "--name" => wish.name = words.next(),
            "--" => wish.words = words.by_ref().collect(),
            other => panic!("{other}"),
        }
    }
    wish
}

#[test]
#[cfg(target_os = "linux")]
fn each_tools_file_is_changed_as_shown_only_once_and_given_back() {
    for (tool, words, file, before, after) in GOLDEN {
        let (stage, wish) = (Stage::new(), wish(words));
        if !before.is_empty() {
            stage.write(file, before);
        }
        let untouched = stage.all();
        let context = format!("{tool} {words}");
        if after.ends_with("= x") {
            assert!(stage.add(tool, &wish).is_err(), "{context}");
            assert_eq!(stage.all(), untouched, "{context}");
            continue;
        }
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("set_up"), "{context}");
        let set_up = stage.all();
        assert_eq!(set_up.get(*file).map(String::as_str), Some(*after), "{context}");
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("already"), "{context}");
        assert_eq!(stage.all(), set_up, "{context}");
        assert_eq!(stage.remove(tool, &Wish::default()), "removed", "{context}");
        let mut left = stage.all();
        left.retain(|path, _| !path.starts_with(".local/"));
        assert_eq!(left, untouched, "{context}");
        assert!(!stage.at(".local/share/cred-helper/keyring-bin").exists(), "{context}");
        assert_eq!(stage.remove(tool, &wish), "not_set_up", "{context}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_tool_is_told_to_start_is_a_protocol_of_ours() {
    for (tool, words, _, _, after) in GOLDEN {
        for rest in after.split("cred-helper helper ").skip(1) {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            assert!(crate::helper::named(name).is_some(), "{tool}: {name}");
        }
        let stage = Stage::new();
        stage.with(|machine| {
            let plan = super::tool(tool).and_then(|tool| (tool.plan)(machine, &wish(words)).ok()).unwrap_or_default();
            for link in plan.links {
                let name = link.path.file_name().expect("a name").to_string_lossy().into_owned();
                assert!(crate::helper::named_by(&name).is_some(), "{tool}: {name}");
            }
        });
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_tool_that_has_a_file_has_an_example() {
    for tool in TOOLS {
        let by_hand =
            Stage::new().with(|machine| (tool.plan)(machine, &Wish::default()).is_ok_and(|plan| plan.files.is_empty()));
        assert_eq!(by_hand, !GOLDEN.iter().any(|(name, ..)| *name == tool.name), "{}", tool.name);
    }
    assert!(TOOLS.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn several_hosts_of_one_tool_come_and_go_in_any_order() {
    let file = ".docker/config.json";
    for first in ["a.example", "b.example"] {
        let stage = Stage::new();
        stage.write(file, "{\"x\": 1}");
        for host in ["a.example", "b.example"] {
            assert_eq!(stage.add("docker", &wish(&format!("--host {host}"))).ok().as_deref(), Some("set_up"));
        }
        stage.remove("docker", &wish(&format!("--host {first}")));
        let text = fs::read_to_string(stage.at(file)).expect("a file");
        assert!(!text.contains(first) && text.contains(".example") && text.contains("\"x\": 1"), "{text}");
        assert!(
            fs::symlink_metadata(stage.at("bin").join(machine::file_name("docker-credential-cred-helper"))).is_ok()
        );
        stage.remove("docker", &Wish::default());
        assert_eq!(fs::read_to_string(stage.at(file)).expect("a file"), "{\"x\": 1}");
        assert_eq!(fs::read_dir(stage.at("bin")).expect("links").count(), 1);
    }
}

#[test]
fn what_two_hosts_share_leaves_with_the_last() {
    for first in ["a.example", "b.example"] {
        let stage = Stage::new();
        for host in ["a.example", "b.example"] {
            stage.add("terraform", &wish(&format!("--host {host}"))).expect("set up");
            stage.add("pip", &wish(&format!("--host {host}"))).expect("set up");
        }
        let set_up = stage.all();
        for tool in ["terraform", "pip"] {
            stage.remove(tool, &wish(&format!("--host {first}")));
        }
        let mut left = stage.all();
        for (path, text) in set_up.iter().filter(|(path, _)| !path.ends_with("setup.json")) {
            assert_eq!(left.remove(path).as_ref(), Some(text), "{path}");
        }
        ["terraform", "pip"].iter().for_each(|tool| drop(stage.remove(tool, &Wish::default())));
        let left: Vec<String> = stage.all().into_keys().filter(|path| !path.ends_with('/')).collect();
        assert_eq!(left, [format!("bin/{}", machine::file_name("cred-helper"))]);
    }
}

#[test]
fn another_account_takes_the_place_of_the_first() {
    let stage = Stage::new();
    for account in ["anthropic/a", "anthropic/b"] {
        assert_eq!(stage.add("claude", &wish(&format!("--account {account}"))).ok().as_deref(), Some("set_up"));
        let text = fs::read_to_string(stage.at(".claude/settings.json")).expect("a file");
        assert_eq!((text.matches("apiKeyHelper").count(), text.contains(account)), (1, true), "{text}");
    }
    stage.remove("claude", &Wish::default());
    assert!(!stage.at(".claude").exists());
}

/// The file would outrank the environment.
#[test]
fn what_a_person_says_of_claude_codes_retries_is_left() {
    let (mut stage, retries) = (Stage::new(), "CLAUDE_CODE_MAX_RETRIES");
    stage.variables.insert(retries, "9");
    assert_eq!(stage.add("claude", &Wish::default()).ok().as_deref(), Some("set_up"));
    let text = || fs::read_to_string(stage.at(".claude/settings.json")).expect("a file");
    assert!(text().contains("apiKeyHelper") && !text().contains(retries), "{}", text());
    assert_eq!(stage.add("claude", &Wish::default()).ok().as_deref(), Some("already"));
}

#[test]
fn what_a_person_did_since_stays_when_ours_is_taken_back() {
    let (stage, file) = (Stage::new(), ".docker/config.json");
    stage.add("docker", &wish("--host a.example")).expect("set up");
    stage.write(file, "{\"credHelpers\":{\"a.example\":\"cred-helper\",\"b.example\":\"theirs\"},\"auths\":{}}\n");
    assert_eq!(stage.remove("docker", &Wish::default()), "removed");
    let left = fs::read_to_string(stage.at(file)).expect("a file");
    assert_eq!(left, "{\"credHelpers\":{\"b.example\":\"theirs\"},\"auths\":{}}\n");
}

/// Claude Code writes its own file anew all the time.
#[test]
fn what_stood_there_before_stays_when_the_file_was_written_anew() {
    let file = ".claude.json";
    let anew = |stage: &Stage| {
        let text = fs::read_to_string(stage.at(file)).expect("a file");
        let mut all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        all["numStartups"] = 2.into();
        stage.write(file, &serde_json::to_string_pretty(&all).expect("JSON"));
    };
    let left = |stage: &Stage| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(stage.at(file)).expect("a file")).expect("JSON")
    };
    let wish = wish("--host https://mcp.example/mcp --name docs");
    for theirs in [r#""docs":{"type":"sse","url":"https://mcp.example/mcp"}"#, r#""other":{"command":"x"}"#, ""] {
        let before = format!("{{\"numStartups\":1,\"mcpServers\":{{{theirs}}}}}");
        let stage = Stage::new();
        stage.write(file, &before);
        assert_eq!(stage.add("claude", &wish).ok().as_deref(), Some("set_up"), "{theirs}");
        anew(&stage);
        assert_eq!(stage.add("claude", &wish).ok().as_deref(), Some("already"), "{theirs}");
        let more = Wish { words: vec!["--audience".to_owned(), "x".to_owned()], ..wish.clone() };
        assert_eq!(stage.add("claude", &more).ok().as_deref(), Some("set_up"), "{theirs}");
        let ours = left(&stage)["mcpServers"]["docs"].clone();
        assert_eq!(ours["url"], "https://mcp.example/mcp", "{ours}");
        assert!(
            ours["type"].is_string() && ours["headersHelper"].as_str().is_some_and(|it| it.ends_with(" x")),
            "{ours}"
        );
        anew(&stage);
        assert_eq!(stage.remove("claude", &wish), "removed", "{theirs}");
        let mut expected: serde_json::Value = serde_json::from_str(&before).expect("JSON");
        expected["numStartups"] = 2.into();
        if theirs.is_empty() {
            expected.as_object_mut().expect("an object").remove("mcpServers");
        }
        assert_eq!(left(&stage), expected, "{theirs}");
    }
}

/// Its name in the tool's file may be given another URL by a project's file.
#[test]
#[cfg(target_os = "linux")]
fn an_account_answers_for_the_url_that_the_tools_own_file_says() {
    let cluster = |name: &str, server: &str| format!("- name: {name}\n  cluster: {{server: '{server}'}}\n");
    let clusters = cluster("c", "https://k8s.example:6443/a") + &cluster("d", "https://k8s.example:6443/ab");
    let contexts =
        "contexts:\n- {name: dev, context: {cluster: c, user: a}}\n- {name: prod, context: {cluster: d, user: a}}\n";
    let kube = format!("clusters:\n{clusters}{contexts}current-context: dev\nusers: []\n");
    let cargo = "[registries.work]\nindex = 'sparse+https://cargo.example.com/a/'\n\
                 [registries.git]\nindex = 'https://cargo.example.com/ab'\n";
    for (tool, words, file, text, url) in [
        ("cargo", "--name work", ".cargo/config.toml", cargo, "https://cargo.example.com/a"),
        ("cargo", "--name git", ".cargo/config.toml", cargo, "registry+https://cargo.example.com/ab"),
        ("cargo", "--host cargo.example.com/a", ".cargo/config.toml", cargo, "https://cargo.example.com/a"),
        ("kubectl", "", ".kube/config", &kube, "https://k8s.example:6443/a"),
        ("kubectl", "--name prod", ".kube/config", &kube, "https://k8s.example:6443/ab"),
        ("kubectl", "--host k8s.example:6443/a", ".kube/config", &kube, "https://k8s.example:6443/a"),
    ] {
        let (stage, context) = (Stage::new(), format!("{tool} {words}"));
        stage.write(file, text);
        let untouched = stage.all();
        let wish = wish(&format!("{words} --account forge"));
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("set_up"), "{context}");
        let rules = fs::read_to_string(stage.at(".config/cred-helper/config.toml")).expect("rules");
        assert_eq!(rules, format!("[targets]\n\"{url}\" = \"forge\"\n"), "{context}");
        assert!(!fs::read_to_string(stage.at(file)).expect("a file").contains("forge"), "{context}");
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("already"), "{context}");
        stage.remove(tool, &Wish::default());
        let mut left = stage.all();
        left.retain(|path, _| !path.starts_with(".local/"));
        assert_eq!(left, untouched, "{context}");
        let host = text.split("https://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let failure = stage.add(tool, &Wish { host: Some(host.to_owned()), ..Wish::default() }).expect_err(tool);
        let several = if tool == "cargo" { "--name: git, work" } else { "--name: dev, prod" };
        assert!(failure.message().is_some_and(|said| said.ends_with(several)), "{failure:?}");
    }
}

//! `setup` as a person runs it, in an empty home without an agent: what is shown and asked, what is written, what is listed.

#![cfg(unix)]

mod cli_support;

use std::fs;
use std::os::unix::fs::symlink;

use cli_support::Home;
use serde_json::Value;

/// A home with this program in the PATH, so that links land in it.
fn home() -> Home {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("cred-helper")).expect("a link");
    let path = bin.display().to_string();
    home.set("PATH", path).set("CRED_HELPER_AGENT", "/nonexistent/cred-helper-agent")
}

fn gitconfig(home: &Home) -> String {
    fs::read_to_string(home.path().join(".gitconfig")).unwrap_or_default()
}

const LINES: &str = "[credential]\n\thelper = cred-helper\n";

#[test]
fn without_a_terminal_the_change_is_shown_and_not_made() {
    let home = home();
    let ran = home.run(&["setup", "git"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert!(ran.err.starts_with("~/.gitconfig (new)\n  + [credential]\n  + \thelper = cred-helper\n"), "{ran:?}");
    assert!(ran.err.contains("~/bin/git-credential-cred-helper (new link to ~/bin/cred-helper)"), "{ran:?}");
    assert!(ran.err.ends_with("add --yes\n"), "{ran:?}");
    assert!(gitconfig(&home).is_empty() && !home.path().join("bin/git-credential-cred-helper").exists());
    assert!(!home.path().join(".local").exists(), "nothing is remembered either");
}

#[test]
fn with_yes_it_is_made_listed_and_taken_back() {
    let home = home();
    let ran = home.run(&["setup", "git", "--yes", "--json"]);
    let done: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, &done["state"]), (0, &Value::from("set_up")), "{ran:?}");
    assert_eq!(gitconfig(&home), LINES);
    assert!(home.path().join("bin/git-credential-cred-helper").exists());
    let again = home.run(&["setup", "git", "--yes"]);
    assert_eq!((again.code, again.err.as_str()), (0, "git is set up already.\n"));
    let row = |home: &Home| {
        let list: Value = serde_json::from_str(&home.run(&["setup", "--json"]).out).expect("JSON");
        let tools = list["tools"].as_array().expect("tools").clone();
        tools.into_iter().find(|row| row["tool"] == "git").expect("git")
    };
    assert_eq!(row(&home)["state"], "set_up");
    let table = home.run(&["setup"]);
    assert!(table.out.contains("git") && table.out.contains("set up"), "{table:?}");
    fs::write(home.path().join(".gitconfig"), "").expect("emptied");
    assert_eq!(row(&home)["state"], "changed");
    let ran = home.run(&["setup", "git", "--yes"]);
    assert_eq!((ran.code, gitconfig(&home).as_str()), (0, LINES), "{ran:?}");
    let ran = home.run(&["setup", "git", "--remove", "--yes"]);
    assert_eq!((ran.code, row(&home)["state"].as_str()), (0, Some("not_set_up")), "{ran:?}");
    assert!(gitconfig(&home).is_empty() && !home.path().join("bin/git-credential-cred-helper").exists());
    assert_eq!(home.run(&["setup", "git", "--remove", "--yes"]).err, "git is not set up.\n");
}

#[test]
fn a_host_and_an_account_make_a_rule_that_leaves_with_them() {
    let home = home();
    let config = home.path().join(".config/cred-helper/config.toml");
    fs::create_dir_all(config.parent().expect("a directory")).expect("directories");
    let before = "# mine\nlog = 'info'\n\n[targets]\n'https://a.example' = 'x' # kept";
    fs::write(&config, before).expect("written");
    let arguments = ["setup", "git", "--host", "git.example.com", "--account", "github/work", "--yes"];
    let ran = home.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let after = format!("{before}\n\"https://git.example.com\" = \"github/work\"");
    assert_eq!(fs::read_to_string(&config).expect("read"), after);
    assert_eq!(gitconfig(&home), "[credential \"https://git.example.com\"]\n\thelper =\n\thelper = cred-helper\n");
    // Docker needs the same rule, which stays as long as one of them does.
    let docker = [&["setup", "docker"], &arguments[2..]].concat();
    assert_eq!(home.run(&docker).code, 0);
    assert_eq!(home.run(&["setup", "git", "--remove", "--yes"]).code, 0);
    assert_eq!(fs::read_to_string(&config).expect("read"), after);
    assert_eq!(home.run(&["setup", "docker", "--remove", "--yes"]).code, 0);
    assert_eq!(fs::read_to_string(&config).expect("read"), before);
}

#[test]
fn another_programs_file_is_never_put_aside_for_a_link() {
    let home = home();
    let shim = home.path().join("bin/docker-credential-cred-helper");
    fs::write(&shim, "theirs").expect("written");
    home.run(&["setup", "docker", "--all-hosts", "--yes"]);
    let ran = home.run(&["setup", "docker", "--all-hosts", "--yes"]);
    assert!(ran.code == 1 && ran.err.contains("is another program's"), "{ran:?}");
    assert_eq!(fs::read_to_string(&shim).expect("read"), "theirs");
    assert!(!home.path().join(".docker").exists());
}

#[test]
fn what_is_to_be_done_by_hand_is_printed() {
    let ran = home().run(&["setup", "mail", "--account", "google/me"]);
    assert!(ran.code == 0 && ran.err.is_empty() && ran.out.contains("get-token google/me"), "{ran:?}");
}

#[test]
fn a_wrong_call_exits_with_2() {
    for arguments in [
        &["setup", "emacs"][..],
        &["setup", "--host", "x"],
        &["setup", "git", "--host", "x", "--all-hosts"],
        &["setup", "git", "--remove", "--account", "x"],
        &["setup", "git", "--host", "a b"],
        &["setup", "git", "--account", "a b"],
    ] {
        let ran = home().run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
    }
}

/// What `doctor` says of a tool.
fn doctor(home: &Home, tool: &str) -> (String, String) {
    let ran = home.run(&["--no-start", "doctor", "--json"]);
    let checks: Value = serde_json::from_str(&ran.out).expect("JSON");
    let checks = checks["checks"].as_array().expect("checks").clone();
    let check = checks.into_iter().find(|check| check["name"].as_str().is_some_and(|name| name.starts_with(tool)));
    let check = check.unwrap_or_else(|| panic!("{tool}: {ran:?}"));
    let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
    (text("result"), text("message"))
}

#[test]
fn doctor_says_why_a_tool_does_not_ask_us_and_what_to_do() {
    let home = home();
    assert_eq!(home.run(&["setup", "docker", "--host", "r.example", "--yes"]).code, 0);
    assert_eq!(doctor(&home, "docker r.example").0, "ok");
    let (file, link) = (home.path().join(".docker/config.json"), home.path().join("bin/docker-credential-cred-helper"));
    let set_up = fs::read_to_string(&file).expect("a file");
    let again = "`cred-helper setup docker --host r.example`";
    for (text, said) in [
        (
            set_up.replace("r.example", "s.example"),
            format!("credHelpers.r.example is no longer in ~/.docker/config.json: {again}"),
        ),
        (set_up.replace("cred-helper", "other"), format!("take it out, then {again}")),
        ("{".to_owned(), "~/.docker/config.json, line 1: this is not valid JSON: mend it".to_owned()),
    ] {
        fs::write(&file, text).expect("written");
        let (result, message) = doctor(&home, "docker");
        assert!(result == "failed" && message.ends_with(&said), "{message}");
    }
    fs::write(&file, &set_up).expect("written");
    fs::remove_file(&link).expect("gone");
    let (result, message) = doctor(&home, "docker");
    assert!(
        result == "failed" && message.contains("bin/docker-credential-cred-helper") && message.ends_with(again),
        "{message}"
    );
}

#[test]
fn doctor_names_what_comes_before_us() {
    let home = home();
    assert_eq!(home.run(&["setup", "docker", "--all-hosts", "--yes"]).code, 0);
    let first = home.path().join("first");
    fs::create_dir(&first).expect("a directory");
    let other = first.join("docker-credential-cred-helper");
    fs::write(&other, "#!/bin/sh\n").expect("written");
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", first.display(), home.path().join("bin").display());
    let home = home.set("PATH", path);
    let (result, message) = doctor(&home, "docker");
    assert!(result == "failed" && message.contains("comes first in the PATH: remove it"), "{message}");
    assert_eq!(home.run(&["setup", "claude", "--yes"]).code, 0);
    let home = home.set("ANTHROPIC_API_KEY", "x");
    assert_eq!(
        doctor(&home, "claude"),
        ("warning".to_owned(), "ANTHROPIC_API_KEY is set, and Claude Code takes that: unset it".to_owned())
    );
    assert_eq!(home.run(&["setup", "pip", "--yes"]).code, 0);
    let (result, message) = doctor(&home, "pip");
    assert!(result == "warning" && message.contains("no `keyring` is in the PATH"), "{message}");
}

#[test]
fn doctor_says_that_git_does_not_find_us_rather_than_that_a_line_is_gone() {
    let home = home();
    assert_eq!(home.run(&["setup", "git", "--yes"]).code, 0);
    let home = home.set("PATH", "/nonexistent");
    let (result, message) = doctor(&home, "git");
    assert!(result == "failed" && message.starts_with("git-credential-cred-helper is not what the PATH"), "{message}");
    assert!(message.ends_with("in it first, or `cred-helper setup git`"), "{message}");
}

/// As `sudo` does where it keeps HOME: files and directories of root's would lie in the user's home.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn in_another_users_home_nothing_is_written() {
    let home = home();
    if std::os::unix::fs::chown(home.path(), Some(61_004), None).is_err() {
        eprintln!("skipped: only root can give a home away");
        return;
    }
    let ran = home.run(&["setup", "git", "--yes"]);
    assert!(ran.code != 0 && ran.err.contains("belongs to another user: don't use sudo"), "{ran:?}");
    assert!(!home.path().join(".gitconfig").exists() && !home.path().join(".local").exists());
}

#[test]
fn what_removing_does_not_know_again_is_named() {
    let home = home();
    assert_eq!(home.run(&["setup", "git", "--yes"]).code, 0);
    let config = home.path().join(".gitconfig");
    fs::write(&config, format!("[user]\n\tname = ada\n#{LINES}")).expect("changed");
    let ran = home.run(&["setup", "git", "--remove", "--yes"]);
    let warned = "~/.gitconfig: this is ours, and no longer as it was put in; take it out: [credential] helper = ";
    assert!(ran.code == 0 && ran.err.contains(warned), "{ran:?}");
    assert!(gitconfig(&home).contains("helper = cred-helper"));
}

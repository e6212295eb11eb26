//! Passwords that tools store: they answer where no account does, for their place and user alone, and go when that very one
//! is refused.

use std::fs;

use cred_helper::Client;
use cred_helper::ipc::message::token::GetToken;
use serde_json::Value;

use super::home::{Home, lasting_server};
use super::targets::home_with;

const VAULT_LOCKED: i32 = 14;

/// `git credential-cred-helper OPERATION` for a host; what git would read, and people.
fn git(home: &Home, operation: &str, request: &str) -> (String, String) {
    let ended = home.run_with(&["helper", "git", operation], request);
    assert_eq!(ended.code, 0, "{operation} {request}: {}", ended.stderr);
    (ended.stdout, ended.stderr)
}

fn request(host: &str, more: &str) -> String {
    format!("protocol=https\nhost={host}\n{more}")
}

fn store(home: &Home, host: &str, more: &str) {
    assert_eq!(git(home, "store", &request(host, more)), (String::new(), String::new()));
}

fn password(home: &Home, host: &str, more: &str) -> Option<String> {
    let (told, _) = git(home, "get", &request(host, more));
    told.lines().find_map(|line| line.strip_prefix("password=")).map(str::to_owned)
}

fn kept(home: &Home) -> Vec<(String, String)> {
    let listed = home.json(&["password", "list", "--json"]);
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    listed["passwords"].as_array().unwrap().iter().map(|one| (text(one, "url"), text(one, "username"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(url, user)| ((*url).to_owned(), (*user).to_owned())).collect()
}

#[test]
fn a_password_answers_for_its_place_and_user_and_survives_a_restart() {
    let home = Home::with_vault();
    assert_eq!(password(&home, "git.example", ""), None);
    store(&home, "Git.Example:443", "username=ada\npassword=p-ada\n");
    store(&home, "git.example", "username=bob%40\npassword=p-bob\n");
    store(&home, "git.example", "path=team/x.git\nusername=ada\npassword=p-team\n");
    store(&home, "git.example", "username=ada\npassword=p-ada2\n");
    home.ok(&["agent", "stop"]);
    for (host, more, expected) in [
        ("git.example", "", Some("p-ada2")),
        ("git.example", "username=ada\n", Some("p-ada2")),
        ("git.example", "username=bob%40\n", Some("p-bob")),
        ("git.example", "username=eve\n", None),
        ("git.example", "path=team/x.git/info\n", Some("p-team")),
        ("git.example", "path=team/x.gitx\nusername=ada\n", Some("p-ada2")),
        ("git.example:444", "", None),
        ("evil.git.example", "", None),
    ] {
        assert_eq!(password(&home, host, more).as_deref(), expected, "{host} {more}");
    }
    assert_eq!(git(&home, "get", "protocol=http\nhost=git.example\n").0, "", "what was typed for https stays there");
    let all = pairs(&[
        ("https://git.example", "ada"),
        ("https://git.example", "bob%40"),
        ("https://git.example/team/x.git", "ada"),
    ]);
    assert_eq!(kept(&home), all);
    let status = home.ok(&["status"]);
    assert!(
        status.contains("3 passwords are kept for tools: https://git.example, https://git.example/team/x.git"),
        "{status}"
    );
    let gone = home.run(&["password", "remove", "https://git.example", "--username", "bob%40"]);
    assert_eq!((gone.code, gone.stderr.contains("forgotten")), (0, true), "{}", gone.stderr);
    home.ok(&["agent", "stop"]);
    assert_eq!(kept(&home).len(), 2);
    assert_eq!(home.run(&["password", "remove", "https://git.example", "--username", "bob%40"]).code, 1);
}

#[test]
fn the_answer_says_whether_it_is_kept_for_the_very_url() {
    let home = Home::with_vault();
    store(&home, "git.example", "path=team\nusername=ada\npassword=p-ada\n");
    let mut client = Client::connect(&home.path().join("run/cred-helper/agent.sock")).unwrap();
    for (url, exact) in [
        ("https://git.example/team", true),
        ("https://ada@git.example/team/", true),
        ("https://git.example/team/x.git", false),
        ("https://git.example/team//", false),
    ] {
        let (target, or_password_for) = (Some(url.to_owned()), Some(url.to_owned()));
        let answer = client.call(&GetToken { target, or_password_for, ..GetToken::default() }).unwrap();
        assert_eq!(answer.for_target.unwrap().exact, exact, "{url}");
    }
}

/// `args = ["--id-token"]` is said for every host, those with a token of their own included.
#[test]
fn what_terraform_stored_is_told_whatever_kind_its_accounts_show() {
    let home = Home::with_vault();
    let terraform = |words: &[&str], input| home.run_with(&[&["helper", "terraform"], words].concat(), input);
    assert_eq!(terraform(&["--id-token", "store", "app.example"], r#"{"token":"t-1"}"#).code, 0);
    for words in [&["get", "app.example"][..], &["--id-token", "get", "app.example"]] {
        assert_eq!(terraform(words, "").stdout, "{\"token\":\"t-1\"}\n");
    }
}

#[test]
fn only_the_very_password_that_was_refused_is_forgotten() {
    let home = Home::with_vault();
    store(&home, "git.example", "username=ada\npassword=p-ada\n");
    for other in ["username=ada\npassword=typed\n", "username=bob\npassword=p-ada\n"] {
        let _ = home.run_with(&["helper", "git", "erase"], &request("git.example", other));
    }
    git(&home, "erase", &request("other.example", "username=ada\npassword=p-ada\n"));
    assert_eq!(password(&home, "git.example", "").as_deref(), Some("p-ada"));
    let (_, said) = git(&home, "erase", &request("git.example", "path=x.git\nusername=ada\npassword=p-ada\n"));
    assert!(said.contains("https://git.example: the server refused the password that was kept"), "{said}");
    assert_eq!((password(&home, "git.example", ""), kept(&home).len()), (None, 0));
    store(&home, "git.example", "username=ada\npassword=p-ada\n");
    git(&home, "erase", &request("git.example", ""));
    assert_eq!(kept(&home).len(), 0, "a person names no password");
}

#[test]
fn where_an_account_answers_or_nothing_shall_no_password_is_kept() {
    let server = lasting_server();
    let rules = "[targets]\n'https://git.example' = 'forge/work'\n'https://none.example' = false\n\
                 'https://gone.example' = 'forge/gone'\n";
    let home = home_with(&server, &["work"], rules);
    let typed = "username=ada\npassword=typed\n";
    for (host, account) in
        [("git.example", "forge/work"), ("forge.example", "forge/work"), ("gone.example", "forge/gone")]
    {
        let (_, said) = git(&home, "store", &request(host, typed));
        assert!(said.contains(&format!("{account} answers there")), "{said}");
    }
    store(&home, "none.example", typed);
    store(&home, "ended.example", &format!("{typed}password_expiry_utc=1\n"));
    // Git 2.45 and older store what they were given, whoever gave it.
    let token = home.ok(&["get-token", "forge/work"]);
    store(&home, "elsewhere.example", &format!("username=oauth2\npassword={token}\n"));
    assert_eq!(kept(&home), []);
    assert!(server.is_live(&password(&home, "git.example", "").unwrap()), "an account comes first");
    assert_eq!(password(&home, "none.example", ""), None);
}

#[test]
fn a_locked_vault_says_so_only_if_a_password_may_be_in_it() {
    let home = Home::with_vault();
    home.ok(&["lock"]);
    assert_eq!(git(&home, "get", &request("git.example", "")), (String::new(), String::new()));
    let ended = home.run(&["password", "remove", "https://git.example"]);
    assert!(ended.code == 1 && !ended.stderr.contains("unlock"), "{}", ended.stderr);
    assert_eq!(kept(&home), []);
    home.ok(&["unlock"]);
    store(&home, "git.example", "username=ada\npassword=p-ada\n");
    home.ok(&["lock"]);
    let remove = ["password", "remove", "https://git.example"];
    assert_eq!(home.run(&remove).code, VAULT_LOCKED);
    assert_eq!(home.run(&["password", "list"]).code, VAULT_LOCKED);
    for operation in ["get", "store"] {
        let ended = home.run_with(&["helper", "git", operation], &request("git.example", "username=ada\npassword=x\n"));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (VAULT_LOCKED, "", 1),
            "{}",
            ended.stderr
        );
    }
    home.ok(&["unlock"]);
    assert_eq!(password(&home, "git.example", "").as_deref(), Some("p-ada"));
}

#[test]
fn neither_the_log_nor_the_disk_has_the_password() {
    let home = Home::with_vault();
    store(&home, "git.example", "username=a-user-of-ours\npassword=canary-password\n");
    assert_eq!(password(&home, "git.example", "").as_deref(), Some("canary-password"));
    let log = home.ok(&["log", "--json"]);
    assert!(log.contains("\"password.store\"") && log.contains("https://git.example: a password"), "{log}");
    let shown = [log, home.ok(&["status", "--json"]), home.ok(&["password", "list", "--json"])].concat();
    assert!(!shown.contains("canary"), "{shown}");
    let mut directories = vec![home.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                // A lock keeps readers out on Windows.
                let bytes = fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("canary") && !text.contains("a-user-of-ours"), "{}", entry.path().display());
            }
        }
    }
}

//! Who asked: the log names the program behind every request, whatever it is called, and never stands in anybody's way.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::asker::Asker;
use super::home::{Home, lasting_server};
use super::tokens::account_of;

/// The log's entries, oldest first.
#[track_caller]
pub(crate) fn entries(home: &Home, more: &[&str]) -> Vec<Value> {
    let printed = home.ok(&[&["log", "--json"], more].concat());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often each method was asked for, in all.
fn count(entries: &[Value], method: &str) -> u64 {
    let of_method = entries.iter().filter(|entry| entry["method"] == method);
    of_method.map(|entry| entry["count"].as_u64().unwrap_or(1)).sum()
}

#[test]
fn which_program_used_which_login_is_answered_by_one_command() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let account = account_of(&home, &server);
    let (fetcher, mailer) = (Asker::new(&home, "fetcher"), Asker::new(&home, "mailer"));
    // Fewer scopes are a token that there isn't yet.
    fetcher.ok(&home, &["get-token", "--scope", "openid"]);
    fetcher.ok(&home, &["get-token", &account]);
    assert_eq!(mailer.run(&home, &["get-token", "nobody"]).code, 10);

    let of_fetcher = entries(&home, &["--program", "fetcher", "--account", &account]);
    let outcomes: Vec<_> = of_fetcher.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["refreshed", "cached"]);
    for entry in &of_fetcher {
        assert_eq!(entry["program"]["path"], fetcher.path().to_str().unwrap());
        assert_eq!(entry["account"], account.as_str());
        assert_eq!(entry["uid"], rustix::process::geteuid().as_raw());
        assert!(entry["pid"].as_u64().unwrap() > 1 && entry["pid"] != entry["program"]["pid"]);
    }
    let of_mailer = entries(&home, &["--program", mailer.path().to_str().unwrap()]);
    assert_eq!(
        (of_mailer[0]["outcome"].as_str(), of_mailer[0]["error"].as_str()),
        (Some("failed"), Some("login_required"))
    );

    let table = home.ok(&["log", "--program", "fetcher", "--since", "1h"]);
    let row = table.lines().nth(1).unwrap();
    assert!(row.contains(&account) && row.contains("fetcher  token  refreshed"), "{table}");
    assert_eq!(home.ok(&["log", "--since", "1h", "--until", "30m"]), "");
}

#[test]
fn everything_that_changes_something_is_logged_and_what_only_looks_is_not() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let account = account_of(&home, &server);
    let provider = account.split('/').next().unwrap();
    for arguments in [
        &["status"][..],
        &["doctor"],
        &["refresh"],
        &["account", "default", &account],
        &["account", "rename", &account, "renamed"],
        &["lock"],
        &["unlock"],
        &["logout", "--all"],
        &["agent", "stop"],
    ] {
        home.ok(arguments);
    }
    let entries = entries(&home, &[]);
    let methods: Vec<_> = entries.iter().map(|entry| entry["method"].as_str().unwrap()).collect();
    assert_eq!(
        methods,
        [
            "vault.slot.add",
            "login.start",
            "token.refresh",
            "account.default",
            "account.rename",
            "vault.lock",
            "vault.unlock",
            "account.logout",
            "agent.stop",
        ]
    );
    assert!(
        entries.iter().all(|entry| ["done", "refreshed"].contains(&entry["outcome"].as_str().unwrap())),
        "{entries:?}"
    );
    let renamed = format!("{provider}/renamed");
    assert_eq!((entries[4]["account"].as_str(), entries[4]["detail"].as_str()), (Some(&*account), Some(&*renamed)));
    assert_eq!(entries[7]["account"], renamed.as_str());
}

#[test]
fn nobody_is_unknown_however_many_ask_at_once() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    assert_eq!(home.tokens_at_once(64).len(), 1);
    let entries = entries(&home, &[]);
    let own = std::env::current_exe().unwrap();
    assert_eq!(count(&entries, "token.get"), 64);
    for entry in entries.iter().filter(|entry| entry["method"] == "token.get") {
        assert_eq!(entry["program"]["path"], own.to_str().unwrap());
    }
    assert!(entries.len() < 10, "a burst is counted: {entries:?}");
}

#[test]
fn a_program_that_was_replaced_or_removed_is_unknown() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let asker = Asker::new(&home, "fetcher");
    assert_eq!(asker.run_replaced(&home, &["get-token"]).code, 0);
    let entries = entries(&home, &["--program", "fetcher"]);
    assert_eq!((entries.len(), &entries[0]["program"]["path"]), (1, &Value::Null), "{entries:?}");
}

#[test]
fn a_container_s_program_of_the_same_path_is_unknown() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let asker = Asker::new(&home, "fetcher");
    let inside = asker.command(&home, &["get-token"]);
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount").arg(inside.get_program()).args(inside.get_args()).env_clear();
    unshare.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    if !unshare.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a mount namespace takes root, and unshare");
        return;
    }
    let entries = entries(&home, &["--program", "fetcher"]);
    assert_eq!((entries.len(), &entries[0]["program"]["path"]), (1, &Value::Null), "{entries:?}");
}

#[test]
fn a_name_made_for_mischief_garbles_no_line() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let name = "a\n{\"at\":1}\x1b[2J\u{202e}\u{9b}\u{200b}\"\\x";
    Asker::new(&home, name).ok(&home, &["get-token"]);
    home.ok(&["agent", "stop"]);
    let text = std::fs::read_to_string(home.state().join("audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().rfind(|line| line.contains("token.get")).unwrap()).unwrap();
    assert!(last["program"]["path"].as_str().unwrap().contains("a\\u{a}{\"at\":1}\\u{1b}[2J\\u{202e}\\u{9b}\\u{200b}"));
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    for text in [text, home.ok(&["log"]), home.ok(&["log", "--json"])] {
        assert!(!text.contains(['\x1b', '\u{202e}', '\u{9b}', '\u{200b}']), "{text}");
    }
}

#[test]
fn a_full_disk_loses_lines_and_no_answers() {
    let server = lasting_server();
    let home = Home::new();
    home.configure("[audit]\nfile = \"/dev/full\"\n");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    assert!(server.is_live(&home.token()));
    let ended = home.run(&["log"]);
    assert!(ended.code == 0 && ended.stderr.contains("could not be logged"), "{ended:?}");
    assert!(home.ok(&["doctor"]).contains("could not be written to /dev/full"));
}

#[test]
fn a_killed_agent_leaves_whole_lines() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    for _ in 0..3 {
        home.token();
        assert!(!entries(&home, &[]).is_empty());
        home.kill_agent();
        let text = std::fs::read_to_string(home.state().join("audit.jsonl")).unwrap();
        assert!(text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    }
    assert_eq!(count(&entries(&home, &[]), "token.get"), 3);
    let mode = std::fs::metadata(home.state().join("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn switched_off_nothing_is_written_and_the_command_says_so() {
    let server = lasting_server();
    let home = Home::new();
    home.configure("[audit]\nenabled = false\n");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    home.token();
    let ended = home.run(&["log"]);
    assert!(ended.code == 0 && ended.stdout.is_empty() && ended.stderr.contains("not logged"), "{ended:?}");
    assert!(!home.state().join("audit.jsonl").exists());
}

#[test]
fn an_empty_log_says_that_it_is_empty() {
    let home = Home::new();
    assert!(home.run(&["log"]).stderr.contains("No request has been logged yet"));
    assert!(home.run(&["log", "--account", "anthropic"]).stderr.contains("No request like that"));
}

#[test]
fn who_follows_sees_every_request_as_it_comes() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let mut log = home.start(&["log", "--follow", "--json", "-n", "1"]);
    let mut lines = BufReader::new(log.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.next().unwrap().contains("login.start"));
    for _ in 0..3 {
        home.token();
        let entry: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        assert_eq!((entry["method"].as_str(), &entry["count"]), (Some("token.get"), &Value::Null));
    }
    log.kill().unwrap();
    log.wait().unwrap();
}

#[test]
fn a_refused_user_is_in_the_log() {
    if !rustix::process::geteuid().is_root()
        || !Command::new("curl").arg("--version").output().is_ok_and(|curl| curl.status.success())
    {
        eprintln!("skipped: it takes root to make a second user, and curl to be it");
        return;
    }
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let socket = home.path().join("run/cred-helper/agent.sock");
    // As if somebody had loosened all the modes.
    for (path, mode) in
        [(home.path(), 0o755), (&home.path().join("run"), 0o755), (socket.parent().unwrap(), 0o755), (&socket, 0o666)]
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut stranger = Command::new("curl");
    stranger.arg("--unix-socket").arg(&socket).arg("http://localhost/v1/status").uid(65534).gid(65534).current_dir("/");
    let output = stranger.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("refused") || !output.status.success());
    let refused = entries(&home, &[]).into_iter().rfind(|entry| entry["method"] == "connect").unwrap();
    assert_eq!((refused["uid"].as_u64(), refused["error"].as_str()), (Some(65534), Some("refused")));
    assert!(home.ok(&["log"]).contains("user 65534"));
}

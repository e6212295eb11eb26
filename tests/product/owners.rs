//! One owner per vault: whatever environment asks, there is one agent, and nobody else gets in.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use super::home::{Home, browse, ended, first_line, lasting_server, server};
use super::tokens::wait_for_expiry;

#[test]
fn two_runtime_directories_on_one_home_have_one_redeemer() {
    let server = server(std::time::Duration::from_secs(1));
    let home = Home::signed_in(&server);
    let other = home.make_private("other-run");
    wait_for_expiry(&home);
    let before = server.count_grant("refresh_token");
    let clients: Vec<_> = (0..10)
        .map(|n| {
            let mut command = home.command(&["get-token"]);
            if n % 2 == 0 {
                command.env("XDG_RUNTIME_DIR", &other);
            }
            command.spawn().unwrap()
        })
        .collect();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let log = server.log();
    let refreshes = log.iter().filter(|entry| entry.is_grant("refresh_token")).count() - before;
    assert!(refreshes >= 1 && log.iter().all(|entry| !entry.is_grant("refresh_token") || entry.succeeded()));
    assert!(server.families().iter().all(|family| family.ended.is_none()));
    assert!(!other.join("cred-helper/agent.sock").exists(), "the second directory got no agent");
}

#[test]
fn two_homes_in_one_session_have_their_own_logins() {
    let server = lasting_server();
    let first = Home::signed_in(&server);
    let mut second = Home::new();
    second.set("XDG_RUNTIME_DIR", first.path().join("run").to_str().unwrap());
    assert_eq!(second.run(&["get-token"]).code, 10, "the first home's login is none of its business");
    second.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    second.log_in(&server, &[]);
    assert_ne!(first.token(), second.token());
    assert_ne!(first.agent_pid(), second.agent_pid());
    // Whose agent goes first makes no difference.
    first.kill_agent();
    assert_ne!(first.token(), second.token());
}

#[test]
fn fifty_first_callers_start_one_agent() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.kill_agent();
    let tokens = home.tokens_at_once(50);
    assert_eq!(tokens.len(), 1);
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert_eq!(log.matches("started version").count(), 2, "the one that was killed, and one more: {log}");
}

#[test]
fn nothing_that_is_kept_is_readable_by_others() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.ok(&["refresh"]);
    let mut looked_at = 0;
    let mut open = vec![home.vault(), home.state(), home.path().join("run/cred-helper")];
    while let Some(directory) = open.pop() {
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", directory.display());
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
                continue;
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 5, "{looked_at}");
}

#[test]
fn the_agent_cannot_be_dumped() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let pid = home.agent_pid();
    // A process that isn't dumpable has its files in /proc owned by root, and a core limit of nothing.
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

/// As a user without privileges, because root sees no mode: a second user can neither read what is kept nor ask the agent.
#[test]
fn another_user_of_the_machine_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be two other users");
        return;
    }
    let (owner, stranger) = (61_001, 61_002);
    let server = lasting_server();
    let stage = tempfile::tempdir().unwrap();
    std::fs::set_permissions(stage.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for program in [env!("CARGO_BIN_EXE_cred-helper"), env!("CARGO_BIN_EXE_cred-helper-agent")] {
        crate::programs::copy(program.as_ref(), &stage.path().join(program.rsplit('/').next().unwrap()));
    }
    // Open to everybody, so that only what we make protects what is in it.
    let home = stage.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(owner), Some(owner)).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run_as = |user: u32, arguments: &[&str]| {
        let mut command = std::process::Command::new(stage.path().join("cred-helper"));
        command.args(arguments).env_clear().env("HOME", &home).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).uid(user).gid(user);
        command
    };
    let run = |user, arguments: &[&str]| ended(run_as(user, arguments).output().unwrap());

    assert_eq!(run(owner, &["vault", "slot", "add", "machine", "--accept-weaker"]).code, 0);
    let (issuer, client) = (server.issuer(), server.client_id());
    let mut login = run_as(owner, &["login", &issuer, "--client-id", &client, "--no-browser"]).spawn().unwrap();
    browse(&first_line(&mut login));
    assert_eq!(ended(login.wait_with_output().unwrap()).code, 0);
    assert!(server.is_live(run(owner, &["get-token"]).stdout.trim_end()));

    // What belongs to root in /proc is what a process that isn't dumpable keeps from its own user's debuggers.
    let status: serde_json::Value = serde_json::from_str(&run(owner, &["agent", "status", "--json"]).stdout).unwrap();
    let memory = std::fs::metadata(format!("/proc/{}/mem", status["pid"])).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&memory), 0, "the agent can be dumped");

    // With the owner's home in the environment, and with a socket named outright.
    let refused = run(stranger, &["get-token"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (28, ""), "{}", refused.stderr);
    let socket = home.join(".local/state/cred-helper/run/agent.sock");
    let mut named = run_as(stranger, &["get-token"]);
    named.env("HOME", "/nonexistent").env("CRED_HELPER_SOCK", &socket);
    let refused = ended(named.output().unwrap());
    assert!(refused.code != 0 && refused.stdout.is_empty(), "{refused:?}");
    for file in
        [".local/share/cred-helper/vault", ".local/state/cred-helper", ".local/state/cred-helper/run/agent.sock"]
    {
        let mut look = std::process::Command::new("ls");
        let looked = look.arg(home.join(file)).uid(stranger).gid(stranger).output().unwrap();
        assert!(!looked.status.success(), "{file} can be listed");
    }
    let mut read = std::process::Command::new("find");
    let read = read.arg(&home).args(["-type", "f", "-readable"]).uid(stranger).gid(stranger).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&read.stdout), "", "a stranger can read these");
    assert_eq!(run(owner, &["agent", "stop"]).code, 0);
}

//! Starting: whatever lies about from before, and whoever asks from wherever, there is one agent, in its owner's home.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::home::{Home, ended, lasting_server};

/// How many agents have started in this home, by their log.
fn starts(home: &Home) -> usize {
    fs::read_to_string(home.state().join("agent.log")).unwrap().matches("started version").count()
}

#[test]
fn fifty_clients_of_two_environments_start_one_agent() {
    let home = Home::with_vault();
    home.kill_agent();
    let other = home.make_private("other-run");
    let clients: Vec<_> = (0..50)
        .map(|n| {
            let mut command = home.command(&["agent", "start"]);
            match n % 3 {
                0 => command.env("XDG_RUNTIME_DIR", &other),
                1 => command.env_remove("XDG_RUNTIME_DIR"),
                _ => &mut command,
            };
            command.spawn().unwrap()
        })
        .collect();
    let mut said: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let ended = ended(client.wait_with_output().unwrap());
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            ended.stderr
        })
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1, "one pid and one socket: {said:?}");
    assert_eq!(starts(&home), 2, "the one that was killed, and one more");
}

#[test]
fn what_a_dead_agent_left_is_in_nobodys_way() {
    let home = Home::with_vault();
    home.kill_agent();
    let owner_file = home.vault().join("owner.json");
    let stale: serde_json::Value = serde_json::from_slice(&fs::read(&owner_file).unwrap()).unwrap();
    // Its socket's file and its lock's are there; the owner's is, naming a process that lives and is somebody else.
    assert!(Path::new(stale["socket"].as_str().unwrap()).exists() && home.vault().join("owner.lock").exists());
    let mut foreign = stale.clone();
    foreign["pid"] = json!(std::process::id());
    for left in [stale.to_string(), foreign.to_string(), "{\"host\":".to_owned(), String::new()] {
        fs::write(&owner_file, &left).unwrap();
        assert_eq!(home.run(&["agent", "status", "--no-start"]).code, 18, "{left}");
        home.ok(&["agent", "start"]);
        assert_ne!(home.agent_pid().unsigned_abs(), std::process::id());
        home.kill_agent();
    }
}

#[test]
fn a_vault_that_another_host_holds_is_in_use_there() {
    let home = Home::with_vault();
    home.kill_agent();
    // Another host's agent on a shared home: its lock reaches here, its socket doesn't.
    let lock = fs::File::open(home.vault().join("owner.lock")).unwrap();
    lock.lock().unwrap();
    let owner = json!({"host": "build-7", "boot": "", "pid": 4711, "socket": "/run/user/1/cred-helper/agent.sock"});
    fs::write(home.vault().join("owner.json"), owner.to_string()).unwrap();
    for arguments in [&["get-token"][..], &["agent", "start"], &["get-token", "--no-start"]] {
        let ended = home.run(arguments);
        assert_eq!(ended.code, 17, "{}", ended.stderr);
        assert!(ended.stderr.contains("build-7") && ended.stderr.contains("4711"), "{}", ended.stderr);
    }
    lock.unlock().unwrap();
    home.ok(&["agent", "start"]);
}

#[test]
fn an_agent_that_could_not_name_itself_is_found_by_its_socket() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let pid = home.agent_pid();
    for left in [None, Some(json!({"host": "", "pid": 1, "socket": "/nowhere"}).to_string()), Some("{".to_owned())] {
        let file = home.vault().join("owner.json");
        match left {
            None => fs::remove_file(&file).unwrap(),
            // The host is this one: what is wrong is the rest.
            Some(left) => {
                let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
                fs::write(&file, left.replace("\"\"", &json!(host).to_string())).unwrap();
            }
        }
        assert!(server.is_live(&home.token()));
        assert_eq!(home.agent_pid(), pid);
    }
}

#[test]
fn another_homes_agent_at_the_socket_is_not_taken_for_ones_own() {
    let first = Home::with_vault();
    let mut second = Home::with_vault();
    let pid = second.agent_pid();
    second.set("XDG_RUNTIME_DIR", first.path().join("run").to_str().unwrap());
    fs::remove_file(second.vault().join("owner.json")).unwrap();
    // Its own listens where this environment does not look, and the first home's is not it.
    let ended = second.run(&["agent", "status", "--json", "--no-start"]);
    assert_eq!(ended.code, 18, "{ended:?}");
    second.kill(pid);
}

#[test]
fn a_socket_that_nobody_answers_on_is_replaced_and_a_file_is_not() {
    let home = Home::new();
    let directory = home.make_private("run/cred-helper");
    let socket = directory.join("agent.sock");
    drop(UnixListener::bind(&socket).unwrap());
    home.ok(&["agent", "start"]);
    home.ok(&["agent", "stop"]);
    fs::write(&socket, "somebody's").unwrap();
    let ended = home.run(&["agent", "start"]);
    assert!(ended.code != 0 && ended.stderr.contains("is no socket"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&socket).unwrap(), "somebody's");
}

#[test]
fn what_a_caller_ignores_its_agent_does_not() {
    let home = Home::new();
    let plain = home.command(&[]);
    let mut ignoring = Command::new("/bin/sh");
    ignoring
        .arg("-c")
        .arg("trap '' HUP INT QUIT USR1 TERM CHLD; exec \"$0\" agent start")
        .arg(plain.get_program())
        .env_clear();
    ignoring.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(ignoring.output().unwrap().status.success());
    let status = fs::read_to_string(format!("/proc/{}/status", home.agent_pid())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    // signal(7): a bit for each, the first for number 1; 32 and 33 are the C library's. The standard library ignores SIGPIPE.
    let ignored = u64::from_str_radix(ignored, 16).unwrap() & !(0b11 << 31);
    assert_eq!(ignored, 1 << (rustix::process::Signal::PIPE.as_raw() - 1));
}

/// `sudo` in its forms: root never makes files in a user's home, nor serves from it.
#[test]
fn root_makes_nothing_in_the_home_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be two users");
        return;
    }
    let user = 61_003;
    let stage = tempfile::tempdir().unwrap();
    fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (home, roots) = (stage.path().join("home"), stage.path().join("root"));
    let run = stage.path().join("run");
    for (directory, owner) in [(&home, user), (&run, user), (&roots, 0)] {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
        chown(directory, Some(owner), Some(owner)).unwrap();
    }
    let agent = std::path::absolute(env!("CARGO_BIN_EXE_cred-helper-agent")).unwrap();
    let inside = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let cases = [
        ("sudo with HOME kept", &home, "TERM", "dumb".to_owned()),
        ("sudo -E", &home, "XDG_RUNTIME_DIR", run.to_str().unwrap().to_owned()),
        ("sudo -H with the data's directory kept", &roots, "XDG_DATA_HOME", inside("data")),
        ("sudo -H with the state's directory kept", &roots, "XDG_STATE_HOME", inside("state")),
    ];
    for (name, home_variable, variable, value) in cases {
        for program in [&[env!("CARGO_BIN_EXE_cred-helper"), "agent", "start"][..], &[agent.to_str().unwrap(), "run"]] {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).env_clear().env("HOME", home_variable).env("CRED_HELPER_AGENT", &agent);
            command.env(variable, &value).current_dir("/").stdin(Stdio::null());
            let ended = ended(command.output().unwrap());
            assert_eq!(ended.code, 28, "{name}: {}", ended.stderr);
            assert!(ended.stderr.contains("belongs to user 61003"), "{name}: {}", ended.stderr);
        }
        for directory in [&home, &run] {
            assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "{name}");
        }
    }
}

//! Disks that are full, read-only, fail or hang, for real where the kernel lets us: a small file system in a mount namespace
//! of the test's own. Tokens that are there are served, nothing is redeemed that could not be kept, and it mends itself.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Server};

use super::home::{Ended, Home, browse, ended, first_line, lasting_server};

/// A home whose `.local` is a file system of one MiB. Everything runs where it is mounted.
pub(crate) struct SmallDisk {
    home: Home,
    /// Holds the namespace until its standard input ends.
    holder: Child,
}

impl SmallDisk {
    fn signed_in(server: &Server) -> Option<Self> {
        Self::mounted(server, "mount -t tmpfs -o size=1m,mode=700 small-disk \"$1\"")
    }

    /// With one login, on what these shell commands mount at `$1`; `None`, with a word, where that can't be had.
    pub(crate) fn mounted(server: &Server, mount: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can mount a file system");
            return None;
        }
        let home = Home::new();
        home.make_private(".local");
        let script = format!("{{ {mount}; }} >&2 && echo mounted && exec cat");
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(home.path().join(".local"));
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 8];
        if holder.stdout.as_mut().unwrap().read_exact(&mut said).is_err() {
            eprintln!("skipped: no file system can be mounted here");
            let _ = holder.wait();
            return None;
        }
        let disk = Self { home, holder };
        disk.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        let (issuer, client) = (server.issuer(), server.client_id());
        let mut login = disk.command(&["login", &issuer, "--client-id", &client, "--no-browser"]).spawn().unwrap();
        browse(&first_line(&mut login));
        assert_eq!(ended(login.wait_with_output().unwrap()).code, 0);
        Some(disk)
    }

    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg("--").arg(program);
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let plain = self.home.command(arguments);
        let mut command = self.inside("env");
        command.arg("-i");
        for (name, value) in plain.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            let mut variable = name.to_owned();
            variable.push("=");
            variable.push(value);
            command.arg(variable);
        }
        command.arg(plain.get_program()).args(plain.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "cred-helper {arguments:?}: {}", ended.stderr);
        ended.stdout.trim_end().to_owned()
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let path = format!("/proc/{}/root{}/.local/filler", self.holder.id(), self.home.path().display());
        let mut filler = std::fs::File::create(path).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        assert!(self.inside("rm").arg(self.home.path().join(".local/filler")).status().unwrap().success());
    }

    fn remount(&self, how: &str) {
        let mut mount = self.inside("mount");
        let mounted = mount.args(["-o", &format!("remount,{how}")]).arg(self.home.path().join(".local")).status();
        assert!(mounted.unwrap().success());
    }

    /// Between two agents: one that runs has its log open, and the kernel waits for that.
    fn protect(&self) {
        self.restart_agent();
        self.remount("ro");
    }

    pub(crate) fn restart_agent(&self) {
        let status: serde_json::Value = serde_json::from_str(&self.ok(&["agent", "status", "--json"])).unwrap();
        self.home.kill(status["pid"].as_i64().unwrap().try_into().unwrap());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.run(&["agent", "stop"]);
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// How long a refresh may take to get to its server on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn none_reused(server: &Server) -> bool {
    server.families().iter().all(|family| family.ended.is_none())
}

#[test]
fn on_a_full_or_read_only_disk_what_is_there_is_served_and_nothing_is_redeemed() {
    let server = lasting_server();
    let Some(disk) = SmallDisk::signed_in(&server) else { return };
    type Change = fn(&SmallDisk);
    let troubles: [(&str, Change, Change); 2] =
        [("full", SmallDisk::fill, SmallDisk::free), ("read-only", SmallDisk::protect, |disk| disk.remount("rw"))];
    for (name, begin, end) in troubles {
        let token = disk.ok(&["get-token"]);
        let refreshes = server.count_grant("refresh_token");
        begin(&disk);
        for again in ["running", "started on it"] {
            assert_eq!(disk.ok(&["get-token"]), token, "{name}, {again}");
            // Another token than the one there is: it takes a refresh.
            let refused = disk.run(&["get-token", "--audience", "https://api.example/", "--timeout", "2s"]);
            assert_eq!(refused.code, 27, "{name}, {again}: {}", refused.stderr);
            let status = disk.ok(&["status"]);
            assert!(status.contains("could not"), "{name}, {again}: {status}");
            assert!(disk.run(&["doctor"]).stdout.contains("could not"), "{name}, {again}");
            let issuer = server.issuer();
            let login = disk.run(&["login", &issuer, "--client-id", &server.client_id(), "--no-browser"]);
            assert_eq!((login.code, login.stdout.as_str()), (27, ""), "{name}, {again}: {}", login.stderr);
            disk.restart_agent();
        }
        assert_eq!(server.count_grant("refresh_token"), refreshes, "{name}: nothing was sent");
        end(&disk);
        disk.ok(&["refresh"]);
        assert_ne!(disk.ok(&["get-token"]), token);
        assert!(none_reused(&server), "{name}");
    }
}

#[test]
fn a_disk_that_fills_up_while_the_server_answers_takes_the_answer_all_the_same() {
    let server = lasting_server();
    let Some(disk) = SmallDisk::signed_in(&server) else { return };
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(1)), 1);
    let refresh = disk.command(&["refresh"]).spawn().unwrap();
    assert!(server.wait_for(LIMIT, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    disk.fill();
    let answer = ended(refresh.wait_with_output().unwrap());
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let token = disk.ok(&["get-token"]);
    disk.restart_agent();
    assert_eq!(disk.ok(&["get-token"]), token, "its space was in hand before the request went out");
    disk.free();
    disk.ok(&["refresh"]);
    assert!(none_reused(&server));
}

#[test]
fn a_disk_that_turns_read_only_while_the_server_answers_loses_nothing() {
    let server = lasting_server();
    let Some(disk) = SmallDisk::signed_in(&server) else { return };
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(1)), 1);
    let refresh = disk.command(&["refresh"]).spawn().unwrap();
    assert!(server.wait_for(LIMIT, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    // Refused while a file is open for writing, as the prepared one is; an error of the disk's does the same to it.
    let refused =
        disk.inside("mount").args(["-o", "remount,ro"]).arg(disk.home.path().join(".local")).output().unwrap();
    assert!(!refused.status.success(), "the file in hand keeps the disk writable");
    let answer = ended(refresh.wait_with_output().unwrap());
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(none_reused(&server));
}

/// From the second on, because the first is the mark's.
fn from_the_second_on(point: &str, action: &str) -> String {
    (2..400).map(|nth| format!("{point} {nth} {action}\n")).collect()
}

fn home_with_two_accounts(server: &Server) -> (Home, String, String) {
    let home = Home::new().with_faults();
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(server, &[]);
    home.log_in(server, &["--account", "other"]);
    let name = super::tokens::account_of(&home, server);
    let name = name.split('/').next().unwrap().to_owned();
    let other = format!("{name}/other");
    (home, name, other)
}

#[test]
fn a_disk_that_fails_after_the_answer_costs_five_seconds_and_no_login() {
    let server = lasting_server();
    for action in ["error:io", "error:full", "error:read_only"] {
        let (home, name, other) = home_with_two_accounts(&server);
        home.arm(&from_the_second_on("disk.sync", action));
        home.ok(&["refresh", &name]);
        let token = home.run(&["get-token", &name]);
        assert!(token.stderr.contains("the disk refuses"), "{action}: {token:?}");
        assert!(server.is_live(token.stdout.trim_end()), "{action}");
        assert!(home.ok(&["status"]).contains("memory only"), "{action}");
        assert!(server.is_live(&home.ok(&["get-token", &other])), "{action}");
        assert_eq!(home.run(&["lock"]).code, 27, "{action}: it would be lost");
        home.disarm();
        // Told to end, the agent tries once more.
        home.ok(&["agent", "stop"]);
        home.ok(&["refresh", &name]);
        assert!(server.is_live(&home.ok(&["get-token", &name])), "{action}");
        assert!(none_reused(&server), "{action}");
    }
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_else_and_mends_itself() {
    let server = lasting_server();
    let (home, name, other) = home_with_two_accounts(&server);
    home.arm("disk.sync 2 delay:8000");
    let refresh = home.start(&["refresh", &name]);
    assert!(server.wait_for(LIMIT, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    for _ in 0..20 {
        assert!(server.is_live(&home.ok(&["get-token", &other])));
    }
    home.ok(&["status"]);
    home.ok(&["vault", "status"]);
    let refreshed = ended(refresh.wait_with_output().unwrap());
    assert_eq!(refreshed.code, 0, "{}", refreshed.stderr);
    assert!(refreshed.stderr.contains("not on disk yet"), "the caller has not waited for it: {}", refreshed.stderr);
    assert!(server.is_live(&home.ok(&["get-token", &name])));
    assert!(home.ok(&["status"]).contains("memory only"));
    // Whoever writes next waits for the disk, which comes back.
    home.ok(&["account", "default", &name]);
    assert!(!home.ok(&["status"]).contains("memory only"));
    home.kill_agent();
    home.ok(&["refresh", &name]);
    assert!(none_reused(&server));
}

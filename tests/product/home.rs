//! A home of its own for every test: the real programs, an empty environment, and an agent that ends with the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use cred_helper::demo::server::{Options, Server};
use serde_json::Value;

/// An empty home.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = Self { directory, variables: BTreeMap::new() };
        home.make_private("run");
        home
    }

    /// A directory in it that only its owner may enter.
    pub(crate) fn make_private(&self, name: &str) -> PathBuf {
        let directory = self.path().join(name);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&directory).unwrap();
        #[cfg(windows)]
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    /// A home whose vault is open: made with a machine slot, which needs no person.
    pub(crate) fn with_vault() -> Self {
        let home = Self::new();
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        home
    }

    /// A home with one login at `server`.
    pub(crate) fn signed_in(server: &Server) -> Self {
        let home = Self::with_vault();
        home.log_in(server, &[]);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.path().join(".local/share/cred-helper/vault")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join(if cfg!(windows) { ".local/share/cred-helper" } else { ".local/state/cred-helper" })
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    pub(crate) fn configure(&self, toml: &str) {
        let file = self.path().join(".config/cred-helper/config.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, toml).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cred-helper"));
        command.args(arguments).env_clear().current_dir(self.path());
        command.env("HOME", self.path()).env("XDG_RUNTIME_DIR", self.path().join("run"));
        // Nobody tells these agents when the machine sleeps, unless a test does.
        let no_bus = format!("unix:path={}", self.path().join("run/no-bus").display());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", no_bus);
        // Built on another system, it is named without its drive.
        command.env("CRED_HELPER_AGENT", std::path::absolute(env!("CARGO_BIN_EXE_cred-helper-agent")).unwrap());
        if cfg!(windows) {
            // The same places under Windows' names; and without SystemRoot there are no sockets.
            command.env("USERPROFILE", self.path()).env("APPDATA", self.path().join(".config"));
            command.env("LOCALAPPDATA", self.path().join(".local/share"));
            command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        }
        command.envs(&self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    /// Runs it with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may have ended before this arrives.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        ended(child.wait_with_output().unwrap())
    }

    /// Runs it; its standard output, trimmed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "cred-helper {arguments:?}: {}", ended.stderr);
        ended.stdout.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.ok(&["get-token"])
    }

    /// What so many programs get that ask at the same time: each different token once.
    #[track_caller]
    pub(crate) fn tokens_at_once(&self, programs: usize) -> Vec<String> {
        let programs: Vec<_> = (0..programs).map(|_| self.start(&["get-token"])).collect();
        let mut tokens: Vec<_> = programs
            .into_iter()
            .map(|program| {
                let ended = ended(program.wait_with_output().unwrap());
                assert_eq!(ended.code, 0, "{}", ended.stderr);
                ended.stdout
            })
            .collect();
        tokens.sort();
        tokens.dedup();
        tokens
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// A login in a browser that agrees to everything; its standard output after the URL.
    #[track_caller]
    pub(crate) fn log_in(&self, server: &Server, more: &[&str]) -> String {
        let (issuer, client) = (server.issuer(), server.client_id());
        let mut arguments = vec!["login", &issuer, "--client-id", &client, "--no-browser"];
        arguments.extend(more);
        let ended = self.log_in_with(&arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    pub(crate) fn log_in_with(&self, arguments: &[&str]) -> Ended {
        let mut login = self.start(arguments);
        let url = first_line(&mut login);
        let page = if url.is_empty() { String::new() } else { browse(&url) };
        let mut ended = ended(login.wait_with_output().unwrap());
        ended.stdout.push_str(&page);
        ended
    }

    pub(crate) fn agent_pid(&self) -> i32 {
        self.json(&["agent", "status", "--json", "--no-start"])["pid"].as_i64().unwrap().try_into().unwrap()
    }

    /// Kills it without warning; it is gone when this returns.
    pub(crate) fn kill_agent(&self) {
        self.kill(self.agent_pid());
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn kill(&self, pid: i32) {
        self.signal(pid, rustix::process::Signal::KILL);
    }

    /// Sends it what ends it; it is gone when this returns.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal(&self, pid: i32, signal: rustix::process::Signal) {
        use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
        let handle = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&handle, signal).unwrap();
        let mut gone = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut gone, None).unwrap();
    }

    /// What the agent locked is free when this returns.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn kill(&self, pid: i32) {
        let lock = std::fs::File::open(self.vault().join("owner.lock")).unwrap();
        #[cfg(unix)]
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
            .unwrap();
        #[cfg(windows)]
        Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).output().unwrap();
        lock.lock_shared().unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(&["agent", "stop"]).output();
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.state().join("agent.log"))
        {
            eprintln!("--- the agent's log:\n{log}");
        }
    }
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The first line of a command's standard output, without reading beyond it.
pub(crate) fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Follows redirects as a browser does; the last answer, head and body.
pub(crate) fn browse(url: &str) -> String {
    try_to_browse(url).unwrap()
}

/// The same, where whoever is to answer may be gone.
pub(crate) fn try_to_browse(url: &str) -> std::io::Result<String> {
    let mut url = url.to_owned();
    for _ in 0..5 {
        let answer = try_to_fetch(&url)?;
        let location = answer.lines().take_while(|line| !line.trim().is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        match location {
            Some(next) => url = next,
            None => return Ok(answer),
        }
    }
    panic!("the redirects have no end");
}

/// One GET over plain HTTP; head and body.
pub(crate) fn fetch(url: &str) -> String {
    try_to_fetch(url).unwrap()
}

fn try_to_fetch(url: &str) -> std::io::Result<String> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let path = if path.is_empty() { "/" } else { path };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A strict server whose access tokens last this long.
pub(crate) fn server(access_token_lifetime: Duration) -> Server {
    Server::start(Options { access_token_lifetime, ..Options::default() }).unwrap()
}

/// A strict server whose access tokens last an hour.
pub(crate) fn lasting_server() -> Server {
    server(Duration::from_secs(3600))
}

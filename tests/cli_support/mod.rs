//! Runs the real command line on an empty home, and speaks the agent's half of the wire where only output is tested.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, of which each uses its part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An empty home and nothing of the caller's environment.
pub struct Home {
    directory: TempDir,
    variables: Vec<(String, String)>,
    working_directory: Option<PathBuf>,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, variables: Vec::new(), working_directory: None }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn working_in(mut self, directory: PathBuf) -> Self {
        self.working_directory = Some(directory);
        self
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cred-helper"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            // The same places under Windows' names.
            .env("USERPROFILE", self.path())
            .env("APPDATA", self.path().join(".config"))
            .env("LOCALAPPDATA", self.path().join(".local"))
            .env("TZ", "UTC")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.working_directory.as_deref().unwrap_or_else(|| self.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cred-helper runs");
        // A command that reads nothing may have ended before this arrives.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        Ran::from(child.wait_with_output().expect("cred-helper ends"))
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// A failure says why in one line on standard error, and nothing on standard output.
    pub fn failed_with(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        assert!(self.err.starts_with("cred-helper: ") && self.err.lines().count() == 1, "{self:?}");
        &self.err
    }

    /// It went well and said this on standard output.
    pub fn printed(&self, text: &str) {
        assert_eq!((self.code, self.out.as_str()), (0, text), "{self:?}");
    }
}

#[cfg(unix)]
pub mod agent {
    //! The agent's half of the wire, scripted: enough to test what the command line sends and shows.

    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::thread::JoinHandle;

    use serde_json::{Value, json};

    /// What one request is answered with: whole messages, in order.
    pub type Script = Box<dyn FnMut(&str, &Value, &Value) -> Vec<Value> + Send>;

    pub struct ScriptedAgent {
        pub socket: PathBuf,
        _directory: tempfile::TempDir,
        thread: JoinHandle<()>,
    }

    impl ScriptedAgent {
        /// Serves one connection, and only one.
        pub fn new(mut script: Script) -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let socket = directory.path().join("agent.sock");
            let listener = UnixListener::bind(&socket).expect("a socket");
            let thread = std::thread::spawn(move || {
                let (stream, _) = listener.accept().expect("a connection");
                let mut answers = stream.try_clone().expect("a second handle");
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let request: Value = serde_json::from_str(&line).expect("JSON");
                    assert_eq!(request["jsonrpc"], "2.0");
                    let method = request["method"].as_str().expect("a method");
                    if method == "agent.hello" {
                        let welcome = json!({"protocol": 1, "version": env!("CARGO_PKG_VERSION")});
                        writeln!(answers, "{}", answer(&request["id"], welcome)).expect("a client that waits");
                        continue;
                    }
                    for message in script(method, &request["id"], &request["params"]) {
                        // The command may have seen enough.
                        let _ = writeln!(answers, "{message}");
                    }
                }
            });
            Self { socket, _directory: directory, thread }
        }

        /// One method, one answer; the parameters have to contain these.
        pub fn answering(method: &'static str, params: Value, result: Value) -> Self {
            Self::new(Box::new(move |asked, id, sent| {
                assert_eq!(asked, method);
                for (key, value) in params.as_object().into_iter().flatten() {
                    assert_eq!(&sent[key], value, "{key} of {method}");
                }
                vec![answer(id, result.clone())]
            }))
        }

        /// Fails if anything that was sent was not as expected.
        pub fn finish(self) {
            // Where nothing connected, this is the connection that ends the thread.
            let _ = UnixStream::connect(&self.socket);
            if let Err(panic) = self.thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }

    pub fn answer(id: &Value, result: Value) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }

    pub fn refusal(id: &Value, kind: &str, message: &str, more: Value) -> Value {
        let mut data = json!({"kind": kind});
        for (key, value) in more.as_object().into_iter().flatten() {
            data[key] = value.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": message, "data": data}})
    }

    pub fn notification(method: &str, params: Value) -> Value {
        json!({"jsonrpc": "2.0", "method": method, "params": params})
    }
}

//! A terminal that is one: a shell in tmux, typed at and looked at.
//!
//! tmux says whenever the pane's program has written something (its control mode), so that waiting for a text neither
//! polls nor sleeps.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::home::Home;

/// How long a text may take to appear; a passphrase costs seconds in an unoptimized program.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Terminal {
    directory: tempfile::TempDir,
    control: Child,
    written: Receiver<()>,
    commands: Cell<u32>,
}

impl Terminal {
    /// A shell in that home, `cred-helper` in its PATH.
    pub fn start(home: &Home, columns: u16, rows: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut tmux = tmux(directory.path());
        let programs = Path::new(env!("CARGO_BIN_EXE_cred-helper")).parent().unwrap().display();
        let path = std::env::var("PATH").unwrap();
        for (name, value) in home.command(&[]).get_envs() {
            tmux.env(name, value.unwrap_or_default());
        }
        tmux.env("PATH", format!("{programs}:{path}")).env("LANG", "C.UTF-8");
        tmux.current_dir(home.path());
        assert!(tmux.args(["new-session", "-d", "-x", &columns, "-y", &rows, "/bin/sh"]).status().unwrap().success());
        let mut command = self::tmux(directory.path());
        command.args(["-C", "attach-session", "-f", "ignore-size"]);
        let mut control = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(control.stdout.take().unwrap()).split(b'\n').map_while(Result::ok);
        let (write, written) = channel();
        std::thread::spawn(move || {
            lines.filter(|line| news(line)).map_while(|_| write.send(()).ok()).for_each(drop);
        });
        let terminal = Self { directory, control, written, commands: Cell::new(0) };
        // What was written before tmux listens to us is on the screen by then.
        terminal.written.recv_timeout(LIMIT).expect("tmux answers");
        // Some shells take no prompt from root's environment.
        terminal.wait_until("$", |screen| screen.trim_end().ends_with(['$', '#']));
        terminal
    }

    /// Types a command line and Enter.
    pub fn run(&self, line: &str) {
        self.type_in(line);
        self.key("Enter");
    }

    pub fn type_in(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// A key by tmux's name, such as `Enter` or `C-c`.
    pub fn key(&self, name: &str) {
        self.tmux(&["send-keys", name]);
    }

    /// Pastes as a terminal does; `bracketed` if the program has asked for that.
    pub fn paste(&self, text: &str, bracketed: bool) {
        let mut load = tmux(self.directory.path());
        let mut load = load.args(["load-buffer", "-b", "clip", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        load.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(load.wait().unwrap().success());
        let how: &[&str] = if bracketed { &["-p"] } else { &[] };
        self.tmux(&[&["paste-buffer", "-d", "-b", "clip"], how].concat());
    }

    /// What is on the screen, folded lines joined.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"]).lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Waits until a text is on the screen; the whole screen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        // Blanks at the end of a line are not part of a screen.
        self.wait_until(text, |screen| screen.contains(text.trim_end()))
    }

    /// Waits until the screen is as it has to be.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(self.written.recv_timeout(left).is_ok(), "`{what}` does not come:\n{screen}");
        }
    }

    /// Runs a command on an empty screen and waits for its end: what is on the screen then, and its exit code.
    #[track_caller]
    pub fn ended(&self, line: &str) -> (String, i32) {
        self.begin(line);
        self.end()
    }

    /// Starts a command on an empty screen.
    pub fn begin(&self, line: &str) {
        self.commands.set(self.commands.get() + 1);
        self.run(&format!("clear; {line}; {}", self.say_exit()));
    }

    /// Waits for the end of what [`Self::begin`] started.
    #[track_caller]
    pub fn end(&self) -> (String, i32) {
        let mark = format!("(exit {}: ", self.commands.get());
        // The command line itself may be on the screen too, with `$?` for a number.
        let code = |screen: &str| screen.split(&mark).skip(1).find_map(|rest| rest.split_once(')')?.0.parse().ok());
        let screen = self.wait_until("(exit", |screen| code(screen).is_some());
        let code = code(&screen).unwrap();
        (screen, code)
    }

    /// A command that says how the one before it ended. Numbered: an earlier one's end may still be on the screen.
    fn say_exit(&self) -> String {
        format!("echo \"(exit {}: $?)\"", self.commands.get())
    }

    /// Presses Ctrl-C and waits for the shell: what is on the screen then, and the exit code.
    #[track_caller]
    pub fn interrupt(&self) -> (String, i32) {
        self.key("C-c");
        // The shell drops the rest of its line.
        self.wait_until("a prompt", |screen| screen.trim_end().ends_with(['$', '#']));
        self.run(&self.say_exit());
        self.end()
    }

    /// The screen with its colours.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Keeps the screen for people to look at.
    pub fn keep(&self, name: &str) {
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.ansi")), self.coloured()).unwrap();
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = tmux(self.directory.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tmux(self.directory.path()).arg("kill-server").status();
        let _ = self.control.kill();
        let _ = self.control.wait();
    }
}

/// Whether a line of tmux's says that we are connected, or that the program has written something.
fn news(line: &[u8]) -> bool {
    line.starts_with(b"%session-changed") || line.starts_with(b"%output")
}

/// A tmux server of its own, without anybody's configuration.
fn tmux(directory: &Path) -> Command {
    let mut command = Command::new("tmux");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm-256color");
    command.args(["-u", "-f", "/dev/null", "-S"]).arg(directory.join("tmux"));
    command
}

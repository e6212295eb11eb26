//! The demo's stage: a temporary home with nothing of the user's in it, and the real programs run there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::paths::AGENT_VARIABLE;

/// A temporary home. Dropped, its agent is stopped and everything in it is gone.
pub(super) struct Stage {
    home: PathBuf,
    agent: PathBuf,
    client: PathBuf,
}

impl Stage {
    pub(super) fn new() -> io::Result<Self> {
        let agent = std::env::current_exe()?;
        let client = agent.with_file_name(format!("cred-helper{}", std::env::consts::EXE_SUFFIX));
        if !client.is_file() {
            let message = format!("{} is not there: install both programs in one directory", client.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let home = std::env::temp_dir().join(format!("cred-helper-demo-{}", std::process::id()));
        make_private(&home)?;
        make_private(&home.join("run"))?;
        Ok(Self { home, agent, client })
    }

    /// `cred-helper` with these arguments, in the temporary home.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("HOME", &self.home).env("XDG_RUNTIME_DIR", self.home.join("run")).env(AGENT_VARIABLE, &self.agent);
        for name in ["SYSTEMROOT", "SystemRoot"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        #[cfg(windows)]
        for name in ["USERPROFILE", "APPDATA", "LOCALAPPDATA"] {
            command.env(name, &self.home);
        }
        command
    }

    pub(super) fn start(&self, arguments: &[&str]) -> io::Result<Child> {
        self.command(arguments).spawn()
    }

    /// Runs it to its end; its output without the last newline.
    pub(super) fn run(&self, arguments: &[&str]) -> io::Result<String> {
        finished(arguments, self.command(arguments).output()?)
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The demo is over; an agent that is gone already and a directory that is gone already are what is wanted.
        let _ = self.command(&["agent", "stop"]).output();
        let _ = fs::remove_dir_all(&self.home);
    }
}

pub(super) fn finished(arguments: &[&str], output: Output) -> io::Result<String> {
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("`cred-helper {}`: {}", arguments.join(" "), words.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[cfg(unix)]
fn make_private(directory: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(directory)
}

/// The directory for temporary files is the user's own already.
#[cfg(windows)]
fn make_private(directory: &Path) -> io::Result<()> {
    fs::create_dir(directory)
}

//! A program of its own name that runs `cred-helper`: the system's awk, copied. It is no shell, so it is who asks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::home::{Ended, Home, ended};

/// A program in that home.
pub(crate) struct Asker(PathBuf);

impl Asker {
    pub(crate) fn new(home: &Home, name: impl AsRef<OsStr>) -> Self {
        let directory = home.path().join("bin");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name.as_ref());
        let awk = ["/usr/bin/awk", "/bin/awk"].into_iter().find_map(|awk| Path::new(awk).canonicalize().ok());
        // By a program of its own: a file that this one wrote can't be started while another thread's child holds it open.
        let copied = Command::new("cp").arg(awk.expect("awk")).arg(&path).status().unwrap();
        assert!(copied.success());
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Has it run `cred-helper` in a shell of its own, as a script or an editor would.
    pub(crate) fn command(&self, home: &Home, arguments: &[&str]) -> Command {
        let asks = home.command(arguments);
        let words = std::iter::once(asks.get_program()).chain(asks.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut asker = Command::new(&self.0);
        asker.env_clear().envs(asks.get_envs().filter_map(|(name, value)| Some((name, value?))));
        asker.arg("BEGIN { exit system(ENVIRON[\"ASK\"]) }").env("ASK", line.join(" ")).env("PATH", "/usr/bin:/bin");
        asker.current_dir(home.path()).stdin(Stdio::null());
        asker.stdout(Stdio::piped()).stderr(Stdio::piped());
        asker
    }

    pub(crate) fn run(&self, home: &Home, arguments: &[&str]) -> Ended {
        ended(self.command(home, arguments).output().unwrap())
    }

    /// As [`Self::run`], by a process whose executable is replaced while it runs.
    pub(crate) fn run_replaced(&self, home: &Home, arguments: &[&str]) -> Ended {
        let asks = self.command(home, arguments);
        let mut asker = Command::new(&self.0);
        asker.env_clear().envs(asks.get_envs().filter_map(|(name, value)| Some((name, value?))));
        asker.arg("BEGIN { getline; exit system(ENVIRON[\"ASK\"]) }").current_dir(home.path());
        asker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = asker.spawn().unwrap();
        std::fs::remove_file(&self.0).unwrap();
        std::fs::write(&self.0, "another program").unwrap();
        drop(running.stdin.take());
        ended(running.wait_with_output().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(&self, home: &Home, arguments: &[&str]) -> String {
        let ended = self.run(home, arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.trim_end().to_owned()
    }
}

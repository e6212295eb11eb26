//! A question to the person, by pinentry, which GnuPG and others use: at the desktop, or at the caller's terminal.
//!
//! It speaks Assuan: a line each way, `OK` or `ERR` for each command. No secret is asked for or sent. What it is sent has
//! no line end or control character of anybody's but ours: names of programs are escaped before they come here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

/// Where packages put it; never looked for in PATH.
#[cfg(unix)]
const PLACES: &[&str] = &[
    "/usr/bin/pinentry",
    "/usr/local/bin/pinentry",
    "/opt/homebrew/bin/pinentry-mac",
    "/usr/local/bin/pinentry-mac",
    "/run/current-system/sw/bin/pinentry",
];
/// Where Gpg4win and GnuPG put it.
#[cfg(windows)]
const PLACES: &[&str] = &[
    r"C:\Program Files\Gpg4win\bin\pinentry.exe",
    r"C:\Program Files (x86)\Gpg4win\bin\pinentry.exe",
    r"C:\Program Files\GnuPG\bin\pinentry-basic.exe",
    r"C:\Program Files (x86)\GnuPG\bin\pinentry-basic.exe",
];
/// What it gets of the agent's environment: the desktop, the session's bus, language; on Windows what every program needs.
const VARIABLES: &[&str] = &[
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "USER",
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "SystemRoot",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "TEMP",
];
/// The longest line (Assuan manual, "Server responses").
const MAX_LINE: u64 = 1002;
/// What it may take longer than it was told to.
const GRACE: Duration = Duration::from_secs(1);

/// What to ask, and where.
pub(super) struct Dialog {
    /// The question, over several lines.
    pub(super) text: String,
    /// The caller's terminal, for where there is no desktop.
    pub(super) terminal: Option<PathBuf>,
    /// How long the person has.
    pub(super) time_limit: Duration,
}

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
    Nothing,
}

/// The program: the configured one, or the system's.
pub(super) fn program(configured: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = configured {
        return match path.is_file() {
            true => Ok(path.to_owned()),
            false => Err(format!("`pinentry` in the configuration names {}, which is no file", path.display())),
        };
    }
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| "install pinentry, or name it with `pinentry` in the configuration".to_owned())
}

/// Asks. The dialog closes if the future is dropped.
pub(super) async fn confirm(program: &Path, dialog: &Dialog) -> Result<Said, String> {
    let seconds = dialog.time_limit.as_secs();
    if seconds == 0 {
        return Ok(Said::Nothing);
    }
    let mut command = Command::new(program);
    command.env_clear().envs(VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("{}: no pipe to it", program.display()));
    };
    let mut assuan = Assuan { to: stdin, from: BufReader::new(stdout) };
    let said = tokio::time::timeout(dialog.time_limit + GRACE, assuan.ask(dialog, seconds)).await;
    if said.is_err() {
        return Ok(Said::Nothing);
    }
    // It ends by itself now; a zombie would stay until then.
    drop(assuan);
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    said.unwrap_or(Ok(Said::Nothing)).map_err(|why| format!("{}: {why}", program.display()))
}

struct Assuan {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// How a command was answered: fine, or with a code of libgpg-error's.
type Answer = Result<(), u32>;

impl Assuan {
    async fn ask(&mut self, dialog: &Dialog, seconds: u64) -> Result<Said, String> {
        let broken = |_| "it ended without an answer".to_owned();
        self.answer().await.map_err(broken)?.map_err(|code| format!("error {code}"))?;
        let mut options = vec!["OPTION no-grab".to_owned()];
        if let Some(terminal) = &dialog.terminal {
            let console = terminal.to_string_lossy().starts_with("/dev/tty");
            options.push(format!("OPTION ttyname={}", terminal.display()));
            options.push(format!("OPTION ttytype={}", if console { "linux" } else { "xterm" }));
        }
        let language = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| std::env::var(name).ok());
        options.extend(language.map(|language| format!("OPTION lc-ctype={}", escaped(&language))));
        options.push(format!("SETTIMEOUT {seconds}"));
        options.push("SETTITLE cred-helper".to_owned());
        options.push("SETOK Allow".to_owned());
        options.push("SETCANCEL Deny".to_owned());
        for option in options {
            // One that it doesn't know changes nothing.
            let _ = self.command(&option).await.map_err(broken)?;
        }
        self.command(&format!("SETDESC {}", escaped(&dialog.text)))
            .await
            .map_err(broken)?
            .map_err(|code| format!("error {code}"))?;
        match self.command("CONFIRM").await.map_err(broken)? {
            Ok(()) => Ok(Said::Yes),
            // GPG_ERR_CANCELED, GPG_ERR_NOT_CONFIRMED, GPG_ERR_FULLY_CANCELED
            Err(99 | 114 | 198) => Ok(Said::No),
            // GPG_ERR_TIMEOUT
            Err(62) => Ok(Said::Nothing),
            Err(code) => Err(format!("error {code}: is there a desktop, or a terminal in the foreground?")),
        }
    }

    async fn command(&mut self, line: &str) -> std::io::Result<Answer> {
        self.to.write_all(format!("{line}\n").as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        loop {
            let mut line = Vec::new();
            if (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("OK") => return Ok(Ok(())),
                // Its lower half is the code, the upper who says it.
                Some("ERR") => {
                    return Ok(Err(words.next().and_then(|code| code.parse().ok()).unwrap_or(1_u32) & 0xffff));
                }
                // Status and comment lines.
                _ => {}
            }
        }
    }
}

/// Assuan's escapes for what would end a line or begin an escape.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_for_it() {
        assert_eq!(escaped("100%\r\nCONFIRM\n%0A"), "100%25%0D%0ACONFIRM%0A%250A");
    }

    #[test]
    fn it_is_found_where_it_is_said_to_be_or_in_known_places_only() {
        let own = std::env::current_exe().expect("this program");
        assert_eq!(program(Some(&own)), Ok(own));
        assert!(
            program(Some(Path::new("/nonexistent/pinentry"))).is_err_and(|why| why.contains("/nonexistent/pinentry"))
        );
    }
}

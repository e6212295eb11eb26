//! macOS: osascript, which every system has. A notification of our own would need an application bundle and a run loop.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

const OSASCRIPT: &str = "/usr/bin/osascript";
/// The words are arguments, not part of the script: nothing in them is run.
const SCRIPT: &str = "on run argv\n\
    display notification (item 2 of argv) with title \"cred-helper\" subtitle (item 1 of argv)\n\
    end run";
const LIMIT: Duration = Duration::from_secs(10);

/// What shows notifications.
pub(super) struct Desktop(());

/// Whether there may be one.
pub(super) fn is_there() -> bool {
    Path::new(OSASCRIPT).exists()
}

impl Desktop {
    pub(super) async fn connect() -> Result<Self, String> {
        if is_there() { Ok(Self(())) } else { Err(format!("{OSASCRIPT} is not there")) }
    }

    pub(super) async fn is_ready(&self, _started: bool) -> Result<(), String> {
        Ok(())
    }

    /// What could not be told now is not worth waiting for.
    pub(super) async fn appears(&mut self) -> Result<(), String> {
        Err("osascript shows what it can at once".to_owned())
    }

    pub(super) async fn show(&self, summary: &str, body: &str) -> Result<(), String> {
        let mut command = Command::new(OSASCRIPT);
        command.args(["-e", SCRIPT, summary, body]).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(LIMIT, command.status()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("osascript: {status}")),
            Ok(Err(error)) => Err(format!("osascript: {error}")),
            Err(_) => Err("osascript does not end".to_owned()),
        }
    }
}

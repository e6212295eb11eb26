//! Unix: the command takes the place of this process.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Returns only where the command could not be run.
pub(super) fn run(mut command: Command) -> io::Error {
    command.exec()
}

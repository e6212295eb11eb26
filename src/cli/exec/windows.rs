//! Windows: no process takes another's place there, so this one waits, outlives Ctrl-C and ends as the command does.

use std::io;
use std::process::Command;

use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;

/// Returns only where the command could not be run.
#[expect(clippy::exit, reason = "an exit code there has 32 bits, of which ExitCode takes eight")]
pub(super) fn run(mut command: Command) -> io::Error {
    leave_interrupts_to_the_command();
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// The console tells every process of Ctrl-C. Ignoring it would be inherited; a handler of our own is not.
#[expect(unsafe_code, reason = "std has no handler for the console's events")]
fn leave_interrupts_to_the_command() {
    // SAFETY: the handler is a function of this program and touches nothing.
    unsafe { SetConsoleCtrlHandler(Some(heard), 1) };
}

/// Nothing is left to do: whether it ends, the command says.
#[expect(unsafe_code, reason = "the system's calling convention")]
unsafe extern "system" fn heard(_event: u32) -> i32 {
    1
}

//! `cred-helper`: what people and other programs run, the latter under the names of their helpers, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    cred_helper::cli::run(std::env::args_os())
}

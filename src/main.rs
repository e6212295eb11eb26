//! `cred-helper`: what people and other programs run.

use std::process::ExitCode;

fn main() -> ExitCode {
    cred_helper::cli::run(std::env::args_os())
}

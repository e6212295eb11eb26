//! The command line: arguments in, text out; everything it knows it asks the agent for.
//!
//! It never imports the agent's half (`oauth`, `grant`, `provider`, `vault`, `config`, `agent`), so that a program that
//! only wants a token starts none of it. Standard output carries data, standard error is for people.

pub mod args;
pub mod exit;
pub mod format;
pub mod output;

mod account;
mod agent;
mod api_key;
mod browser;
mod complete;
mod completions;
mod config;
mod connect;
mod demo;
mod doctor;
mod exec;
mod export;
mod file;
mod get_token;
mod helper;
mod import;
mod lock;
mod log;
mod login;
mod logout;
mod man;
mod passphrase;
mod password;
mod picker;
pub(crate) mod project;
mod prompt;
mod provider;
mod refresh;
mod reject;
mod screen;
pub mod setup;
mod status;
mod table;
mod variables;
mod vault;
mod watch;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use exit::Failure;

use crate::panics;

/// Runs one command and says with which code to exit.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    panics::tell_where_only(|line| output::tell(&format!("cred-helper: {line}")));
    let argv: Vec<OsString> = argv.into_iter().collect();
    if let Some((name, words)) = argv.get(1..).and_then(<[_]>::split_first)
        && name == complete::NAME
    {
        complete::run(words);
        return ExitCode::SUCCESS;
    }
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let named = crate::helper::named_by(&program);
    let result = match named.or_else(|| crate::helper::flagged_by(argv.get(1..)?)) {
        Some(protocol) => {
            let mut words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            words.extend(crate::helper::words_in(&program));
            helper::run_as(protocol, &words)
        }
        None => match args::help_of_one(&argv).map_or_else(|| Cli::try_parse_from(argv), Err) {
            Ok(cli) => dispatch(cli),
            Err(error) => output::clap(&error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(Cli { no_start, command }: Cli) -> Result<(), Failure> {
    let connect = connect::Connect::new(no_start);
    match command {
        Command::GetToken(args) => get_token::run(&connect, &args),
        Command::Exec(args) => exec::run(&connect, &args),
        Command::File(args) => file::run(&connect, &args),
        Command::Helper(args) => helper::run(&connect, &args),
        Command::Setup(args) => setup::run(&args),
        Command::Login(args) => login::run(&connect, &args),
        Command::Logout(args) => logout::run(&connect, &args),
        Command::ApiKey(command) => api_key::run(&connect, &command),
        Command::Password(command) => password::run(&connect, &command),
        Command::Import(args) => import::run(&connect, &args),
        Command::Export(args) => export::run(&connect, &args),
        Command::Status(args) => status::run(&connect, &args),
        Command::Account(command) => account::run(&connect, &command),
        Command::Refresh(args) => refresh::run(&connect, &args),
        Command::Reject(args) => reject::run(&connect, &args),
        Command::Lock => lock::lock(&connect),
        Command::Unlock(args) => lock::unlock(&connect, &args),
        Command::Vault(command) => vault::run(&connect, &command),
        Command::Provider(command) => provider::run(&connect, &command),
        Command::Config(command) => config::run(&command),
        Command::Agent(command) => agent::run(&connect, &command),
        Command::Log(args) => log::run(&connect, &args),
        Command::Doctor(args) => doctor::run(&connect, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Demo => demo::run(),
    }
}

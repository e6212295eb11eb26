//! `helper`.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::helper::{self, PROTOCOLS, Protocol};

/// Arguments of `helper`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct HelperArgs {
    /// Whose protocol to speak
    #[arg(value_parser = PossibleValuesParser::new(PROTOCOLS.iter().map(|protocol| protocol.name)))]
    pub name: String,
    /// What that program says, such as get
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

const INTRODUCTION: &str = "\
Which account answers is said by the URL that the program wants to reach: see TARGETS in cred-helper.toml(5). Where none \
does, the program is told that there is nothing here, in the words of its protocol, and goes on without. Errors are one \
line on standard error.

`cred-helper setup TOOL` makes the links and writes the settings that are told of here.

Programs that start a helper by a name of its own find this one where a link of that name leads to cred-helper: \
the link's name stands beside the protocol's below. `--no-start` may come before the program's own words there.";

/// What holds for all, then each protocol's own.
fn after_help() -> String {
    let all = INTRODUCTION.to_owned() + " `cred-helper helper NAME --help` shows one alone.";
    PROTOCOLS.iter().fold(all, |text, protocol| text + &own_help(protocol))
}

fn own_help(Protocol { name, program, help, .. }: &Protocol) -> String {
    let program = program.map(|program| format!(" ({program})")).unwrap_or_default();
    format!("\n\n{name}{program}: {help}")
}

/// What `helper NAME --help` shows, without the other protocols' own; `None` for another command line.
pub fn help_of_one(argv: &[OsString]) -> Option<clap::Error> {
    let [_, helper, name, help] = argv else { return None };
    let protocol =
        helper::named(name.to_str()?).filter(|_| helper == "helper" && (help == "--help" || help == "-h"))?;
    let text = INTRODUCTION.to_owned() + &own_help(protocol);
    Cli::command().mut_subcommand("helper", |helper| helper.after_help(text)).try_get_matches_from(argv).err()
}

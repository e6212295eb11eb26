//! `setup`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::setup;

/// Arguments of `setup`.
#[derive(Debug, Args)]
#[command(after_help = setup::help())]
pub struct SetupArgs {
    /// The tool; without one, every tool and whether it is set up
    #[arg(value_parser = PossibleValuesParser::new(setup::names()))]
    pub tool: Option<String>,
    /// The account that is to answer; with --host, a rule under [targets] says so
    #[arg(long, value_name = "NAME", requires = "tool")]
    pub account: Option<String>,
    /// The host, or the URL, that the tool is to ask us for
    #[arg(long, value_name = "HOST", requires = "tool")]
    pub host: Option<String>,
    /// Have the tool ask us whatever the host
    #[arg(long, requires = "tool", conflicts_with = "host")]
    pub all_hosts: bool,
    /// What the tool's own file calls it: a registry, a profile, a remote, a provider
    #[arg(long, value_name = "NAME", requires = "tool")]
    pub name: Option<String>,
    /// Take back what setup did
    #[arg(long, requires = "tool", conflicts_with_all = ["account", "words"])]
    pub remove: bool,
    /// Don't ask; needed where there is no terminal
    #[arg(long, requires = "tool")]
    pub yes: bool,
    /// Print what was done, or what is set up, as JSON
    #[arg(long)]
    pub json: bool,
    /// Words for the helper that the tool starts, such as --role-arn ARN
    #[arg(last = true, requires = "tool", value_name = "WORD")]
    pub words: Vec<String>,
}

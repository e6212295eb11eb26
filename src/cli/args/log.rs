//! `log`.

use clap::Args;

use crate::cli::when;
use crate::clock::Timestamp;

/// Arguments of `log`.
#[derive(Debug, Args)]
#[command(after_help = "Which program used my Anthropic login last night?\n  \
                        cred-helper log --account anthropic --since \"yesterday 18:00\" --until 08:00")]
pub struct LogArgs {
    /// Only this account, or every account of a provider
    #[arg(long)]
    pub account: Option<String>,
    /// Only this program: its path, the last part of that, or the name of its process
    #[arg(long)]
    pub program: Option<String>,
    /// Nothing older: 2h (ago), 22:00, today, yesterday, "yesterday 18:00" or "2026-11-20 22:00"
    #[arg(long, value_name = "WHEN", value_parser = when::parse_moment)]
    pub since: Option<Timestamp>,
    /// Nothing newer; written as for --since
    #[arg(long, value_name = "WHEN", value_parser = when::parse_moment)]
    pub until: Option<Timestamp>,
    /// At most so many, the newest; 100 unless --since is given
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Stay and show every request as it is answered; Ctrl-C ends it
    #[arg(short, long, conflicts_with = "until")]
    pub follow: bool,
    /// Print one JSON object on each line
    #[arg(long)]
    pub json: bool,
}

//! `vault`, `unlock`.

use clap::{Args, Subcommand, ValueEnum};

use crate::ipc::message::vault::SlotKind;

/// Where a passphrase comes from.
#[derive(Debug, Default, Args)]
pub struct PassphraseArgs {
    /// Read the passphrase from this inherited file descriptor instead of the terminal; on Windows from 0, standard input
    #[arg(long, value_name = "N")]
    pub passphrase_fd: Option<u32>,
}

/// `vault ...`
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Show the vault's state and its key slots
    Status {
        /// Print the agent's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take over a vault that was copied from another machine
    Adopt,
    /// Set the vault aside, so that a new one can be made; nothing is deleted
    Reset {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// The ways to open the vault
    #[command(subcommand)]
    Slot(SlotCommand),
}

/// `vault slot ...`
#[derive(Debug, Subcommand)]
pub enum SlotCommand {
    /// List key slots
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a way to open the vault; makes the vault if there is none
    Add {
        /// Where the key is to rest
        kind: SlotKindArg,
        /// Yes to a slot that is weaker than those there are
        #[arg(long)]
        accept_weaker: bool,
        /// With `passphrase`: where it comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Remove a way to open the vault, and seal every login under a new key
    Remove {
        /// The slot's id (see `vault slot list`)
        id: String,
    },
}

/// The kinds of key slot, as they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SlotKindArg {
    /// The session's keyring
    Keyring,
    /// A passphrase
    Passphrase,
    /// This machine: opens by itself for whoever can read your files on it
    Machine,
    /// No disk at all: logins end with the agent
    Memory,
}

impl From<SlotKindArg> for SlotKind {
    fn from(kind: SlotKindArg) -> Self {
        match kind {
            SlotKindArg::Keyring => SlotKind::Keyring,
            SlotKindArg::Passphrase => SlotKind::Passphrase,
            SlotKindArg::Machine => SlotKind::Machine,
            SlotKindArg::Memory => SlotKind::Memory,
        }
    }
}

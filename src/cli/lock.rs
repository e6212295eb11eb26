//! `lock`, `unlock`: closes and opens the vault. A lock holds until it is undone, restarts included.

use std::time::Duration;

use super::args::PassphraseArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{output, passphrase};
use crate::ipc::client::Client;
use crate::ipc::message::agent::AgentStatus;
use crate::ipc::message::vault::{LOCK_PATIENCE, Lock, SlotKind, Unlock, VaultState, VaultStatus};

/// How long a lock may take: the exchanges under way, and then as long for a disk that refuses what they brought.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn lock(connect: &Connect) -> Result<(), Failure> {
    let exchanges = connect.ask(&AgentStatus {})?.exchanges;
    if exchanges > 0 {
        let what = if exchanges == 1 { "exchange" } else { "exchanges" };
        let most = LOCK_PATIENCE.as_secs();
        output::tell(&format!("Waiting for {exchanges} {what} with authorization servers, at most {most} s."));
    }
    connect.ask_within(&connect::paths()?, PATIENCE, &Lock {})?;
    output::tell("Locked. `cred-helper unlock` opens the vault again.");
    Ok(())
}

pub(super) fn unlock(connect: &Connect, args: &PassphraseArgs) -> Result<(), Failure> {
    let mut client = connect.open()?;
    open(&mut client, args)?;
    output::tell("Unlocked.");
    Ok(())
}

/// Opens the vault: by itself where a slot allows, else with the passphrase.
pub(super) fn open(client: &mut Client, args: &PassphraseArgs) -> Result<(), Failure> {
    let interactive = output::person_present();
    if args.passphrase_fd.is_none() {
        let report = connect::call(client, &VaultStatus {})?;
        if report.state == VaultState::Unlocked {
            return Ok(());
        }
        let only_passphrase =
            !report.slots.is_empty() && report.slots.iter().all(|slot| slot.kind == SlotKind::Passphrase);
        if !only_passphrase {
            // A keyring's prompt waits for a person.
            client.clear_deadline();
            let opened = connect::call(client, &Unlock { passphrase: None, interactive });
            let has_passphrase = report.slots.iter().any(|slot| slot.kind == SlotKind::Passphrase);
            if opened.is_ok() || !has_passphrase || !interactive {
                return opened.map(drop);
            }
        }
    }
    let passphrase = Some(passphrase::existing(args)?);
    client.clear_deadline();
    connect::call(client, &Unlock { passphrase, interactive }).map(drop)
}

//! Where the vault's key is to rest: asked at a terminal before the first login, passphrase first.

use crate::cli::args::PassphraseArgs;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Style, Tone};
use crate::cli::{connect, lock, passphrase, vault};
use crate::ipc::client::Client;
use crate::ipc::message::vault::{AddSlot, SlotKind};
use crate::ipc::message::{Error, ErrorKind};

/// Does what a vault wants done first; `Err` where that is not possible here.
pub(in crate::cli) fn settle(client: &mut Client, error: Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::NoKeySlot => make(client, &error),
        ErrorKind::VaultLocked | ErrorKind::WrongPassphrase if output::person_present() => {
            output::tell("The vault is locked.");
            lock::open(client, &PassphraseArgs::default())
        }
        _ => Err(error.into()),
    }
}

/// Asks, and makes the slot.
fn make(client: &mut Client, error: &Error) -> Result<(), Failure> {
    if !output::person_present() {
        return Err(error.clone().into());
    }
    let kinds = choices(&error.data.slots);
    output::tell("There is no keyring here to keep the vault's key. Where should it rest?\n");
    for (at, kind) in kinds.iter().enumerate() {
        let name = Style::stderr().paint(Tone::Strong, &format!("{:<11}", vault::kind_name(*kind)));
        output::tell(&format!("  {}  {name} {}", at + 1, worth(*kind)));
    }
    let Some(kind) = choose(&kinds)? else { return Err(error.clone().into()) };
    let passphrase =
        if kind == SlotKind::Passphrase { Some(passphrase::new(&PassphraseArgs::default())?) } else { None };
    client.clear_deadline();
    connect::call(client, &AddSlot { kind, passphrase, accept_weaker: true }).map(drop)
}

/// The kinds offered: what the agent says would work, a passphrase first.
fn choices(offered: &[SlotKind]) -> Vec<SlotKind> {
    let known = [SlotKind::Passphrase, SlotKind::Keyring, SlotKind::Machine, SlotKind::Memory];
    let usual = [SlotKind::Passphrase, SlotKind::Machine, SlotKind::Memory];
    let offered = if offered.is_empty() { &usual[..] } else { offered };
    known.into_iter().filter(|kind| offered.contains(kind)).collect()
}

fn choose(kinds: &[SlotKind]) -> Result<Option<SlotKind>, Failure> {
    for _ in 0..3 {
        let answer = vault::answer(&format!("\nNumber or name [1-{}]: ", kinds.len()))?;
        if answer.is_empty() {
            return Ok(None);
        }
        if let Some(kind) = chosen(kinds, &answer) {
            return Ok(Some(kind));
        }
        output::tell("That is none of them; Enter alone leaves.");
    }
    Ok(None)
}

fn chosen(kinds: &[SlotKind], answer: &str) -> Option<SlotKind> {
    let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match number {
        Some(at) => kinds.get(at).copied(),
        None => kinds.iter().copied().find(|kind| vault::kind_name(*kind) == answer),
    }
}

fn worth(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Passphrase => "asked for once after each start of the agent; safe if the disk is stolen",
        SlotKind::Keyring => "opens with your session",
        SlotKind::Machine => "never asks; weaker: whoever can read your files here can open it",
        SlotKind::Memory => "nothing on disk; logins end with the agent",
        SlotKind::Unknown => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_comes_first_and_unknown_kinds_are_not_offered() {
        let offered = [SlotKind::Memory, SlotKind::Machine, SlotKind::Unknown, SlotKind::Passphrase];
        assert_eq!(choices(&offered), [SlotKind::Passphrase, SlotKind::Machine, SlotKind::Memory]);
        assert_eq!(choices(&[]).len(), 3);
    }

    #[test]
    fn a_kind_is_chosen_by_number_or_name() {
        let kinds = choices(&[]);
        assert_eq!(chosen(&kinds, "2"), Some(SlotKind::Machine));
        assert_eq!(chosen(&kinds, "memory"), Some(SlotKind::Memory));
        for odd in ["0", "4", "tpm", "-1"] {
            assert_eq!(chosen(&kinds, odd), None, "{odd}");
        }
    }
}

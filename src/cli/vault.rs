//! `vault`: where logins rest, and the key slots that open it.

use std::io;
use std::time::Duration;

use super::args::{SlotCommand, SlotKindArg, VaultCommand};
use super::connect::{self, Connect};
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use super::{passphrase, when};
use crate::ipc::message::vault::{
    AddSlot, Adopt, AutoLock, RemoveSlot, Reset, SlotKind, SlotReport, VaultReport, VaultState, VaultStatus,
};

pub(super) fn run(connect: &Connect, command: &VaultCommand) -> Result<(), Failure> {
    let open = || connect.open();
    match command {
        VaultCommand::Status { json } => {
            let report = connect.ask(&VaultStatus {})?;
            if *json { output::json(&report) } else { output::data(&shown(&report)) }
        }
        VaultCommand::Adopt => {
            connect.ask(&Adopt {})?;
            output::tell("This machine has taken over the vault. Don't use its copy elsewhere any more.");
            Ok(())
        }
        VaultCommand::Reset { yes } => {
            let mut client = open()?;
            if !yes {
                confirm("Set the vault aside? Every account has to log in again. [y/N] ")?;
            }
            let answer = connect::call(&mut client, &Reset {})?;
            output::tell(&format!("The vault is set aside in {}; the next login makes a new one.", answer.moved_to));
            Ok(())
        }
        VaultCommand::Slot(command) => slot(connect, command),
    }
}

fn slot(connect: &Connect, command: &SlotCommand) -> Result<(), Failure> {
    match command {
        SlotCommand::List { json } => {
            let report = connect.ask(&VaultStatus {})?;
            if *json {
                return output::json(&report.slots);
            }
            if report.slots.is_empty() {
                output::tell(
                    "The vault has no key slot yet. `cred-helper vault slot add passphrase` (or keyring, machine, memory) makes one.",
                );
                return Ok(());
            }
            output::data(&slots(&report.slots))
        }
        SlotCommand::Add { kind, accept_weaker, passphrase } => {
            if passphrase.passphrase_fd.is_some() && *kind != SlotKindArg::Passphrase {
                return Err(Failure::Usage("--passphrase-fd goes with `vault slot add passphrase`".to_owned()));
            }
            let mut client = connect.open()?;
            let kind = SlotKind::from(*kind);
            let passphrase = if kind == SlotKind::Passphrase { Some(passphrase::new(passphrase)?) } else { None };
            client.clear_deadline();
            let added = connect::call(&mut client, &AddSlot { kind, passphrase, accept_weaker: *accept_weaker })?;
            output::tell(&format!("Added key slot {} ({}).", added.id, kind_name(added.kind)));
            Ok(())
        }
        SlotCommand::Remove { id } => {
            let mut client = connect.open()?;
            client.clear_deadline();
            connect::call(&mut client, &RemoveSlot { id: id.clone() })?;
            output::tell(&format!("Removed key slot {id}; every login is sealed under a new key."));
            Ok(())
        }
    }
}

fn confirm(question: &str) -> Result<(), Failure> {
    if !output::person_present() {
        return Err(Failure::Usage("there is no terminal to ask at: add --yes".to_owned()));
    }
    if yes(question)? { Ok(()) } else { Err(Failure::Quiet(1)) }
}

/// Asks at the terminal; anything but yes is no.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    Ok(matches!(answer(question)?.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for one line at the terminal.
pub(super) fn answer(question: &str) -> Result<String, Failure> {
    output::ask(question);
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::System(format!("the answer cannot be read from the terminal: {error}")))?;
    Ok(line.trim().to_owned())
}

fn shown(report: &VaultReport) -> String {
    let style = Style::stdout();
    let mut facts = vec![
        ("directory", Some(report.directory.as_str().into())),
        ("state", Some(state(report.state))),
        ("", report.message.as_deref().map(Cell::from)),
        ("id", report.id.as_deref().map(Cell::from)),
        ("key epoch", Some(report.epoch.to_string().into())),
        ("logins", Some(report.records.to_string().into())),
        ("as strong as", report.as_strong_as.map(|kind| kind_name(kind).into())),
        ("locks itself", report.auto_lock.map(|auto| locks_itself(auto).into())),
    ];
    if !report.damaged.is_empty() {
        let text = format!("{} (kept)", report.damaged.join(", "));
        facts.push(("cannot be opened", Some(Cell::new(text, Tone::Bad))));
    }
    let mut out = table::facts(style, facts);
    for line in &report.trouble {
        out.push_str(&format!("\n{} {line}\n", style.paint(Tone::Bad, "!")));
    }
    if !report.slots.is_empty() {
        out.push('\n');
        out.push_str(&slots(&report.slots));
    }
    out
}

fn locks_itself(auto: AutoLock) -> String {
    let idle = auto.after_idle.map(|idle| format!("after {} without use", when::span(Duration::from_secs(idle))));
    let suspend = auto.on_suspend.then(|| "before the machine sleeps".to_owned());
    let screen = auto.on_screen_lock.then(|| "with the screen".to_owned());
    let when: Vec<String> = [idle, suspend, screen].into_iter().flatten().collect();
    when.join(", ")
}

fn slots(slots: &[SlotReport]) -> String {
    let rows: Vec<Vec<Cell>> = slots
        .iter()
        .map(|slot| {
            let kind = if slot.in_use {
                format!("{} (in use)", kind_name(slot.kind))
            } else {
                kind_name(slot.kind).to_owned()
            };
            let made = when::local(slot.created_at);
            vec![slot.id.as_str().into(), kind.into(), made.into(), slot.description.as_str().into()]
        })
        .collect();
    table::table(Style::stdout(), &["SLOT", "KIND", "MADE", "WORTH"], &rows)
}

/// A vault's state in a few words.
pub(super) fn state(state: VaultState) -> Cell {
    let (text, tone) = match state {
        VaultState::Absent => ("none yet; the first login makes it", Tone::Plain),
        VaultState::Unlocked => ("unlocked", Tone::Good),
        VaultState::Locked => ("locked", Tone::Warning),
        VaultState::KeyMissing => ("its key is missing", Tone::Bad),
        VaultState::KeyringUnavailable => ("its keyring cannot be reached", Tone::Bad),
        VaultState::Copied => ("copied from another machine", Tone::Bad),
        VaultState::Restored => ("restored from a backup", Tone::Bad),
        VaultState::Unknown => ("in a state that this version doesn't know", Tone::Warning),
    };
    Cell::new(text, tone)
}

/// A kind of slot, as it is typed.
pub(super) fn kind_name(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Memory => "memory",
        SlotKind::Keyring => "keyring",
        SlotKind::Passphrase => "passphrase",
        SlotKind::Machine => "machine",
        SlotKind::Unknown => "of a kind that this version doesn't know",
    }
}

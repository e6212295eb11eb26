//! The keyring slot against a real gnome-keyring on a private D-Bus session.
use std::sync::Arc;
use std::time::Duration;

use crate::keyring::Session;
use crate::prompter::Prompter;
use cred_helper::clock::SystemClock;
use cred_helper::ipc::message::vault::{SlotKind, VaultState};
use cred_helper::ipc::message::{Error, ErrorKind};
use cred_helper::vault::{Cost, KeyringChoice, MachineId, OpenOptions, Vault, VaultError};

fn options(session: &Session, address: &str) -> OpenOptions {
    OpenOptions {
        vault_dir: session.directory("vault"),
        state_dir: session.directory("state"),
        socket: "/run/agent.sock".into(),
        version: "0".into(),
        keyring: KeyringChoice::Bus(address.to_owned()),
        machine: MachineId::Given(Some("machine one".into())),
        passphrase_cost: Cost { memory: 8, passes: 1, lanes: 1 },
        keyring_patience: Duration::from_secs(20),
        clock: Arc::new(SystemClock),
        faults: None,
    }
}

fn open(session: &Session) -> Vault {
    Vault::open(options(session, &session.address)).expect("a vault")
}

/// A vault whose key is in the keyring; closed again.
fn make(session: &Session) {
    let vault = open(session);
    vault.ensure_ready(false).expect("the keyring takes the key without a question");
    assert_eq!(vault.state(), VaultState::Unlocked);
    assert_eq!(vault.report().slots[0].kind, SlotKind::Keyring);
}

fn kind(result: Result<(), VaultError>) -> ErrorKind {
    Error::from(result.expect_err("refused")).kind()
}

#[test]
fn a_vault_opens_again_by_itself_after_a_restart_of_the_agent_and_of_the_keyring() {
    let Some(mut session) = Session::with_keyring() else { return };
    make(&session);
    let vault = open(&session);
    assert_eq!(vault.state(), VaultState::Locked);
    vault.unlock_at_start().expect("opens");
    drop(vault);
    session.stop_keyring();
    session.start_keyring(true);
    let vault = open(&session);
    vault.unlock_at_start().expect("opens");
    assert!(vault.report().slots[0].in_use);
}

#[test]
fn a_locked_keyring_is_told_and_nobody_is_asked_at_a_start() {
    let Some(session) = Session::with_keyring() else { return };
    make(&session);
    session.lock_keyring();
    let vault = open(&session);
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    assert_eq!(vault.state(), VaultState::Locked);
    assert!(vault.report().message.expect("a message").contains("keyring"));
}

#[test]
fn a_keyring_that_is_locked_before_there_is_a_vault_is_no_place_for_its_key() {
    let Some(session) = Session::with_keyring() else { return };
    session.lock_keyring();
    let vault = open(&session);
    let error = Error::from(vault.ensure_ready(false).expect_err("refused"));
    assert_eq!((error.kind(), error.data.slots.first()), (ErrorKind::NoKeySlot, Some(&SlotKind::Keyring)));
    assert_eq!(vault.state(), VaultState::Absent);
}

#[test]
fn a_dismissed_prompt_is_a_refusal_and_is_shown_once() {
    let Some(session) = Session::with_keyring() else { return };
    make(&session);
    session.lock_keyring();
    let prompter = Prompter::start(&session.address);
    let vault = open(&session);
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    assert_eq!(prompter.asked(), 0, "nobody asked for this");
    assert_eq!(kind(vault.unlock(None, true)), ErrorKind::KeyringRefused);
    assert_eq!(prompter.asked(), 1);
    assert_eq!(vault.state(), VaultState::Locked);
    assert!(vault.report().message.expect("a message").contains("dismissed"));
}

#[test]
fn a_prompt_that_is_not_answered_is_a_refusal() {
    let Some(session) = Session::with_keyring() else { return };
    make(&session);
    session.lock_keyring();
    let vault = open(&session);
    // No prompter is on this bus: the keyring takes that for a dismissal.
    assert_eq!(kind(vault.unlock(None, true)), ErrorKind::KeyringRefused);
    assert_eq!(vault.state(), VaultState::Locked);
}

#[test]
fn a_reset_keyring_is_a_missing_key_and_mints_no_other() {
    let Some(mut session) = Session::with_keyring() else { return };
    make(&session);
    session.reset_keyring();
    let vault = open(&session);
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::KeyMissing);
    assert_eq!(vault.state(), VaultState::KeyMissing);
    assert_eq!(kind(vault.ensure_ready(false)), ErrorKind::KeyMissing);
    assert_eq!(vault.report().slots.len(), 1);
}

#[test]
fn no_service_and_no_bus_are_unavailable_and_lose_nothing() {
    let Some(mut session) = Session::with_keyring() else { return };
    make(&session);
    session.stop_keyring();
    let nowhere = format!("unix:path={}", session.directory("nowhere").display());
    for address in [session.address.clone(), nowhere.clone()] {
        let vault = Vault::open(options(&session, &address)).expect("a vault");
        assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
        assert_eq!(vault.state(), VaultState::KeyringUnavailable);
    }
    session.start_keyring(true);
    open(&session).unlock_at_start().expect("opens");

    let fresh = OpenOptions { vault_dir: session.directory("fresh"), ..options(&session, &nowhere) };
    let vault = Vault::open(fresh).expect("a vault");
    let error = Error::from(vault.ensure_ready(true).expect_err("no keyring"));
    assert_eq!((error.kind(), error.data.slots.first()), (ErrorKind::NoKeySlot, Some(&SlotKind::Passphrase)));
}

#[test]
fn a_bus_that_hangs_holds_nobody() {
    let Some(session) = Session::with_keyring() else { return };
    make(&session);
    let socket = session.directory("hanging");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    let address = format!("unix:path={}", socket.display());
    let patience = Duration::from_millis(200);
    let options = OpenOptions { keyring_patience: patience, ..options(&session, &address) };
    let vault = Vault::open(options).expect("a vault");
    assert_eq!(kind(vault.unlock_at_start()), ErrorKind::VaultLocked);
    assert_eq!(vault.state(), VaultState::KeyringUnavailable);
}

#[test]
fn a_removed_slot_leaves_nothing_in_the_keyring() {
    let Some(session) = Session::with_keyring() else { return };
    make(&session);
    let vault = open(&session);
    vault.unlock_at_start().expect("opens");
    let keyring = vault.report().slots[0].id.clone();
    vault.add_slot(SlotKind::Machine, None, true).expect("a slot");
    assert_eq!(items(&session), 1);
    vault.remove_slot(&keyring).expect("removed");
    assert_eq!(items(&session), 0);
}

fn items(session: &Session) -> usize {
    let path = "/org/freedesktop/secrets/aliases/default";
    let arguments = ("org.freedesktop.Secret.Collection", "Items");
    let interface = Some("org.freedesktop.DBus.Properties");
    let reply = session.connect().call_method(Some("org.freedesktop.secrets"), path, interface, "Get", &arguments);
    let value: zbus::zvariant::OwnedValue = reply.expect("an answer").body().deserialize().expect("a variant");
    Vec::<zbus::zvariant::OwnedObjectPath>::try_from(value).expect("paths").len()
}

#[test]
fn it_works_from_a_runtimes_blocking_thread() {
    let Some(session) = Session::with_keyring() else { return };
    let vault = open(&session);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ready = runtime.block_on(async { tokio::task::spawn_blocking(move || vault.ensure_ready(false)).await });
    ready.expect("no panic").expect("ready");
}

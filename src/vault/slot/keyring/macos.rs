//! The macOS Keychain: one generic password per slot in the login keychain, marked with the vault's random id.
//!
//! Not tried on a real Mac yet. The calls block, and one of them may wait for a person or for a service that hangs; so they
//! run on a thread of their own and get a time limit. Without a person there the Keychain may not ask anything: what would
//! make it ask (it is locked, or the program was replaced by one that it doesn't know) counts as locked.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use security_framework::base::Error;
use security_framework::os::macos::keychain::SecKeychain;
use security_framework::passwords::{self, PasswordOptions};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::{Place, SlotError};
use super::KeyringChoice;
use crate::residue;
use crate::vault::seal::Key;

pub(super) const DESCRIPTION: &str = "the macOS Keychain: open while you are signed in";

/// How long a person has to answer a prompt.
const PROMPT: Duration = Duration::from_secs(120);
const SERVICE: &str = "cred-helper";
const LABEL: &str = "cred-helper: key of the vault";
/// Whether the Keychain may ask is one setting for the whole process.
static TURN: Mutex<()> = Mutex::new(());

pub(super) fn keep(place: &Place<'_>, key: &Key, present: bool) -> Result<Value, SlotError> {
    let (name, secret) = (name(place), Zeroizing::new(key.expose().to_vec()));
    let found = run(place, present, move || {
        let mut options = PasswordOptions::new_generic_password(SERVICE, &name);
        options.set_label(LABEL);
        passwords::set_generic_password_options(&secret, options)?;
        // What can't be read back is not kept: now is the time to know, before a login.
        read(&name)
    })?;
    match Key::from_slice(&found) {
        Ok(found) if found.matches(key) => Ok(Value::Null),
        _ => Err(SlotError::Unavailable("it gives back another key than it was given".into())),
    }
}

pub(super) fn fetch(place: &Place<'_>, _params: &Value, present: bool) -> Result<Key, SlotError> {
    let name = name(place);
    let found = run(place, present, move || read(&name))?;
    Key::from_slice(&found).map_err(|_| SlotError::Wrong)
}

pub(super) fn forget(place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
    let name = name(place);
    match run(place, false, move || passwords::delete_generic_password(SERVICE, &name)) {
        Err(SlotError::Missing(_)) => Ok(()),
        other => other,
    }
}

/// The item's account: what tells it from other vaults' and slots'.
fn name(place: &Place<'_>) -> String {
    format!("vault {} slot {}", place.vault, place.slot)
}

fn read(name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    passwords::generic_password(PasswordOptions::new_generic_password(SERVICE, name)).map(Zeroizing::new)
}

/// Works in the time there is; whatever hangs in the system is left behind.
fn run<T: Send + 'static>(
    place: &Place<'_>,
    present: bool,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, SlotError> {
    if let KeyringChoice::Bus(_) = place.keyring {
        return Err(SlotError::Unavailable("there is no D-Bus on macOS".into()));
    }
    let limit = if present { PROMPT } else { place.patience };
    let (sender, done) = mpsc::channel();
    let on_thread = move || {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = if present { Ok(None) } else { SecKeychain::disable_user_interaction().map(Some) };
        // Allowed again once the work is done.
        let result = silent.and_then(|_silent| work());
        // The system keeps the stacks of threads that have ended.
        residue::clear();
        let _ = sender.send(result);
    };
    let thread = thread::Builder::new().name("keychain".into()).spawn(on_thread);
    thread.map_err(|error| SlotError::Unavailable(format!("no thread could be started: {error}")))?;
    match done.recv_timeout(limit) {
        Ok(result) => result.map_err(|error| classify(error.code())),
        Err(RecvTimeoutError::Timeout) => {
            Err(SlotError::Unavailable(format!("it did not answer within {} s", limit.as_secs())))
        }
        Err(RecvTimeoutError::Disconnected) => Err(SlotError::Unavailable("its library failed".into())),
    }
}

/// By the code's name in SecBase.h; the system's text for it is in any language, and is not repeated.
fn classify(code: i32) -> SlotError {
    match code {
        // errSecItemNotFound
        -25300 => SlotError::Missing("the Keychain does not know the key".into()),
        // errSecInteractionNotAllowed, errSecInteractionRequired
        -25308 | -25315 => SlotError::Locked,
        // errSecUserCanceled
        -128 => SlotError::Refused("its prompt was dismissed".into()),
        // errSecAuthFailed
        -25293 => SlotError::Refused("it denied access".into()),
        // errSecNotAvailable, errSecNoSuchKeychain, errSecNoDefaultKeychain
        -25291 | -25294 | -25307 => SlotError::Unavailable("this session has no keychain".into()),
        code => SlotError::Unavailable(format!("it answered error {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_codes() {
        let cases = [
            (-25300, "Missing"),
            (-25308, "Locked"),
            (-128, "Refused"),
            (-25293, "Refused"),
            (-25307, "Unavailable"),
            (-1, "Unavailable(\"it answered error -1\")"),
        ];
        for (code, shown) in cases {
            assert!(format!("{:?}", classify(code)).starts_with(shown), "{code}");
        }
    }
}

//! Opening and closing: which slots are tried for whom, and which of their failures a person is told.

use std::sync::Arc;
use std::time::Duration;

use super::error::VaultError;
use super::header::{Header, Keys, SlotEntry};
use super::prepared::ROOM;
use super::slot::{self, Person, SlotError};
use super::state::Elsewhere;
use super::{Inner, Trouble, Vault, hold};
use crate::ipc::message::vault::{SlotKind, VaultState};
use crate::secret::Secret;

/// After `lock`, restarts included.
pub(super) const STICKY: VaultError = VaultError::Locked(" and stays so over restarts");

/// Wrong passphrases cost 1, 2, 4, ... seconds, at most this many.
const LONGEST_WAIT: u64 = 60;

impl Vault {
    /// Opens it, with the passphrase or else with the slots that need none; undoes a sticky lock.
    ///
    /// A keyring prompts only if `interactive`: a person is there and asked for this.
    pub fn unlock(&self, passphrase: Option<&Secret>, interactive: bool) -> Result<(), VaultError> {
        let _admin = hold(&self.shared.admin);
        self.open_with(Person { passphrase, present: interactive })
    }

    /// Opens it with the slots that need no person, unless it was locked by one. Asks nobody.
    pub fn unlock_at_start(&self) -> Result<(), VaultError> {
        let _admin = hold(&self.shared.admin);
        let elsewhere = self.inner().elsewhere;
        match self.state() {
            VaultState::Absent | VaultState::Unlocked => return Ok(()),
            _ if self.is_sticky() => return Err(STICKY),
            _ => {}
        }
        // That it came from elsewhere says more than that its key did not come along.
        self.open_with(Person::default()).map_err(|error| elsewhere.map_or(error, Elsewhere::error))
    }

    /// Forgets the key, and holds that over restarts until [`Vault::unlock`]. What is in hand for requests under way
    /// stays good, see [`super::Prepared`].
    pub fn lock(&self) -> Result<(), VaultError> {
        {
            let mut inner = self.inner();
            if inner.memory.is_some() {
                return Err(VaultError::Invalid(
                    "this vault lives in memory and nothing could open it again: log out, or stop the agent".into(),
                ));
            }
            inner.header.as_mut().ok_or_else(no_vault)?.sticky = true;
            inner.keys = None;
            inner.opened_by = None;
            inner.locks += 1;
        }
        // Locked it is; what may fail is to hold that over restarts.
        self.change_header(|header| {
            header.sticky = true;
            Ok(())
        })
    }

    /// Before a login: there is a vault and it is open, or the reason why not. Makes one with a keyring slot if there
    /// is none and a keyring works; and the disk has room. One that came from elsewhere is opened, no more.
    pub fn ensure_ready(&self, interactive: bool) -> Result<(), VaultError> {
        let _admin = hold(&self.shared.admin);
        let person = Person { passphrase: None, present: interactive };
        match self.state() {
            VaultState::Unlocked => {}
            VaultState::Absent => drop(self.make_vault(SlotKind::Keyring, person)?),
            _ if self.is_sticky() => return Err(STICKY),
            _ => self.open_with(person)?,
        }
        self.probe()
    }

    /// Whether the disk would take a login now.
    fn probe(&self) -> Result<(), VaultError> {
        if self.inner().memory.is_some() {
            return Ok(());
        }
        self.shared.disk.probe(&self.records_directory(), ROOM)
    }

    fn is_sticky(&self) -> bool {
        self.inner().header.as_ref().is_some_and(|header| header.sticky)
    }

    fn open_with(&self, person: Person<'_>) -> Result<(), VaultError> {
        let (header, locks) = {
            let inner = self.inner();
            match &inner.header {
                _ if inner.keys.is_some() => return Ok(()),
                None if inner.trouble.is_none() => return Err(no_vault()),
                None => return inner.readable().map(|_| ()),
                Some(header) => (header.clone(), inner.locks),
            }
        };
        // Slots may take long (a prompt, a KDF): nothing but the other changes of state waits for them.
        let opened = match person.passphrase {
            Some(_) => self.try_passphrase(&header, person),
            None => self.try_others(&header, person),
        };
        match opened {
            Ok((slot, keys)) => self.opened_now(&header, slot, keys, locks)?,
            // A mistyped passphrase says nothing about the vault.
            Err(error) if person.passphrase.is_some() => return Err(error),
            Err(error) => {
                self.inner().trouble = Some(Trouble::from(&error));
                return Err(error);
            }
        }
        self.finish_opening();
        Ok(())
    }

    fn opened_now(&self, header: &Header, slot: String, keys: Keys, locks: u64) -> Result<(), VaultError> {
        let unlocked = |inner: &Inner| if inner.locks == locks { Ok(()) } else { Err(STICKY) };
        let restored = self.open_ledger(&keys, &header.body.id);
        if header.sticky {
            let written = self.change_header(|header| {
                header.sticky = false;
                unlocked(&self.inner())
            });
            let mut inner = self.inner();
            unlocked(&inner)?;
            // A disk that refuses to note it holds nobody up; the next start is locked again.
            if let (Err(_), Some(header)) = (written, &mut inner.header) {
                header.sticky = false;
            }
        }
        let mut inner = self.inner();
        unlocked(&inner)?;
        inner.keys = Some(Arc::new(keys));
        inner.opened_by = Some(slot);
        inner.trouble = None;
        if restored && inner.elsewhere.is_none() {
            inner.elsewhere = Some(Elsewhere::Restored);
        }
        Ok(())
    }

    /// What an earlier agent left half done in a vault of our own goes on. If it can't, nothing is lost.
    pub(super) fn finish_opening(&self) {
        let first = {
            let mut inner = self.inner();
            if inner.opened().is_err() {
                return;
            }
            !std::mem::replace(&mut inner.arrivals_finished, true)
        };
        if first {
            let _ = self.finish_arrivals();
        }
        // An interrupted change of epoch: if it can't go on, both keys stay.
        let _ = self.finish_epoch();
    }

    fn try_passphrase(&self, header: &Header, person: Person<'_>) -> Result<(String, Keys), VaultError> {
        let clock = &self.shared.options.clock;
        let wait = self.inner().next_try.saturating_sub(clock.boot());
        if !wait.is_zero() {
            return Err(VaultError::TooSoon { wait });
        }
        let slots = || header.body.slots.iter().filter(|slot| slot.kind == SlotKind::Passphrase);
        if slots().next().is_none() {
            return Err(VaultError::Invalid(
                "this vault has no passphrase slot: run `cred-helper unlock` alone".into(),
            ));
        }
        for entry in slots() {
            match self.try_slot(header, entry, person) {
                Ok(keys) => {
                    self.inner().wrong_passphrases = 0;
                    return Ok((entry.id.clone(), keys));
                }
                Err(SlotError::Wrong) => {}
                Err(error) => return Err(error.making(SlotKind::Passphrase)),
            }
        }
        let mut inner = self.inner();
        let wait = Duration::from_secs(LONGEST_WAIT.min(1 << inner.wrong_passphrases.min(10)));
        inner.wrong_passphrases += 1;
        inner.next_try = clock.boot() + wait;
        Err(VaultError::WrongPassphrase { wait })
    }

    fn try_others(&self, header: &Header, person: Person<'_>) -> Result<(String, Keys), VaultError> {
        let mut failures = Vec::new();
        for entry in &header.body.slots {
            if !slot::of_kind(entry.kind).is_some_and(|slot| slot.opens_alone()) {
                continue;
            }
            match self.try_slot(header, entry, person) {
                Ok(keys) => return Ok((entry.id.clone(), keys)),
                Err(error) => failures.push(error),
            }
        }
        let by_passphrase = header.body.slots.iter().any(|slot| slot.kind == SlotKind::Passphrase);
        Err(verdict(failures, by_passphrase))
    }

    fn try_slot(&self, header: &Header, entry: &SlotEntry, person: Person<'_>) -> Result<Keys, SlotError> {
        let slot = slot::of_kind(entry.kind).ok_or(SlotError::Unavailable("of a newer version".into()))?;
        let place = self.place(&header.body.id, &entry.id);
        let slot_key = slot.open(&place, &entry.params, person)?;
        let key = entry.unwrap(&header.body.id, header.body.epoch, &slot_key).map_err(|_| SlotError::Wrong)?;
        header.open(key).map_err(|_| {
            let advice = ": its slots are not those that the vault's key sealed";
            SlotError::Failed(VaultError::Damaged { path: self.header_file(), advice })
        })
    }
}

fn no_vault() -> VaultError {
    VaultError::Invalid("there is no vault yet: the first login makes it".into())
}

/// The failure that says best what to do: what a person can answer first, what is lost last.
fn verdict(failures: Vec<SlotError>, by_passphrase: bool) -> VaultError {
    let rank = |error: &SlotError| match error {
        SlotError::Refused(_) => 0,
        SlotError::Locked => 1,
        SlotError::Failed(_) => 2,
        SlotError::Unavailable(_) => 3,
        SlotError::Missing(_) | SlotError::NeedsPassphrase | SlotError::Wrong => 4,
    };
    match failures.into_iter().min_by_key(rank) {
        None => VaultError::Locked(" and opens with its passphrase"),
        Some(SlotError::Refused(why)) => VaultError::KeyringRefused(why),
        Some(SlotError::Locked) => VaultError::Locked(", and so is the keyring with its key"),
        Some(SlotError::Failed(error)) => error,
        Some(SlotError::Unavailable(_)) if by_passphrase => {
            VaultError::Locked("; its keyring can't be reached, its passphrase opens it")
        }
        Some(SlotError::Unavailable(why)) => VaultError::KeyringUnavailable(why),
        Some(_) if by_passphrase => VaultError::Locked("; the key in its other slots is gone, its passphrase opens it"),
        Some(SlotError::Missing(why)) => VaultError::KeyMissing(why),
        Some(_) => VaultError::KeyMissing("what its slots hold does not open it".into()),
    }
}

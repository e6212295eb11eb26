//! What every slot promises, kept by each of them; the keyring's on a private D-Bus session.

use super::*;

#[cfg(target_os = "linux")]
#[path = "../../../tests/keyring/mod.rs"]
#[expect(dead_code, reason = "the tests of the whole vault use the rest")]
mod session;

/// Where slots are made in these tests.
struct Home {
    directory: tempfile::TempDir,
    disk: Disk,
    keyring: KeyringChoice,
    machine: MachineId,
}

impl Home {
    fn new(keyring: KeyringChoice) -> Self {
        let machine = MachineId::Given(Some("machine one".into()));
        Self { directory: tempfile::tempdir().expect("a directory"), disk: Disk::default(), keyring, machine }
    }

    fn place(&self, slot: &'static str) -> Place<'_> {
        Place {
            vault: "0123",
            slot,
            state_dir: self.directory.path(),
            disk: &self.disk,
            machine: &self.machine,
            keyring: &self.keyring,
            cost: Cost { memory: 8, passes: 1, lanes: 1 },
            patience: Duration::from_secs(20),
        }
    }
}

/// Runs `check` for every slot that works here.
fn for_every_slot(check: impl Fn(&'static dyn Slot, &Home, Person<'_>)) {
    #[cfg(target_os = "linux")]
    let session = session::Session::with_keyring();
    #[cfg(target_os = "linux")]
    let keyring = session.as_ref().map(|session| KeyringChoice::Bus(session.address.clone()));
    #[cfg(windows)]
    let keyring = Some(KeyringChoice::Session);
    #[cfg(not(any(windows, target_os = "linux")))]
    let keyring = None;
    let passphrase = Secret::from("correct horse".to_owned());
    for slot in SLOTS.iter().copied().filter(|slot| slot.kind() != SlotKind::Keyring || keyring.is_some()) {
        let home = Home::new(keyring.clone().unwrap_or(KeyringChoice::Disabled));
        // Nobody is there: whatever prompts would fail.
        check(slot, &home, Person { passphrase: Some(&passphrase), present: false });
    }
}

#[test]
fn a_slot_gives_its_key_back_and_each_has_its_own() {
    for_every_slot(|slot, home, person| {
        let kind = slot.kind();
        let one = slot.make(&home.place("one"), person).expect("made");
        let two = slot.make(&home.place("two"), person).expect("made");
        assert!(!one.key.matches(&two.key), "{kind:?}");
        let opened = slot.open(&home.place("one"), &one.params, person);
        match kind {
            // It lives in the vault's own memory.
            SlotKind::Memory => assert!(matches!(opened, Err(SlotError::Missing(_)))),
            _ => assert!(opened.expect("opens").matches(&one.key), "{kind:?}"),
        }
        if slot.opens_alone() && kind != SlotKind::Memory {
            let alone = slot.open(&home.place("two"), &two.params, Person::default()).expect("opens alone");
            assert!(alone.matches(&two.key), "{kind:?}");
        }
    });
}

#[test]
fn a_slot_keeps_no_key_in_the_header() {
    for_every_slot(|slot, home, person| {
        let made = slot.make(&home.place("one"), person).expect("made");
        let params = made.params.to_string();
        let shown = [
            crate::vault::seal::hex(&*made.key.expose()),
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, *made.key.expose()),
        ];
        assert!(shown.iter().all(|key| !params.contains(key)), "{:?}", slot.kind());
        assert!(!params.contains("correct horse"));
    });
}

#[test]
fn a_slot_that_was_given_up_is_gone_and_only_that_one() {
    for_every_slot(|slot, home, person| {
        let one = slot.make(&home.place("one"), person).expect("made");
        let two = slot.make(&home.place("two"), person).expect("made");
        slot.forget(&home.place("one"), &one.params).expect("given up");
        slot.forget(&home.place("one"), &one.params).expect("once more does no harm");
        if matches!(slot.kind(), SlotKind::Machine | SlotKind::Keyring) && cfg!(target_os = "linux") {
            let gone = slot.open(&home.place("one"), &one.params, person);
            assert!(matches!(gone, Err(SlotError::Missing(_))), "{:?}: {gone:?}", slot.kind());
            slot.open(&home.place("two"), &two.params, person).expect("the other one stays");
        }
    });
}

#[test]
fn params_of_another_make_open_nothing_and_panic_nowhere() {
    let odd =
        [Value::Null, serde_json::json!({}), serde_json::json!({"salt": "!", "memory": 8, "passes": 1, "lanes": 1})];
    let greedy = serde_json::json!({"salt": "AAAAAAAAAAAAAAAAAAAAAA==", "memory": u32::MAX, "passes": 1, "lanes": 1});
    for_every_slot(|slot, home, person| {
        let made = slot.make(&home.place("one"), person).expect("made");
        for params in odd.iter().chain([&greedy]) {
            if let Ok(key) = slot.open(&home.place("other"), params, person) {
                assert!(!key.matches(&made.key), "{:?}", slot.kind());
            }
        }
    });
}

#[test]
fn every_kind_has_one_slot_and_a_line_on_what_it_is_worth() {
    let kinds: Vec<_> = SLOTS.iter().map(|slot| slot.kind()).collect();
    assert!(kinds.is_sorted() && kinds.windows(2).all(|pair| pair[0] != pair[1]), "strongest first: {kinds:?}");
    assert!(SLOTS.iter().all(|slot| !slot.description().is_empty() && !slot.description().contains('\n')));
    assert!(of_kind(SlotKind::Unknown).is_none());
}

#[test]
fn a_passphrase_slot_takes_no_empty_passphrase_and_another_gives_another_key() {
    let home = Home::new(KeyringChoice::Disabled);
    let slot = of_kind(SlotKind::Passphrase).expect("a slot");
    let empty = Secret::from(String::new());
    for passphrase in [None, Some(&empty)] {
        let refused = slot.make(&home.place("one"), Person { passphrase, present: true });
        assert!(matches!(refused, Err(SlotError::NeedsPassphrase)));
    }
    let (right, wrong) = (Secret::from("right".to_owned()), Secret::from("wrong".to_owned()));
    let made = slot.make(&home.place("one"), Person { passphrase: Some(&right), present: true }).expect("made");
    let opened = slot.open(&home.place("one"), &made.params, Person { passphrase: Some(&wrong), present: true });
    assert!(!opened.expect("a key").matches(&made.key));
}

#[test]
fn a_machine_slot_opens_on_its_machine_alone() {
    let home = Home::new(KeyringChoice::Disabled);
    let slot = of_kind(SlotKind::Machine).expect("a slot");
    let made = slot.make(&home.place("one"), Person::default()).expect("made");
    let moved = Home { machine: MachineId::Given(Some("machine two".into())), ..home };
    let opened = slot.open(&moved.place("one"), &made.params, Person::default()).expect("a key");
    assert!(!opened.matches(&made.key));
}

#[test]
fn a_keyring_that_is_switched_off_is_not_touched() {
    let home = Home::new(KeyringChoice::Disabled);
    let slot = of_kind(SlotKind::Keyring).expect("a slot");
    let refused = slot.make(&home.place("one"), Person { passphrase: None, present: true });
    assert!(matches!(refused, Err(SlotError::Unavailable(_))));
}

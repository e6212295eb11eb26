//! Tests of the vault as a whole, on a real disk; what they share.

#[cfg(target_os = "linux")]
mod damage;
mod epochs;
mod frozen;
mod kills;
mod ledgers;
mod owners;
#[cfg(unix)]
mod power;
mod records;
mod rolled_back;
mod states;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::token::{ClientAuthentication, Identity, TokenSet};
use crate::vault::record::{Record, RecordKind, Told};

/// A home of its own, with the vault's and the installation's directories.
struct Home {
    directory: tempfile::TempDir,
    faults: Arc<Faults>,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), faults: Arc::default() }
    }

    fn options(&self) -> OpenOptions {
        OpenOptions {
            vault_dir: self.directory.path().join("vault"),
            state_dir: self.directory.path().join("state"),
            socket: "/run/agent.sock".into(),
            version: "0".into(),
            keyring: KeyringChoice::Disabled,
            machine: MachineId::Given(Some("machine one".into())),
            // The least Argon2 takes: these tests are about what is around it.
            passphrase_cost: Cost { memory: 8, passes: 1, lanes: 1 },
            keyring_patience: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
            faults: Some(self.faults.clone()),
        }
    }

    fn open(&self) -> Vault {
        let vault = Vault::open(self.options()).expect("a vault");
        // On a disk that refuses it nothing else is amiss.
        let _ = vault.announce();
        vault
    }

    /// With a machine slot, open.
    fn ready(&self) -> Vault {
        let vault = self.open();
        if vault.state() == VaultState::Absent {
            vault.add_slot(SlotKind::Machine, None, false).expect("a slot");
        }
        vault.unlock_at_start().expect("opens");
        vault
    }
}

fn passphrase(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn record(refresh: &str) -> Record {
    Record {
        account: AccountName::new("demo", None).expect("a name"),
        kind: RecordKind::Login,
        incarnation: 1,
        rotation: 0,
        by_issuer: false,
        provider: None,
        parameters: Default::default(),
        issuer: None,
        token_endpoint: "https://issuer.example/token".into(),
        revocation_endpoint: None,
        client_id: "client".into(),
        client_secret: None,
        client_authentication: ClientAuthentication::None,
        asked_scope: Vec::new(),
        tokens: TokenSet {
            access: Secret::from("access".to_owned()),
            refresh: Some(Secret::from(refresh.to_owned())),
            refresh_end: None,
            id: None,
            token_type: "Bearer".into(),
            expires_at: None,
            id_expires_at: None,
            obtained_at: Timestamp(1),
            obtained_boot: None,
            scope: Vec::new(),
        },
        previous_refresh: None,
        identity: Identity::default(),
        signed_in_at: Timestamp(1),
        refreshed_at: None,
        used_at: None,
        dead: None,
        told: Told::default(),
        fallback: None,
        imported: None,
        default_since: None,
        place: None,
    }
}

/// The refresh tokens in a vault, sorted.
fn tokens(vault: &Vault) -> Vec<String> {
    let loaded = vault.load().expect("loads");
    assert_eq!(loaded.damaged, Vec::<String>::new());
    let mut tokens: Vec<_> = loaded.records.iter().map(token).collect();
    tokens.sort();
    tokens
}

fn token(stored: &Stored) -> String {
    stored.record.tokens.refresh.as_ref().expect("a refresh token").expose().to_owned()
}

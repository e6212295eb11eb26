//! The agent: the only place that remembers.
//!
//! It owns every refresh token, redeems each once for everybody who asks, and keeps what comes back. One request is
//! told in `tokens.rs`; what may wait for a network is in `refresher.rs` and `logins.rs`; what waits for time is in
//! `schedule.rs`. No lock is held while waiting.

mod accounts;
pub mod alarm;
mod apart;
mod api_keys;
mod arrival;
mod assertions;
mod audit;
mod auto_lock;
mod aws;
mod beginning;
mod consents;
pub mod detach;
mod dispatch;
mod door;
mod ends;
mod exports;
mod failures;
mod fallback;
mod gate;
mod guess;
mod handover;
pub mod harden;
mod imports;
mod key_page;
mod lifecycle;
mod logins;
mod logout;
pub mod memory;
mod nearest;
mod notices;
mod own_hosts;
mod passwords;
mod persist;
mod providers;
mod refresher;
mod reject;
mod reports;
mod reread;
mod resolve;
mod rules;
mod schedule;
pub mod sealer;
mod second_step;
mod sign_in;
mod single_flight;
mod sleep;
mod sources;
mod state;
mod status;
mod targets;
#[cfg(test)]
mod tests;
mod tokens;
mod units;
mod upkeep;
mod variables;
mod vault_door;
mod walk;
pub mod wiping_allocator;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinError;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, ConfigError};
use crate::ipc::message::event::{Change, Event};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::Connections;
use crate::oauth::http::Http;
use crate::paths::Paths;
use crate::residue;
use crate::secret::Secret;
use crate::vault::Vault;

pub use handover::Seat;
pub use lifecycle::run;
use sealer::MemorySealer;

/// How many events a slow subscriber may be behind before it misses some.
const EVENTS_KEPT: usize = 256;

/// Everything the agent remembers.
pub struct Agent {
    paths: Paths,
    config: Config,
    config_error: Option<ConfigError>,
    clock: Arc<dyn Clock>,
    http: Http,
    vault: Arc<Vault>,
    started: Duration,
    table: Mutex<accounts::Table>,
    providers: targets::Known,
    flights: single_flight::Flights,
    guesses: Mutex<guess::Guesses>,
    logins: logins::Logins,
    schedule: schedule::Schedule,
    gate: gate::Gate,
    /// When (seconds on the boot clock) somebody last used a login.
    last_use: AtomicU64,
    deaf: sleep::Deaf,
    /// Held while the vault is being opened or closed; why it did not open at the last try.
    opening: tokio::sync::Mutex<Option<Error>>,
    /// How often it was tried.
    tries: AtomicU64,
    /// Held while an account gets a name, so that no two get the same.
    naming: tokio::sync::Mutex<()>,
    /// Held while a password is kept or forgotten.
    keeping: tokio::sync::Mutex<()>,
    upkeep: upkeep::Upkeep,
    /// Protections that the system refused, for `doctor`.
    unprotected: Vec<String>,
    /// What seals the secrets in memory; in tests they may be in clear.
    sealer: Option<Arc<MemorySealer>>,
    events: broadcast::Sender<Event>,
    stop: watch::Sender<bool>,
    connections: Connections,
    audit: Arc<audit::Audit>,
    door: door::Door,
    units: units::State,
    notices: notices::Notices,
    rules: rules::Rules,
    /// `None` where it can't be succeeded.
    seat: Option<Seat>,
}

/// What an agent is made of.
pub struct Parts {
    /// Where things are.
    pub paths: Paths,
    /// The configuration, or the defaults if it is wrong.
    pub config: Config,
    /// What is wrong with it.
    pub config_error: Option<ConfigError>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to the servers.
    pub http: Http,
    /// The vault, whose owner this agent is.
    pub vault: Vault,
    /// Protections that the system refused.
    pub unprotected: Vec<String>,
    /// What seals the secrets in memory.
    pub sealer: Option<Arc<MemorySealer>>,
    /// Whether a person may be shown notifications.
    pub notifies: bool,
    /// The count of open connections.
    pub connections: Connections,
    /// What it takes to be succeeded; `None` where it can't be.
    pub seat: Option<Seat>,
}

impl Agent {
    /// An agent with no accounts in memory yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { paths, config, config_error, clock, http, vault, unprotected, sealer, notifies, connections, seat } =
            parts;
        Arc::new(Self {
            started: clock.boot(),
            audit: Arc::new(audit::Audit::new(&config.audit, &paths.state_dir)),
            rules: rules::Rules::default(),
            door: door::Door::default(),
            units: units::State::default(),
            notices: notices::Notices::new(notifies),
            paths,
            config,
            config_error,
            clock,
            http,
            vault: Arc::new(vault),
            table: Mutex::default(),
            providers: targets::Known::default(),
            flights: single_flight::Flights::default(),
            guesses: Mutex::default(),
            logins: logins::Logins::default(),
            schedule: schedule::Schedule::default(),
            gate: gate::Gate::default(),
            last_use: AtomicU64::default(),
            deaf: sleep::Deaf::default(),
            opening: tokio::sync::Mutex::default(),
            tries: AtomicU64::default(),
            naming: tokio::sync::Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
            upkeep: upkeep::Upkeep::default(),
            unprotected,
            sealer,
            events: broadcast::channel(EVENTS_KEPT).0,
            stop: watch::channel(false).0,
            connections,
            seat,
        })
    }

    /// The accounts. Never held over an `await`.
    fn table(&self) -> MutexGuard<'_, accounts::Table> {
        // A panic under this lock left a table that is whole: every change is one assignment.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the wall clock says when the boot clock says `boot`, if nobody sets it.
    fn wall_at(&self, boot: Duration) -> Timestamp {
        self.clock.now() + boot.saturating_sub(self.clock.boot())
    }

    fn announce(&self, change: Change) {
        // Nobody listening is no error.
        let _ = self.events.send(Event { at: self.clock.now(), change });
    }

    /// Runs a vault call where it may block.
    async fn with_vault<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vault) -> Result<T, crate::vault::VaultError> + Send + 'static,
    ) -> Result<T, Error> {
        let vault = Arc::clone(&self.vault);
        match blocking(move || call(&vault)).await {
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(Error::new(ErrorKind::Internal, "the agent failed while it used the vault; see its log")),
        }
    }
}

/// Runs it where it may block, on a thread that keeps nothing of what it did.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        residue::clear();
        done
    });
    working.await
}

/// Runs it to its end even if whoever asked for it hangs up meanwhile: of half a change nobody would know.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Internal, "the agent failed in the middle of this; see its log")),
    }
}

fn fingerprint(token: &Secret) -> accounts::Fingerprint {
    Sha256::digest(token.expose().as_bytes()).into()
}

/// A random number that no other login has.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without the system's random source there is no OAuth either; zero only costs spread.
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// A random number in 0..1.
#[expect(clippy::cast_precision_loss, reason = "jitter needs no precision")]
fn jitter() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

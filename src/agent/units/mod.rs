//! Tokens as credentials of systemd's units (systemd.exec(5), LoadCredential=): a socket of its own, at which systemd says
//! nothing and reads to the end. Who asks for what is in its own address, and the account in `[systemd.credentials]`.
//!
//! The user's own manager may ask, root's if the configuration says so. A unit that there is no token for does not start:
//! with an empty one it would fail later, and nobody would know why. One file per system; where there is no systemd, `other`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::sync::{Arc, Mutex, PoisonError};

#[cfg(target_os = "linux")]
pub(super) use linux::Units;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Units;

use super::Agent;
use crate::ipc::message::agent::{Check, CheckResult};

/// What became of the socket, for `doctor`: where it is, or why it isn't.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Option<Result<String, String>>>);

impl State {
    fn set(&self, state: Result<String, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    fn get(&self) -> Option<Result<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Agent {
    /// Makes the socket, if the configuration wishes for one. That it can't be made keeps nobody from the agent's own.
    /// Needs a runtime.
    pub(super) fn open_units(self: &Arc<Self>) -> Units {
        if !self.config.systemd.enabled {
            return Units::none();
        }
        match Units::open(&self.paths) {
            Ok(units) => {
                self.units.set(Ok(self.paths.units_socket().display().to_string()));
                units
            }
            Err(error) => {
                tracing::warn!("units get no credentials: {error}");
                self.units.set(Err(error));
                Units::none()
            }
        }
    }

    /// Whether it is there as wished, and the accounts that it hands out.
    pub(super) fn check_units(&self) -> Vec<Check> {
        let check = |result, message| Check { name: "systemd".to_owned(), result, message };
        let mut checks: Vec<Check> = self
            .units
            .get()
            .into_iter()
            .map(|state| match state {
                Ok(path) => check(CheckResult::Ok, path),
                Err(error) => check(CheckResult::Failed, error),
            })
            .collect();
        let table = self.table();
        for (credential, account) in &self.config.systemd.credentials {
            if table.loaded && table.find(Some(&account.to_string())).is_err() {
                let message =
                    format!("[systemd.credentials] names {account} for {credential}, and nobody is signed in as that");
                checks.push(check(CheckResult::Warning, message));
            }
        }
        checks
    }
}

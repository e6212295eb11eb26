//! What tells this machine from others: its id, one file per system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

/// Where the machine's id comes from.
#[derive(Clone, Debug, Default)]
pub enum MachineId {
    /// The system.
    #[default]
    System,
    /// Given, for tests; `None`: a machine without one.
    Given(Option<String>),
}

impl MachineId {
    /// The id, where there is one. It is not shown and not stored: other programs take it for a name.
    pub(crate) fn read(&self) -> Option<String> {
        let id = match self {
            Self::System => system::machine_id(),
            Self::Given(id) => id.clone(),
        };
        id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

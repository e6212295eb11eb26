//! Who owns a vault: the file the agent leaves beside it, and the lock that says whether it still holds.
//!
//! A client whose environment computes another socket follows this file. The lock is on a file beside it, so that
//! the owner can be read while it holds, on Windows too. What stands in the file counts only while the lock is held.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The agent that has the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The machine's name.
    pub host: String,
    /// Which boot of it; empty where the system doesn't say.
    #[serde(default)]
    pub boot: String,
    /// The agent's process id, on that host.
    pub pid: u32,
    /// Where it listens.
    pub socket: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

impl Owner {
    /// Whether it runs on this machine, so that its socket can be reached.
    pub fn is_here(&self) -> bool {
        self.host == host_name()
    }
}

/// Reads the owner's file; `None` if there is none, or not a whole one.
pub fn read_owner(file: &Path) -> Option<Owner> {
    parse(&std::fs::read(file).ok()?)
}

/// The file's text; `None` if it is not a whole one.
pub(crate) fn parse(bytes: &[u8]) -> Option<Owner> {
    serde_json::from_slice(bytes).ok()
}

/// The file whose lock makes an agent the owner.
pub fn lock_file(owner_file: &Path) -> PathBuf {
    owner_file.with_extension("lock")
}

/// Whether an agent holds the vault now. Where the file system can't say (no locks over a network), it is taken to.
pub fn is_locked(owner_file: &Path) -> bool {
    let Ok(file) = File::open(lock_file(owner_file)) else { return false };
    // Shared, so that two clients that look at once don't see each other; dropped with the file.
    !matches!(file.try_lock_shared(), Ok(()))
}

/// Waits until the agent that holds the vault holds it no more; `false` if that takes longer. Another one may hold it then.
pub fn wait_until_free(owner_file: &Path, limit: Duration) -> bool {
    Holder::of(owner_file).wait_for_end(limit)
}

/// The agent that holds a vault at this moment: whoever tells it to end looks first, because the next one may be there before
/// it is told.
pub struct Holder {
    lock: Option<File>,
    #[cfg(target_os = "linux")]
    process: Option<std::os::fd::OwnedFd>,
}

impl Holder {
    /// Now.
    pub fn of(owner_file: &Path) -> Self {
        Self {
            lock: File::open(lock_file(owner_file)).ok(),
            #[cfg(target_os = "linux")]
            process: process(owner_file),
        }
    }

    /// Waits until it holds the vault no more; `false` if that takes longer than `limit`.
    pub fn wait_for_end(self, limit: Duration) -> bool {
        let Some(lock) = self.lock else { return true };
        let (sender, free) = mpsc::channel();
        // A successor that waits for the lock too may get it first.
        #[cfg(target_os = "linux")]
        if let Some(process) = self.process {
            use rustix::event::{PollFd, PollFlags, poll};
            let gone = sender.clone();
            thread::spawn(move || {
                if poll(&mut [PollFd::new(&process, PollFlags::IN)], None) == Ok(1) {
                    let _ = gone.send(true);
                }
            });
        }
        // Waiting for a lock has no time limit of its own; the lock goes with the file.
        thread::spawn(move || sender.send(lock.lock_shared().is_ok()));
        free.recv_timeout(limit).unwrap_or(false)
    }
}

/// The owner's process. One that is not seen from here is told from its lock alone.
#[cfg(target_os = "linux")]
fn process(owner_file: &Path) -> Option<std::os::fd::OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let owner = read_owner(owner_file).filter(Owner::is_here)?;
    pidfd_open(Pid::from_raw(owner.pid.try_into().ok()?)?, PidfdFlags::empty()).ok()
}

/// This machine's name.
#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// This machine's name.
#[cfg(windows)]
pub fn host_name() -> String {
    use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
    let mut name = [0u16; 256];
    let mut length = 256u32;
    // SAFETY: the buffer is as long as `length` says; on success `length` is what was written, without the NUL.
    #[expect(unsafe_code, reason = "Win32 has no safe binding for the host name")]
    let found = unsafe { GetComputerNameExW(ComputerNameDnsHostname, name.as_mut_ptr(), &mut length) };
    if found == 0 {
        return String::new();
    }
    String::from_utf16_lossy(name.get(..length as usize).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(owner_file: &Path) -> File {
        let file = File::create(lock_file(owner_file)).expect("made");
        file.try_lock().expect("locks");
        file
    }

    #[test]
    fn the_end_of_an_owner_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let owner_file = directory.path().join("owner.json");
        assert!(wait_until_free(&owner_file, Duration::ZERO), "there never was one");
        let held = held(&owner_file);
        assert!(!wait_until_free(&owner_file, Duration::from_millis(20)));
        drop(held);
        assert!(wait_until_free(&owner_file, Duration::from_secs(20)));
    }

    #[test]
    fn the_lock_and_the_file_are_told_apart() {
        let directory = tempfile::tempdir().expect("a directory");
        let owner_file = directory.path().join("owner.json");
        assert_eq!(read_owner(&owner_file), None);
        assert!(!is_locked(&owner_file));

        let owner = Owner { host: host_name(), pid: 7, socket: "/s".into(), ..Owner::default() };
        std::fs::write(&owner_file, serde_json::to_vec(&owner).expect("json")).expect("written");
        assert!(!is_locked(&owner_file), "a file that nobody holds");
        let held = held(&owner_file);
        assert!(is_locked(&owner_file));
        assert_eq!(read_owner(&owner_file).as_ref(), Some(&owner));
        assert!(owner.is_here());
        drop(held);
        assert!(!is_locked(&owner_file));
    }
}

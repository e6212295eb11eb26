//! Keeps other processes of the same user, and the disk, out of the agent's memory: no core dump, no ptrace, no /proc/PID/mem.
//!
//! Comes after [`super::detach::prepare_process`]: a process that isn't dumpable cannot list its own descriptors.

use std::{fmt, io};

/// A protection that the system refused; for the log and the doctor.
#[derive(Debug)]
pub struct Refused {
    /// What there is none of now, in a few words.
    pub what: &'static str,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: refused ({})", self.what, self.error)
    }
}

/// Applies every protection of this system and says which were refused. The agent works without them.
pub fn harden() -> Vec<Refused> {
    system::steps().into_iter().filter_map(|(what, result)| Some(Refused { what, error: result.err()? })).collect()
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    pub(super) fn steps() -> Vec<(&'static str, io::Result<()>)> {
        let mut steps = vec![
            (
                "core dumps off",
                setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(Into::into),
            ),
            ("room for thousands of connections", raise_descriptors()),
        ];
        if cfg!(target_os = "linux") {
            steps.push(("memory closed to other processes", not_dumpable()));
        }
        steps
    }

    /// One descriptor per idle connection: as many as may be had.
    fn raise_descriptors() -> io::Result<()> {
        let limit = getrlimit(Resource::Nofile);
        Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
    }

    /// No ptrace(2) and no /proc/PID/mem for processes of the same user; /proc/PID belongs to root from here on.
    #[cfg(target_os = "linux")]
    fn not_dumpable() -> io::Result<()> {
        Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn not_dumpable() -> io::Result<()> {
        Ok(())
    }
}

#[cfg(windows)]
mod system {
    /// Nothing yet: dumps of other users' processes need a privilege there.
    pub(super) fn steps() -> Vec<(&'static str, std::io::Result<()>)> {
        Vec::new()
    }
}

//! The plan of the whole process: a file that a test writes, and that an agent built for tests reads at every point.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Action, Faults, POINTS};

/// Names the file.
const VARIABLE: &str = "CRED_HELPER_FAULTS";

/// The plan as it was last read. It is read anew every time: counting goes on while the text stays the same.
static PLAN: Mutex<Option<(String, Arc<Faults>)>> = Mutex::new(None);

/// The point is reached: what is to happen happens.
pub(super) fn reach(point: &str) -> io::Result<()> {
    debug_assert!(POINTS.contains(&point), "`{point}` is not in the table of fault points");
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    let Some(file) = file else { return Ok(()) };
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let faults = plan(text);
    let due = faults.due(point);
    if !due.is_empty() {
        write_down(file, point);
    }
    if due.iter().any(Action::is_the_end) {
        // The next process is spared.
        let _ = fs::remove_file(file);
    }
    due.into_iter().try_for_each(|action| faults.act(action))
}

fn plan(text: String) -> Arc<Faults> {
    let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*plan {
        Some((known, faults)) if *known == text => Arc::clone(faults),
        _ => {
            let faults = Arc::<Faults>::default();
            faults.plan(&text);
            *plan = Some((text, Arc::clone(&faults)));
            faults
        }
    }
}

fn write_down(plan: &Path, point: &str) {
    let happened = OpenOptions::new().create(true).append(true).open(plan.with_extension("happened"));
    // One write for each line: it is whole however the process ends.
    let _ = happened.and_then(|mut file| file.write_all(format!("{point}\n").as_bytes()));
}

/// What ends or stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
    /// SIGKILL, sent by the process to itself.
    Kill,
    /// SIGSTOP, so that a test can look.
    Stop,
    /// It ends without a word.
    Exit,
    /// The thread panics, with a text that nobody may see.
    Panic,
}

impl Action {
    fn is_the_end(&self) -> bool {
        matches!(self, Self::Strike(Strike::Kill | Strike::Exit))
    }
}

impl Strike {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "kill" => Self::Kill,
            "stop" => Self::Stop,
            "exit" => Self::Exit,
            "panic" => Self::Panic,
            _ => return None,
        })
    }

    #[cfg(unix)]
    pub(super) fn carry_out(self) {
        use rustix::process::{Signal, getpid, kill_process};
        let signal = match self {
            Self::Kill => Signal::KILL,
            Self::Stop => Signal::STOP,
            Self::Exit => exit(),
            Self::Panic => panic(),
        };
        // A process may always signal itself, and is gone or stopped when the call returns.
        let _ = kill_process(getpid(), signal);
    }

    /// Nothing stops a process there and lets it go on.
    #[cfg(windows)]
    pub(super) fn carry_out(self) {
        match self {
            Self::Kill => std::process::abort(),
            Self::Stop => {}
            Self::Exit => exit(),
            Self::Panic => panic(),
        }
    }
}

#[expect(clippy::panic, reason = "panicking is what was asked for")]
fn panic() -> ! {
    panic!("what a panic on purpose quotes")
}

#[expect(clippy::exit, reason = "ending without a word is what was asked for")]
fn exit() -> ! {
    std::process::exit(70)
}

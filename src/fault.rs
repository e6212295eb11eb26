//! Faults on purpose: a line in the code names a step that is about to be taken, and a test says what happens there.
//!
//! Tests in this process give a vault its own [`Faults`]. Tests of the real agent write a plan into a file that its
//! `CRED_HELPER_FAULTS` names; it is read at every point, so that a test arms a running agent and disarms it. A release
//! build has neither the variable nor the points outside the disk.
//!
//! A plan has a line for each rule: `POINT NTH ACTION`, where POINT may be `*` or `disk.*`, NTH may be `*`, and ACTION is
//! `kill`, `stop` (until SIGCONT), `exit`, `panic`, `error:KIND`, `delay:MILLISECONDS`, `end` (everything fails from there
//! on) or `note` (only written down). Counting begins when the plan changes; a plan goes with the process that it ends.
//! What happened is written to the file `PLAN.happened`, a line for each point.
//!
//! A new point is a line in the code and one in [`POINTS`]; tests kill the agent at each.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Every point, each named for what would come next.
pub const POINTS: &[&str] = &[
    // A file is made, given room, written, synced, put in its place, its directory synced.
    "disk.make_directory",
    "disk.create",
    "disk.allocate",
    "disk.write",
    "disk.sync",
    "disk.rename",
    // A line is added to a file without waiting for the disk.
    "disk.append",
    "disk.sync_directory",
    "disk.remove",
    // The mark is on the disk, the request not yet out.
    "refresh.send",
    // The answer is whole and in memory alone: whoever dies before it is written has lost it.
    "refresh.keep",
    // It is written down, and not yet in its place.
    "refresh.arrived",
    // It is safe; callers are told next.
    "refresh.answer",
    // A login's token is about to be shown for a short-lived one; that is in memory, where it stays.
    "second_step.send",
    "second_step.keep",
    // Any exchange with a server: the request goes out, the answer's head has come, its body has.
    "http.send",
    "http.read",
    "http.answer",
    // The tokens of a login are in memory alone; they are safe; nobody knows yet.
    "login.keep",
    "login.answer",
    // A key is in memory alone.
    "api_key.keep",
    // An imported login is in memory alone; it is safe, and its refresh token not yet redeemed.
    "import.keep",
    "import.kept",
    // It is written down that a person was told, and nothing is shown yet.
    "notice.show",
    // The record is gone; the server does not know yet.
    "logout.revoke",
    // The HTTP door's file is written, and put in its place.
    "door.write",
    "door.rename",
    // An answer goes to its caller; it is on its way.
    "answer.write",
    "answer.written",
    // An agent hands over: the successor was started; it gets the vault; the word; the old one ends.
    "handover.offer",
    "handover.take",
    "handover.go",
    "handover.end",
    // The successor runs; has read the vault; has the word; has said so.
    "successor.ready",
    "successor.loaded",
    "successor.serving",
    "successor.serve",
];

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// It is written down.
    Note,
    /// The step takes so much longer.
    Delay(Duration),
    /// The step fails.
    Fail(io::ErrorKind),
    /// This step and every later one fails: as if the process had been killed, for tests in it.
    End,
    /// What ends or stops the process.
    #[cfg(debug_assertions)]
    Strike(process::Strike),
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        Some(match (name, argument) {
            ("note", "") => Self::Note,
            ("end", "") => Self::End,
            ("delay", milliseconds) => Self::Delay(Duration::from_millis(milliseconds.parse().ok()?)),
            ("error", "full") => Self::Fail(io::ErrorKind::StorageFull),
            ("error", "read_only") => Self::Fail(io::ErrorKind::ReadOnlyFilesystem),
            ("error", "denied") => Self::Fail(io::ErrorKind::PermissionDenied),
            ("error", "io") => Self::Fail(io::ErrorKind::Other),
            #[cfg(debug_assertions)]
            (name, "") => Self::Strike(process::Strike::parse(name)?),
            _ => return None,
        })
    }
}

/// What happens where, and how often that was reached.
#[derive(Debug)]
struct Rule {
    point: String,
    /// From one; zero: every time.
    nth: usize,
    reached: usize,
    action: Action,
}

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (point, nth, action) = (words.next()?, words.next()?, words.next()?);
        let nth = if nth == "*" { 0 } else { nth.parse().ok()? };
        Some(Self { point: point.to_owned(), nth, reached: 0, action: Action::parse(action)? })
    }

    fn matches(&mut self, point: &str) -> bool {
        let named = match self.point.strip_suffix('*') {
            Some(start) => point.starts_with(start),
            None => point == self.point,
        };
        self.reached += usize::from(named);
        named && (self.nth == 0 || self.nth == self.reached)
    }
}

/// Sees every point before anything happens there: for the tests of lost power, which tell files apart by their inodes.
#[cfg(all(test, unix))]
struct Watcher(Box<dyn FnMut(&str) + Send>);

#[cfg(all(test, unix))]
impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

/// A plan, and how far it went.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    #[cfg(all(test, unix))]
    watcher: Mutex<Option<Watcher>>,
    ended: AtomicBool,
}

impl Faults {
    /// Puts a plan in the place of the one before; counting begins anew.
    ///
    /// # Panics
    ///
    /// If it can't be read: a mistake in a test, which has to notice.
    #[expect(clippy::panic, reason = "there is nobody to tell but the test that wrote it")]
    pub fn plan(&self, text: &str) {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rules = lines.map(|line| Rule::parse(line).unwrap_or_else(|| panic!("not a fault: {line}")));
        *self.rules() = rules.collect();
    }

    /// After `steps` steps everything ends, as if the process had been killed there.
    pub fn stop_after(&self, steps: usize) {
        self.plan(&format!("* {} end", steps + 1));
    }

    /// Whether the end was reached.
    pub fn stopped(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The disk refuses everything, as a full one does, or takes it again.
    pub fn refuse(&self, refusing: bool) {
        self.plan(if refusing { "* * error:full" } else { "" });
    }

    /// Shows `watch` every point from now on, before anything happens there.
    #[cfg(all(test, unix))]
    pub(crate) fn watch(&self, watch: impl FnMut(&str) + Send + 'static) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(Watcher(Box::new(watch)));
    }

    /// The point is reached: what is to happen happens.
    pub fn reach(&self, point: &str) -> io::Result<()> {
        #[cfg(all(test, unix))]
        if let Some(Watcher(watch)) = &mut *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) {
            watch(point);
        }
        self.due(point).into_iter().try_for_each(|action| self.act(action))
    }

    fn due(&self, point: &str) -> Vec<Action> {
        if self.stopped() {
            return vec![Action::End];
        }
        self.rules().iter_mut().filter_map(|rule| rule.matches(point).then_some(rule.action)).collect()
    }

    fn act(&self, action: Action) -> io::Result<()> {
        match action {
            Action::Note => {}
            Action::Delay(time) => std::thread::sleep(time),
            Action::Fail(kind) => return Err(kind.into()),
            Action::End => {
                self.ended.store(true, Ordering::SeqCst);
                return Err(io::Error::other("stopped by a test"));
            }
            #[cfg(debug_assertions)]
            Action::Strike(strike) => strike.carry_out(),
        }
        Ok(())
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step that may be made to fail.
pub(crate) fn step(point: &str) -> io::Result<()> {
    #[cfg(debug_assertions)]
    process::reach(point)?;
    let _ = point;
    Ok(())
}

/// A step that can't fail: the agent may only be stopped there.
pub(crate) fn point(point: &str) {
    let _ = step(point);
}

#[cfg(debug_assertions)]
mod process;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_one_name() {
        let mut names = POINTS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), POINTS.len());
    }

    #[test]
    fn a_plan_says_what_happens_where() {
        let faults = Faults::default();
        assert!(faults.reach("disk.write").is_ok());
        faults.plan("# one\ndisk.* 2 error:full\n\nrefresh.send * note\n");
        assert!(faults.reach("disk.write").is_ok() && faults.reach("refresh.send").is_ok());
        assert_eq!(faults.reach("disk.sync").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(faults.reach("disk.sync").is_ok());
        faults.stop_after(1);
        assert!(faults.reach("disk.write").is_ok() && !faults.stopped());
        assert!(faults.reach("disk.sync").is_err() && faults.stopped() && faults.reach("disk.sync").is_err());
        for wrong in ["disk.write", "disk.write x kill", "disk.write 1 burn", "disk.write 1 error:odd", "a 1 delay:x"] {
            assert!(Rule::parse(wrong).is_none(), "{wrong}");
        }
    }
}

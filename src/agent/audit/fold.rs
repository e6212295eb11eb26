//! Bursts: a request that was logged within the last minute is counted rather than written again, and the count is written
//! when the minute is over. A program that asks every second would push last night's entries out of the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ipc::message::ErrorKind;
use crate::ipc::message::audit::{Entry, Outcome};

/// How long requests are counted before the count is written.
const WINDOW: Duration = Duration::from_secs(60);
/// How many different requests are remembered; more than these are written one by one.
const MAX_KINDS: usize = 256;

/// What makes two requests the same. The peer's process is not part of it: every `get-token` is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    method: String,
    account: Option<String>,
    detail: Option<String>,
    uid: Option<u32>,
    path: Option<String>,
    name: Option<String>,
    outcome: Outcome,
    error: Option<ErrorKind>,
}

impl Kind {
    fn of(entry: &Entry) -> Self {
        let Entry { at: _, until: _, count: _, method, account, detail, uid, pid: _, program, outcome, error } =
            entry.clone();
        Self { method, account, detail, uid, path: program.path, name: program.name, outcome, error }
    }
}

#[derive(Debug)]
struct Window {
    ends: Instant,
    /// What was counted since the last entry was written.
    counted: Option<Entry>,
}

/// The requests of the last minute.
#[derive(Debug, Default)]
pub(super) struct Folds(HashMap<Kind, Window>);

impl Folds {
    /// Gives an entry back if it is to be written now; counts it otherwise.
    pub(super) fn take(&mut self, entry: Entry, now: Instant) -> Option<Entry> {
        let kind = Kind::of(&entry);
        if let Some(window) = self.0.get_mut(&kind) {
            match &mut window.counted {
                Some(counted) => {
                    counted.count += entry.count;
                    counted.until = Some(entry.at);
                }
                none => *none = Some(entry),
            }
            return None;
        }
        if self.0.len() < MAX_KINDS {
            self.0.insert(kind, Window { ends: now + WINDOW, counted: None });
        }
        Some(entry)
    }

    /// When the next minute is over.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|window| window.ends).min()
    }

    /// The counts of the minutes that are over. Who went on asking is counted for another one.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Entry> {
        let mut written = Vec::new();
        self.0.retain(|_, window| {
            if window.ends > now {
                return true;
            }
            window.ends = now + WINDOW;
            let counted = window.counted.take();
            let goes_on = counted.is_some();
            written.extend(counted);
            goes_on
        });
        sorted(written)
    }

    /// Everything that was counted; the minutes go on.
    pub(super) fn all(&mut self) -> Vec<Entry> {
        sorted(self.0.values_mut().filter_map(|window| window.counted.take()).collect())
    }
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.at);
    entries
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::entry;
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_burst_is_one_line_and_a_count() {
        let (mut folds, start) = (Folds::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(folds.take(entry(0, "p"), start).is_some());
        assert!(folds.take(entry(0, "q"), start).is_some(), "another account's is another request");
        let other = Entry { outcome: Outcome::Failed, ..entry(1, "p") };
        assert!(folds.take(other, start).is_some(), "so is another outcome");
        for at in 1..=30 {
            let another_process = Entry { pid: Some(100), ..entry(at, "p") };
            assert!(folds.take(another_process, later(1)).is_none());
        }
        assert!(folds.over(later(59)).is_empty());
        assert_eq!(folds.next(), Some(later(60)));
        let over = folds.over(later(60));
        assert_eq!(over.len(), 1);
        assert_eq!((over[0].at, over[0].until, over[0].count), (Timestamp(1), Some(Timestamp(30)), 30));
        assert!(folds.take(entry(61, "p"), later(61)).is_none(), "the burst goes on");
        assert_eq!(folds.all().len(), 1);
        assert!(folds.over(later(121)).is_empty() && folds.next().is_none(), "nothing is due when nobody asks");
        assert!(folds.take(entry(200, "p"), later(200)).is_some());
    }
}

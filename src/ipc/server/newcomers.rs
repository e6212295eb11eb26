//! Those who have connected and are not let in yet: each program's stand in a line of their own, and the lines take turns.
//!
//! The system keeps one line for everybody, so a program that connects without end would keep all others waiting behind it.
//! Taking them out of that line costs little; letting them in costs ten times as much. Therefore everybody is taken out at
//! once, and a program may come in as often as it has its [`Pace`] says: much at a time, as a build with a thousand clients
//! does, and then at a measured pace that leaves the machine to others.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::door;
use super::pace::{Fines, Pace};
use crate::ipc::transport::Caller;

/// Connections that one program may open at once: as many as there are ever places.
const BURST: u32 = 16 * 1024;
/// And then so many in each millisecond: a fifth of a processor.
const EACH_MILLISECOND: u32 = 8;
/// Standing in a longer line, those in front are looked after: some have gone again.
const LONG: usize = 32;
/// So many programs are remembered before those that may open a burst again are forgotten.
const MANY: usize = 256;

/// One program's newcomers.
struct Line {
    callers: VecDeque<Caller>,
    pace: Pace,
    looked_at: usize,
}

impl Line {
    fn new() -> Self {
        Self { callers: VecDeque::new(), pace: Pace::new(BURST, EACH_MILLISECOND), looked_at: 0 }
    }

    /// Looks at two of those who wait, others each time, and lets go of whoever has hung up; how many that were. As one comes
    /// for each look, the line gets no longer by those who come and go.
    fn thin_out(&mut self) -> usize {
        let before = self.callers.len();
        for _ in 0..2 {
            self.looked_at = if self.looked_at < self.callers.len() { self.looked_at } else { 0 };
            match self.callers.get(self.looked_at) {
                Some(caller) if caller.is_gone() => drop(self.callers.swap_remove_back(self.looked_at)),
                _ => self.looked_at += 1,
            }
        }
        before - self.callers.len()
    }

    /// The first who hasn't hung up, and how many have left the line.
    fn first(&mut self) -> (Option<Caller>, usize) {
        for left in 1..=LONG {
            match self.callers.pop_front() {
                None => return (None, left - 1),
                Some(caller) if !caller.is_gone() => return (Some(caller), left),
                Some(_) => {}
            }
        }
        (None, LONG)
    }

    fn is_forgettable(&mut self) -> bool {
        self.callers.is_empty() && self.pace.is_rested()
    }
}

/// The lines.
pub(super) struct Newcomers {
    lines: HashMap<u32, Line>,
    /// The programs that have somebody waiting, the next first.
    order: VecDeque<u32>,
    count: usize,
    limit: usize,
}

impl Newcomers {
    /// So many may wait.
    pub(super) fn new(limit: usize) -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new(), count: 0, limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= self.limit
    }

    /// Goes to the end of its line. Whether its program may still come in at once.
    pub(super) fn join(&mut self, caller: Caller) -> bool {
        if self.lines.len() >= MANY {
            self.lines.retain(|_, line| !line.is_forgettable());
        }
        let program = caller.program;
        let line = self.lines.entry(program).or_insert_with(Line::new);
        if line.callers.is_empty() {
            self.order.push_back(program);
        }
        line.callers.push_back(caller);
        let may_come_in = !line.pace.is_spent();
        self.count += 1;
        if line.callers.len() > LONG {
            self.count -= line.thin_out();
        }
        if self.is_full() {
            self.turn_away();
        }
        may_come_in
    }

    /// When nobody else finds a place to wait: the longest line loses its first, if its program has had its share.
    fn turn_away(&mut self) {
        let longest = self.lines.values_mut().max_by_key(|line| line.callers.len());
        if let Some(caller) = longest.filter(|line| line.pace.is_spent()).and_then(|line| line.callers.pop_front()) {
            door::turn_away(&caller);
            self.count -= 1;
        }
    }

    /// Whoever is to come in now, and what slows its program down.
    pub(super) fn next(&mut self) -> Option<(Caller, Fines)> {
        for _ in 0..self.order.len() {
            let program = self.order.pop_front()?;
            let line = self.lines.get_mut(&program)?;
            if !line.pace.goes_on() {
                self.order.push_back(program);
                continue;
            }
            let (caller, have_left) = line.first();
            self.count -= have_left;
            if !line.callers.is_empty() {
                self.order.push_back(program);
            }
            if let Some(caller) = caller {
                line.pace.take();
                return Some((caller, line.pace.fines()));
            }
        }
        None
    }

    /// Waits until somebody may come in.
    pub(super) async fn ready(&self) {
        let may = |program: &u32| self.lines.get(program).is_some_and(|line| !line.pace.is_spent());
        if !self.order.iter().any(may) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Everybody who waits, whether it is their turn or not.
    pub(super) fn all(&mut self) -> Vec<Caller> {
        self.order.clear();
        self.count = 0;
        self.lines.values_mut().flat_map(|line| std::mem::take(&mut line.callers)).collect()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A caller, whose own end goes into `held`.
    fn caller(program: u32, held: &mut Vec<UnixStream>) -> Caller {
        let (own, theirs) = UnixStream::pair().expect("a pair");
        held.push(own);
        Caller::of(theirs.into(), program)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_alone_comes_in_before_a_crowd() {
        let (mut newcomers, mut held) = (Newcomers::new(1000), Vec::new());
        for _ in 0..100 {
            newcomers.join(caller(7, &mut held));
        }
        newcomers.join(caller(8, &mut held));
        let first: Vec<_> = (0..3).filter_map(|_| newcomers.next()).map(|(caller, _)| caller.program).collect();
        assert_eq!(first, [7, 8, 7]);
        assert_eq!(newcomers.all().len(), 98);
        assert!(newcomers.is_empty() && newcomers.next().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_had_its_burst_comes_in_at_a_pace() {
        let (mut newcomers, mut held) = (Newcomers::new(64), Vec::new());
        for _ in 0..BURST {
            newcomers.join(caller(7, &mut held));
            assert!(newcomers.next().is_some());
            held.clear();
        }
        for _ in 0..20 {
            assert!(!newcomers.join(caller(7, &mut held)));
        }
        assert!(newcomers.next().is_none());
        assert!(newcomers.join(caller(8, &mut held)));
        assert_eq!(newcomers.next().map(|(caller, _)| caller.program), Some(8), "others are not kept waiting by it");
        newcomers.ready().await;
        assert_eq!(std::iter::from_fn(|| newcomers.next()).count(), EACH_MILLISECOND as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_have_hung_up_fill_no_line() {
        let (mut newcomers, mut held) = (Newcomers::new(1000), Vec::new());
        // The first one stays: looking at the first alone would find nobody.
        newcomers.join(caller(7, &mut held));
        for _ in 0..500 {
            let mut gone = Vec::new();
            newcomers.join(caller(7, &mut gone));
        }
        assert!(newcomers.count <= 2 * LONG, "{}", newcomers.count);
        let mut found = 0;
        while !newcomers.is_empty() {
            found += usize::from(newcomers.next().is_some());
        }
        assert_eq!(found, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_else_could_wait_a_crowd_that_had_its_burst_is_turned_away() {
        let (mut newcomers, mut held) = (Newcomers::new(8), Vec::new());
        newcomers.join(caller(7, &mut held));
        newcomers.lines.get_mut(&7).expect("a line").pace.spend();
        for _ in 0..20 {
            newcomers.join(caller(7, &mut held));
            assert!(!newcomers.is_full());
        }
        // One that has its burst left is waited for.
        for _ in 0..8 {
            newcomers.join(caller(8, &mut held));
        }
        assert_eq!(newcomers.lines[&8].callers.len(), 8);
    }
}

//! How much room callers may take: connections, and bytes that are held for them.
//!
//! Room is also the agent's one thread: who wants more of it than a small request takes goes through the turnstile.
//!
//! Each connection has limits of its own, but a thousand of them at their limits would take the machine's memory. So what is
//! held for all is counted: as long as there is plenty, nobody notices; when there isn't, whoever holds more than a small
//! request needs is cut off. A caller that asks for a token is served all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pace::{Fines, Pace};

/// Bytes held for all connections before large holders are cut off.
const PLENTY: usize = 32 * 1024 * 1024;
/// Bytes that every connection may hold at any time: requests and answers with the largest tokens seen fit.
pub(super) const SHARE: usize = 16 * 1024;

/// Turns that are to be had at once: a build's worth of long messages.
const TURNS: u32 = 4096;
/// And then so many in each millisecond: a crowd that sends without end gets a tenth of a processor, not all of it.
const TURNS_EACH_MILLISECOND: u32 = 8;
/// A program one of whose connections sends what no client does comes in later, as after so many connections: reading that
/// costs more than any of them, and to send it without end nothing.
const NONSENSE: u32 = 64;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Room {
    opened: Instant,
    held: AtomicUsize,
    descriptors: AtomicUsize,
    /// Descriptors that connections may have; the rest is for files and servers.
    limit: usize,
    /// Held by whoever is next to do more than its first small step.
    turnstile: Mutex<Pace>,
}

impl Room {
    /// With room for connections of so many descriptors. Needs a runtime.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            held: AtomicUsize::new(0),
            descriptors: AtomicUsize::new(0),
            limit,
            turnstile: Mutex::new(Pace::new(TURNS, TURNS_EACH_MILLISECOND)),
        })
    }

    /// Whether another connection takes a descriptor that is needed otherwise.
    pub(super) fn is_full(&self) -> bool {
        self.descriptors.load(Ordering::Relaxed) >= self.limit
    }

    /// A connection of a program that may be fined.
    pub(super) fn enter(self: &Arc<Self>, fines: Fines) -> Arc<Guest> {
        self.descriptors.fetch_add(1, Ordering::Relaxed);
        let guest = Guest {
            room: Arc::clone(self),
            descriptors: AtomicUsize::new(1),
            expects: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            reading: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            fines,
            is_fined: AtomicBool::new(false),
        };
        guest.is_quiet_now();
        Arc::new(guest)
    }
}

/// One connection's part of it.
#[derive(Debug)]
pub(super) struct Guest {
    room: Arc<Room>,
    descriptors: AtomicUsize,
    /// Calls under way, and subscriptions.
    expects: AtomicUsize,
    /// Microseconds since the room was opened.
    quiet_since: AtomicU64,
    /// Bytes of messages that are not whole yet.
    reading: AtomicUsize,
    /// Bytes of messages that are not written yet.
    waiting: AtomicUsize,
    fines: Fines,
    is_fined: AtomicBool,
}

impl Guest {
    /// So many bytes are held for what it is sending; false if that is too much.
    pub(super) fn is_reading(&self, bytes: usize) -> bool {
        self.holds(&self.reading, bytes)
    }

    /// So many bytes wait for it to take them; false if that is too much.
    pub(super) fn is_sent(&self, bytes: usize) -> bool {
        self.holds(&self.waiting, bytes)
    }

    fn holds(&self, part: &AtomicUsize, bytes: usize) -> bool {
        let before = part.swap(bytes, Ordering::Relaxed);
        // Wraps around where it became less, which is what the sum has to do.
        let more = bytes.wrapping_sub(before);
        let all = self.room.held.fetch_add(more, Ordering::Relaxed).wrapping_add(more);
        let own = self.reading.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed);
        all <= PLENTY || own <= SHARE
    }

    /// Waits for its turn to do more than a small request takes: one connection at a time, and between two of them
    /// everybody who wants little, whatever the system has to say of them included. So a crowd that sends without end costs
    /// a caller with one question a step or two of theirs, not one of each.
    pub(super) async fn turn(&self) {
        let mut pace = self.room.turnstile.lock().await;
        pace.next().await;
        tokio::task::yield_now().await;
    }

    /// It takes another descriptor as long as it lives.
    pub(super) fn takes_another_descriptor(&self) {
        self.descriptors.fetch_add(1, Ordering::Relaxed);
        self.room.descriptors.fetch_add(1, Ordering::Relaxed);
    }

    /// It sent what is no message.
    pub(super) fn makes_no_sense(&self) {
        if !self.is_fined.swap(true, Ordering::Relaxed) {
            self.fines.impose(NONSENSE);
        }
    }

    /// Since when nothing is owed to it; `None` while something is.
    pub(super) fn quiet_since(&self) -> Option<u64> {
        (self.expects.load(Ordering::Relaxed) == 0).then(|| self.quiet_since.load(Ordering::Relaxed))
    }

    fn is_quiet_now(&self) {
        let now = self.room.opened.elapsed().as_micros();
        self.quiet_since.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.room.held.fetch_sub(*self.reading.get_mut() + *self.waiting.get_mut(), Ordering::Relaxed);
        self.room.descriptors.fetch_sub(*self.descriptors.get_mut(), Ordering::Relaxed);
    }
}

/// Held by whatever may still have something to say to a caller.
pub(super) struct Expected(Arc<Guest>);

impl Expected {
    pub(super) fn by(guest: &Arc<Guest>) -> Self {
        guest.expects.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(guest))
    }
}

impl Clone for Expected {
    fn clone(&self) -> Self {
        Self::by(&self.0)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.expects.fetch_sub(1, Ordering::Relaxed);
        self.0.is_quiet_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_holders_are_cut_off_only_when_there_is_no_plenty() {
        let room = Room::new(10);
        let guests: Vec<_> = (0..PLENTY / (256 * 1024)).map(|_| room.enter(Fines::default())).collect();
        assert!(guests.iter().all(|guest| guest.is_reading(256 * 1024)));
        let late = room.enter(Fines::default());
        assert!(late.is_reading(SHARE) && !late.is_reading(SHARE + 1) && !late.is_sent(1));
        // It left nothing behind, and neither do the others.
        drop(late);
        drop(guests);
        assert_eq!((room.held.load(Ordering::Relaxed), room.descriptors.load(Ordering::Relaxed)), (0, 0));
        let large = room.enter(Fines::default());
        assert!(large.is_reading(PLENTY) && large.is_reading(0) && large.is_sent(PLENTY));
    }

    #[test]
    fn whoever_waits_for_something_is_not_quiet() {
        let room = Room::new(2);
        let guest = room.enter(Fines::default());
        let first = Expected::by(&guest);
        let second = first.clone();
        drop(first);
        assert_eq!(guest.quiet_since(), None);
        drop(second);
        assert!(guest.quiet_since().is_some() && !room.is_full());
        guest.takes_another_descriptor();
        assert!(room.is_full());
    }
}

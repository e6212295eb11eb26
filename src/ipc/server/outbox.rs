//! What waits to be written to one connection, and the handle that others hold to put something there.
//!
//! It is bounded: answers by the number of requests under way, notifications by [`MAX_WAITING`]. A caller that doesn't read
//! what it subscribed to is cut off rather than remembered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use zeroize::Zeroizing;

use super::super::frame::{Framing, encode};
use super::super::message::{Notification, Version};
use super::room::{Expected, Guest};
use crate::secret::Secret;

/// Bytes that may wait before notifications are refused and no more requests are read.
pub(super) const MAX_WAITING: usize = 256 * 1024;

/// One framed message, and the place among the requests under way that it frees once it is written.
pub(super) struct Entry {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    waiting: usize,
    /// Taken from the queue, but not yet written.
    writing: bool,
    closed: bool,
    /// Whether calls that are dropped give their requests back.
    moving: bool,
    /// Requests that were given back.
    given_back: Vec<Secret>,
    /// Requests that hold for the rest of the connection.
    standing: Vec<Secret>,
    /// How many calls keep the connection here.
    staying: usize,
}

/// The queue of one connection.
pub(super) struct Outbox {
    framing: Framing,
    guest: Arc<Guest>,
    state: Mutex<State>,
    filled: Notify,
    emptied: Notify,
    closed: Notify,
}

impl Outbox {
    pub(super) fn new(framing: Framing, guest: Arc<Guest>) -> Arc<Self> {
        Arc::new(Self {
            framing,
            guest,
            state: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            closed: Notify::new(),
        })
    }

    /// Whose it is.
    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Frames and queues a message. An answer (with its permit) finds room unless all connections together hold too much;
    /// false if the connection is gone.
    pub(super) fn push(&self, parts: &[&[u8]], permit: Option<OwnedSemaphorePermit>) -> bool {
        let bytes = encode(self.framing, parts);
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let refused = permit.is_none() && state.waiting > MAX_WAITING;
        state.waiting += bytes.len();
        if refused || !self.guest.is_sent(state.waiting) {
            drop(state);
            self.close();
            return false;
        }
        state.queue.push_back(Entry { bytes, _permit: permit });
        drop(state);
        self.filled.notify_one();
        true
    }

    /// The next message to write; `None` once the connection is given up. The one before is taken to be written.
    pub(super) async fn next(&self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.pop() {
                return Some(entry);
            }
            self.emptied.notify_one();
            if !self.changed().await {
                return None;
            }
        }
    }

    /// Whether another message waits.
    pub(super) fn has_more(&self) -> bool {
        !self.state().queue.is_empty()
    }

    /// As [`Self::next`], without waiting.
    pub(super) fn pop(&self) -> Option<Entry> {
        let mut state = self.state();
        let entry = state.queue.pop_front();
        state.writing = entry.is_some();
        match &entry {
            Some(entry) => {
                state.waiting -= entry.bytes.len();
                self.guest.is_sent(state.waiting);
            }
            // An idle connection holds nothing.
            None => state.queue = VecDeque::new(),
        }
        entry
    }

    /// Waits for something to be put in; false once the connection is given up.
    pub(super) async fn changed(&self) -> bool {
        if !self.state().closed {
            self.filled.notified().await;
        }
        !self.state().closed
    }

    /// Waits until everything is written.
    pub(super) async fn flushed(&self) {
        loop {
            {
                let state = self.state();
                if state.closed || (state.queue.is_empty() && !state.writing) {
                    return;
                }
            }
            self.emptied.notified().await;
        }
    }

    /// From now on calls that are dropped give their requests back.
    pub(super) fn give_back_from_now_on(&self) {
        self.state().moving = true;
    }

    /// Takes a request back; false if this connection doesn't move.
    pub(super) fn give_back(&self, request: Secret) -> bool {
        let mut state = self.state();
        if state.moving {
            state.given_back.push(request);
        }
        state.moving
    }

    /// Every request that was given back, framed as it is read again, and what was read after them.
    pub(super) fn given_back(&self, rest: &[u8]) -> Zeroizing<Vec<u8>> {
        let given_back = std::mem::take(&mut self.state().given_back);
        let framed: Vec<_> =
            given_back.iter().map(|request| encode(self.framing, &[request.expose().as_bytes()])).collect();
        let length = framed.iter().map(|request| request.len()).sum::<usize>() + rest.len();
        let mut all = Zeroizing::new(Vec::with_capacity(length));
        framed.iter().for_each(|request| all.extend_from_slice(request));
        all.extend_from_slice(rest);
        all
    }

    /// Remembers a request that holds for the rest of the connection.
    pub(super) fn stand(&self, request: Secret) {
        self.state().standing.push(request);
    }

    /// Those requests.
    pub(super) fn standing(&self) -> Vec<Secret> {
        std::mem::take(&mut self.state().standing)
    }

    /// Counts a call that keeps the connection here.
    pub(super) fn count_staying(&self, stays: bool, change: isize) {
        if stays {
            let mut state = self.state();
            state.staying = state.staying.saturating_add_signed(change);
        }
    }

    /// Whether a call keeps the connection here.
    pub(super) fn stays(&self) -> bool {
        self.state().staying > 0
    }

    /// Whether so much waits that no more requests are to be read.
    pub(super) fn is_full(&self) -> bool {
        self.state().waiting > MAX_WAITING
    }

    /// Gives the connection up: what waits is dropped, whoever holds a [`Notifier`] is told.
    pub(super) fn close(&self) {
        let queue = {
            let mut state = self.state();
            state.closed = true;
            state.waiting = 0;
            self.guest.is_sent(0);
            std::mem::take(&mut state.queue)
        };
        drop(queue);
        self.closed.notify_waiters();
        self.filled.notify_one();
        self.emptied.notify_one();
    }

    async fn gone(&self) {
        let notified = self.closed.notified();
        let mut notified = std::pin::pin!(notified);
        notified.as_mut().enable();
        if !self.state().closed {
            notified.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the outbox however its connection ends.
pub(super) struct CloseOnDrop(pub(super) Arc<Outbox>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a caller within this process is told unasked. Dropping it is hanging up.
pub(crate) struct Inbox(CloseOnDrop);

impl Inbox {
    /// One that nothing was put in yet. Needs a runtime.
    pub(crate) fn new() -> Self {
        Self(CloseOnDrop(Outbox::new(Framing::Lines, super::room::Room::new(1).enter(super::pace::Fines::default()))))
    }

    /// For the call whose notifications are to come here.
    pub(crate) fn notifier(&self) -> Notifier {
        Notifier::new(Arc::clone(&self.0.0))
    }

    /// The next notification, a JSON text; `None` if so many were waiting that it was given up.
    pub(crate) async fn next(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.0.0.next().await.map(|entry| entry.bytes)
    }
}

/// Sends notifications to one caller.
#[derive(Clone)]
pub struct Notifier(Arc<Outbox>, #[expect(dead_code, reason = "held, not used")] Expected);

#[derive(Serialize)]
struct Outgoing<'a, N> {
    jsonrpc: Version,
    method: &'static str,
    params: &'a N,
}

impl Notifier {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        let expected = Expected::by(&outbox.guest);
        Self(outbox, expected)
    }

    /// For calls without a connection.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self::new(Outbox::new(Framing::Lines, super::room::Room::new(1).enter(super::pace::Fines::default())))
    }

    /// Queues a notification; false if the connection is gone (or has just been given up, because its end doesn't read).
    pub fn send<N: Notification>(&self, notification: &N) -> bool {
        let message = Outgoing { jsonrpc: Version::V2, method: N::NAME, params: notification };
        // Our own types serialize; one that didn't would be a notification less.
        serde_json::to_vec(&message).is_ok_and(|bytes| self.0.push(&[&bytes], None))
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        self.0.gone().await;
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

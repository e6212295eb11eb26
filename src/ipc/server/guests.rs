//! The connections that are open. When there is no place for another one, the one to which nothing is owed for the longest
//! makes room: a program that opens connections and forgets them must not keep everybody else from their tokens.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, Id, JoinSet};

use super::room::{Guest, Room};

/// One of so many goes at once, so that looking for them is not done for each newcomer.
const AT_ONCE: usize = 64;

/// Every connection, as a task.
pub(super) struct Guests {
    room: Arc<Room>,
    tasks: JoinSet<()>,
    known: HashMap<Id, (AbortHandle, Arc<Guest>)>,
}

impl Guests {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { room, tasks: JoinSet::new(), known: HashMap::new() }
    }

    /// Whether there is a place for another one; if need be, one is made.
    pub(super) async fn has_place(&mut self) -> bool {
        if self.room.is_full() {
            // What the others have sent already is read first: whoever has just asked is not quiet.
            tokio::task::yield_now().await;
        }
        !self.room.is_full() || self.make_place().await
    }

    /// Ends the connection that has been quiet the longest, of hundreds a few at once; false if none is quiet.
    pub(super) async fn make_place(&mut self) -> bool {
        let mut quiet: Vec<(u64, Id)> =
            self.known.iter().filter_map(|(id, (_, guest))| Some((guest.quiet_since()?, *id))).collect();
        let many = (self.known.len() / AT_ONCE).max(1).min(quiet.len());
        if many == 0 {
            return false;
        }
        quiet.select_nth_unstable_by_key(many - 1, |(since, _)| *since);
        for (_, id) in &quiet[..many] {
            if let Some((task, _)) = self.known.remove(id) {
                task.abort();
            }
        }
        // Its descriptor is closed once its task is dropped; whichever ends first leaves a place.
        self.ended().await;
        true
    }

    /// Serves another one.
    pub(super) fn admit<F: Future<Output = ()> + Send + 'static>(&mut self, serve: impl FnOnce(Arc<Guest>) -> F) {
        let guest = self.room.enter();
        let task = self.tasks.spawn(serve(Arc::clone(&guest)));
        self.known.insert(task.id(), (task, guest));
    }

    /// Waits until one has ended; false if there is none.
    pub(super) async fn ended(&mut self) -> bool {
        let id = match self.tasks.join_next_with_id().await {
            None => return false,
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
        };
        self.known.remove(&id);
        true
    }

    /// How many are open now.
    pub(super) fn count(&mut self) -> usize {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.known.remove(&id);
        }
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

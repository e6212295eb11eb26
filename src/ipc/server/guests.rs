//! The connections that are open. When there is no place for another one, the one to which nothing is owed for the longest
//! makes room: a program that opens connections and forgets them must not keep everybody else from their tokens.
//!
//! Before that, and before anybody is turned away, those that have hung up go. Accepting runs ahead of the connections' tasks,
//! so a place may be held by somebody whose end has not been noticed yet.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, Id, JoinSet};

use super::pace::Fines;
use super::room::{Expected, Guest, Room};

/// One of so many goes at once, so that looking for them is not done for each newcomer.
const AT_ONCE: usize = 64;
/// Turns that a connection has to notice that its caller is gone: its own task, its calls', and what those have told.
const TURNS: usize = 8;

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
        for _ in 0..TURNS {
            self.reap();
            if !self.room.is_full() {
                return true;
            }
            // What the others have sent already is read, too: whoever has just asked is not quiet.
            turn().await;
        }
        self.reap();
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

    /// Serves another one. The second argument of `serve` is to be held until the connection was looked at: before that it
    /// may have asked for something.
    pub(super) fn admit<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        fines: Fines,
        serve: impl FnOnce(Arc<Guest>, Expected) -> F,
    ) {
        let guest = self.room.enter(fines);
        let task = self.tasks.spawn(serve(Arc::clone(&guest), Expected::by(&guest)));
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

    /// Lets those that were admitted look at what their callers have sent already. Accepting needs no task's turn and would
    /// run ahead of all of them, until thousands had been let in of whom nobody has read a word.
    pub(super) async fn look(&mut self) {
        turn().await;
        self.reap();
    }

    /// How many are open now.
    pub(super) fn count(&mut self) -> usize {
        self.reap();
        self.tasks.len()
    }

    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.known.remove(&id);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Lets whoever has something to do take a turn, the system's news included.
async fn turn() {
    // Comes back when the system has been asked what is new...
    tokio::task::yield_now().await;
    // ...and this is behind everybody whom that has woken.
    let _ = tokio::spawn(async {}).await;
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::sync::watch;

    use super::*;

    /// Waits for something until its caller hangs up, and so does what it told.
    async fn waits(expected: Expected, caller: UnixStream) {
        caller.set_nonblocking(true).expect("set");
        let caller = tokio::net::UnixStream::from_std(caller).expect("registered");
        let (gone, mut told) = watch::channel(());
        tokio::spawn(async move {
            let _ = told.changed().await;
            drop(expected);
        });
        caller.readable().await.expect("readable");
        drop(gone);
    }

    #[tokio::test]
    async fn whoever_has_hung_up_unnoticed_holds_no_place() {
        let mut guests = Guests::new(Room::new(40));
        let mut callers = Vec::new();
        for _ in 0..40 {
            let (caller, own) = UnixStream::pair().expect("a pair");
            callers.push(caller);
            guests.admit(Fines::default(), |_, expected| waits(expected, own));
        }
        assert!(!guests.has_place().await, "each of them waits for something");
        drop(callers);
        assert!(guests.has_place().await);
    }
}

//! One exchange for everybody who wants the same token at the same time.
//!
//! A flight is a task of its own: a caller who hangs up poisons nobody, and every caller waits until its own deadline
//! only. Between attempts a flight says when it tries again, so that a caller who can't wait that long knows at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::accounts::Variant;
use crate::ipc::message::{Error, ErrorKind};

/// Which token a flight is for: the login's incarnation, and the variant of its token.
pub(super) type Key = (u64, Variant);

/// Where a flight stands.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The exchange is under way.
    UnderWay,
    /// It failed, and is tried again at `at`.
    Waiting {
        /// What a caller who can't wait is told.
        error: Error,
        /// When it goes on.
        at: Instant,
    },
    /// It ended; the token is in the table, or the error says why not.
    Done(Result<(), Error>),
}

/// The flights under way, and what ends their pauses.
#[derive(Debug, Default)]
pub(super) struct Flights(Arc<Mutex<Map>>, Arc<Notify>);

/// Over how long flights are spread whose pauses end at the same moment.
const HASTE: Duration = Duration::from_secs(1);

type Map = HashMap<Key, Arc<watch::Sender<Stage>>>;

fn open(map: &Mutex<Map>) -> MutexGuard<'_, Map> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flights {
    /// Whether none is under way.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        open(&self.0).is_empty()
    }

    /// Joins the flight for `key`, which `start` begins if there is none.
    pub(super) fn join(&self, key: Key, start: impl FnOnce(Landing)) -> watch::Receiver<Stage> {
        let mut map = open(&self.0);
        if let Some(flight) = map.get(&key) {
            return flight.subscribe();
        }
        let (sender, receiver) = watch::channel(Stage::UnderWay);
        let sender = Arc::new(sender);
        map.insert(key.clone(), Arc::clone(&sender));
        drop(map);
        start(Landing { flights: Arc::clone(&self.0), hasten: Arc::clone(&self.1), sender, key });
        receiver
    }

    /// What the pauses are for may be over: every flight looks anew.
    pub(super) fn hasten(&self) {
        self.1.notify_waiters();
    }
}

/// The flight's own end of itself. Dropped without [`Landing::land`], the flight ends with an error.
#[derive(Debug)]
pub(super) struct Landing {
    flights: Arc<Mutex<Map>>,
    hasten: Arc<Notify>,
    sender: Arc<watch::Sender<Stage>>,
    key: Key,
}

impl Landing {
    /// Ends the flight: whoever comes later starts another.
    pub(super) fn land(self, result: Result<(), Error>) {
        open(&self.flights).remove(&self.key);
        self.sender.send_replace(Stage::Done(result));
    }

    /// Whether anybody waits for it.
    pub(super) fn awaited(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Says when it is tried again and waits for that, or for the last caller to leave. False if nobody waits any more.
    pub(super) async fn pause(&self, error: Error, wait: Duration) -> bool {
        let at = Instant::now() + wait;
        self.sender.send_replace(Stage::Waiting { error, at });
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = self.hasten.notified() => tokio::time::sleep(HASTE.mul_f64(super::jitter())).await,
            () = self.sender.closed() => return false,
        }
        self.sender.send_replace(Stage::UnderWay);
        true
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // After `land` another flight may have this key: only our own is taken out.
        let mut flights = open(&self.flights);
        if flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.sender)) {
            flights.remove(&self.key);
            let died = Error::new(ErrorKind::Internal, "the refresh ended without a result; see the agent's log");
            self.sender.send_replace(Stage::Done(Err(died)));
        }
    }
}

/// As [`wait`], but for no other attempt after one that failed.
pub(super) async fn first_attempt(flight: watch::Receiver<Stage>, deadline: Instant) -> Result<(), Error> {
    wait(flight, deadline, Instant::now()).await
}

/// Waits for a flight's end until `deadline`, and for attempts that begin until `begun`.
pub(super) async fn wait(mut flight: watch::Receiver<Stage>, deadline: Instant, begun: Instant) -> Result<(), Error> {
    let mut last = None;
    loop {
        match &*flight.borrow_and_update() {
            Stage::Done(result) => return result.clone(),
            Stage::Waiting { error, at } if *at > begun => return Err(error.clone()),
            Stage::Waiting { error, .. } => last = Some(error.clone()),
            Stage::UnderWay => {}
        }
        match tokio::time::timeout_at(deadline, flight.changed()).await {
            Ok(Ok(())) => {}
            // Every flight says how it ended before it goes; this is for the type.
            Ok(Err(_)) => return Err(Error::new(ErrorKind::Internal, "the refresh ended without a result")),
            Err(_) => return Err(last.unwrap_or_else(|| Error::new(ErrorKind::TemporarilyUnavailable, TOO_SLOW))),
        }
    }
}

const TOO_SLOW: &str = "the authorization server has not answered yet; the refresh goes on, ask again";

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn key() -> Key {
        (1, Variant::default())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_hundred_callers_share_one_flight_and_its_result() {
        let flights = Flights::default();
        let started = AtomicU32::new(0);
        let mut landing = None;
        let callers: Vec<_> = (0..100)
            .map(|_| {
                flights.join(key(), |own| {
                    started.fetch_add(1, Ordering::Relaxed);
                    landing = Some(own);
                })
            })
            .collect();
        assert_eq!(started.load(Ordering::Relaxed), 1);
        landing.unwrap().land(Ok(()));
        for caller in callers {
            assert_eq!(wait(caller, soon(), soon()).await, Ok(()));
        }
        flights.join(key(), |_| {
            started.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(started.load(Ordering::Relaxed), 2, "a later caller starts anew");
    }

    #[tokio::test]
    async fn a_caller_who_cannot_wait_for_the_next_attempt_is_told_at_once() {
        let flights = Flights::default();
        let mut landing = None;
        let caller = flights.join(key(), |own| landing = Some(own));
        let landing = landing.unwrap();
        let error = Error::new(ErrorKind::TemporarilyUnavailable, "down");
        let pause = tokio::spawn({
            let error = error.clone();
            async move { landing.pause(error, Duration::from_secs(600)).await }
        });
        assert_eq!(wait(caller, soon(), soon()).await, Err(error));
        assert!(!pause.await.unwrap(), "the last caller has left, so the flight need not go on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_cut_short_when_what_it_is_for_may_be_over() {
        let flights = Flights::default();
        let mut landing = None;
        let mut caller = flights.join(key(), |own| landing = Some(own));
        let (landing, error) = (landing.unwrap(), Error::new(ErrorKind::TemporarilyUnavailable, "down"));
        let pause = tokio::spawn(async move { landing.pause(error, Duration::from_secs(600)).await });
        caller.wait_for(|stage| matches!(stage, Stage::Waiting { .. })).await.unwrap();
        let began = Instant::now();
        flights.hasten();
        assert!(pause.await.unwrap() && began.elapsed() <= HASTE);
    }

    #[tokio::test]
    async fn a_flight_that_dies_is_an_error_for_its_callers() {
        let flights = Flights::default();
        let caller = flights.join(key(), drop);
        assert_eq!(wait(caller, soon(), soon()).await.unwrap_err().kind(), ErrorKind::Internal);
    }
}

//! Going to sleep and waking up: no exchange is cut off by a sleep, because an answer that is lost may be a login lost.
//!
//! Where the system announces a sleep, it is held up for a moment: exchanges under way end, none starts, and the vault is
//! locked if that is wished. What listens is one file for each system. Where nothing can be heard, nothing is lost but
//! that: an exchange that a sleep cuts off is tried again like any other.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::debug;

use self::system::Session;
use super::gate::Closed;
use super::{Agent, to_the_end};

/// How long a sleep is held up at most: logind's own limit.
const PATIENCE: Duration = Duration::from_secs(5);
/// A sleep that has not come after so much running time doesn't come.
const NO_SLEEP: Duration = Duration::from_secs(60);

/// What the system announces.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other system is listened to yet"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// It goes to sleep as soon as nobody holds it up.
    GoingToSleep,
    /// It is awake again, or didn't sleep after all.
    Awake,
    /// The person's screen was locked.
    ScreenLocked,
}

/// Why nothing is heard of sleep and screen; `None` while something is.
#[derive(Debug)]
pub(super) struct Deaf(Mutex<Option<String>>);

impl Default for Deaf {
    fn default() -> Self {
        Self(Mutex::new(Some("the agent has just started".to_owned())))
    }
}

impl Deaf {
    fn reason(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn why(&self) -> Option<String> {
        self.reason().clone()
    }

    fn set(&self, why: Option<String>) {
        if let Some(why) = &why {
            debug!("sleep and screen locks are not heard of: {why}");
        }
        *self.reason() = why;
    }
}

impl Agent {
    /// Listens until the agent ends, or nobody is there to listen to.
    pub(super) async fn heed_sleep(self: Arc<Self>) {
        let mut session = match Session::connect(self.config.auto_lock.on_screen_lock).await {
            Ok(session) => session,
            Err(why) => return self.deaf.set(Some(why)),
        };
        self.deaf.set(None);
        loop {
            let news = match self.gate.is_asleep() {
                false => session.next().await,
                true => match tokio::time::timeout(NO_SLEEP, session.next()).await {
                    Ok(news) => news,
                    Err(_) => Some(News::Awake),
                },
            };
            match news {
                Some(News::GoingToSleep) => {
                    self.fall_asleep().await;
                    session.let_sleep();
                }
                Some(News::Awake) => {
                    self.wake_up();
                    session.delay_sleep().await;
                }
                Some(News::ScreenLocked) if self.config.auto_lock.on_screen_lock => {
                    self.lock_by_itself("the screen was locked", PATIENCE).await;
                }
                Some(News::ScreenLocked) => {}
                None => break,
            }
        }
        self.wake_up();
        self.deaf.set(Some("the system's bus has closed".to_owned()));
    }

    /// From now on no exchange starts; those under way end, and the vault is locked if that is wished.
    async fn fall_asleep(self: &Arc<Self>) {
        debug!("the machine goes to sleep");
        let agent = Arc::clone(self);
        let ready = to_the_end(async move {
            agent.gate.close(Closed::Asleep, PATIENCE).await;
            if agent.config.auto_lock.on_suspend {
                agent.lock_by_itself("the machine goes to sleep", Duration::ZERO).await;
            }
            Ok(())
        });
        // Locking may wait for somebody who is just unlocking: the machine doesn't wait for that.
        let _ = tokio::time::timeout(PATIENCE, ready).await;
    }

    fn wake_up(&self) {
        if self.gate.is_asleep() {
            self.gate.open(Closed::Asleep);
            self.conclude_anew("the machine is awake");
        }
    }
}

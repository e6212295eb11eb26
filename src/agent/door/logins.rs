//! Logins that were started at the door. Nobody stays connected meanwhile, so the door itself is the caller that takes part
//! in each: as on the socket, through the dispatcher, until it has ended, is cancelled or another one takes its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::answer::text;
use crate::agent::Agent;
use crate::clock::Timestamp;
use crate::ipc::message::login::{Authorize, Progress, Stage, StartLogin};
use crate::ipc::message::{Error, ErrorKind, Method as _, Notification as _, Request};
use crate::ipc::server::{Call, Inbox, Peer, Service as _};

/// Accounts whose last login is remembered; of more, one that has ended is forgotten.
const REMEMBERED: usize = 32;

/// By account.
#[derive(Default)]
pub(super) struct Logins(Mutex<BTreeMap<String, Held>>);

/// One login, under way or over. Dropped, the door has left it.
struct Held {
    authorize: Authorize,
    news: watch::Receiver<News>,
    _task: Task,
}

/// A task that ends with whoever holds this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone, Default)]
struct News {
    authorize: Option<Authorize>,
    stage: Option<Stage>,
    outcome: Option<Result<(), Error>>,
}

/// What `status` says of it.
#[derive(Debug, Serialize)]
pub(super) struct LoginStatus {
    /// The login's id.
    login: String,
    /// Where it stands.
    state: LoginState,
    /// How far it is, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    /// When it gives up.
    expires_at: Timestamp,
    /// Why it ended without a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum LoginState {
    Pending,
    Completed,
    Failed,
}

impl Logins {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an account's last login here.
    pub(super) fn status(&self, account: &str) -> Option<LoginStatus> {
        let held = self.held();
        let Held { authorize, news, .. } = held.get(account)?;
        let News { stage, outcome, .. } = news.borrow().clone();
        let (state, error) = match outcome {
            None => (LoginState::Pending, None),
            Some(Ok(())) => (LoginState::Completed, None),
            Some(Err(error)) => (LoginState::Failed, Some(error)),
        };
        let stage = stage.filter(|_| matches!(state, LoginState::Pending));
        Some(LoginStatus { login: authorize.login.clone(), state, stage, expires_at: authorize.expires_at, error })
    }

    /// Waits for the end of an account's login that is under way here, if there is one.
    pub(super) async fn wait(&self, account: &str, patience: Duration) {
        let news = self.held().get(account).map(|held| held.news.clone());
        if let Some(mut news) = news {
            let _ = tokio::time::timeout(patience, news.wait_for(|news| news.outcome.is_some())).await;
        }
    }

    /// The id of an account's login that is under way.
    pub(super) fn pending(&self, account: &str) -> Result<String, Error> {
        let held = self.held();
        let pending = held.get(account).filter(|held| held.news.borrow().outcome.is_none());
        let none = || Error::new(ErrorKind::Cancelled, "no login of that account is under way here; start one");
        pending.map(|held| held.authorize.login.clone()).ok_or_else(none)
    }

    fn keep(&self, held: Held) -> Result<(), Error> {
        let mut all = self.held();
        let account = held.authorize.account.clone();
        if all.len() >= REMEMBERED && !all.contains_key(&account) {
            let over = all.iter().find(|(_, held)| held.news.borrow().outcome.is_some());
            let over = over.map(|(account, _)| account.clone()).ok_or_else(|| {
                Error::new(ErrorKind::TemporarilyUnavailable, "too many logins are under way: cancel one, or wait")
            })?;
            all.remove(&over);
        }
        // The new one has joined already where they are the same: the old one may go.
        drop(all.insert(account, held));
        Ok(())
    }
}

impl Agent {
    /// Starts a login, or joins the same one that is under way; answers once the person can be sent to its URL.
    pub(super) async fn start_at_door(self: &Arc<Self>, peer: &Peer, start: &StartLogin) -> Result<Authorize, Error> {
        let (teller, mut news) = watch::channel(News::default());
        let (agent, peer, params) = (Arc::clone(self), peer.clone(), text(start)?);
        let task = tokio::spawn(async move {
            let inbox = Inbox::new();
            let notifier = inbox.notifier();
            let mut call = agent.call(Call { method: StartLogin::NAME.to_owned(), params, peer, notifier });
            let outcome = loop {
                tokio::select! {
                    biased;
                    Some(message) = inbox.next() => teller.send_modify(|news| news.take_in(&message)),
                    outcome = &mut call => break outcome,
                }
            };
            let outcome = outcome.map(drop);
            teller.send_modify(|news| news.outcome = Some(outcome));
        });
        let task = Task(task.abort_handle());
        let told = news.wait_for(|news| news.authorize.is_some() || news.outcome.is_some()).await;
        let News { authorize, outcome, .. } = told.map(|news| news.clone()).unwrap_or_default();
        match (authorize, outcome) {
            (Some(authorize), _) => {
                self.door.logins.keep(Held { authorize: authorize.clone(), news, _task: task })?;
                Ok(authorize)
            }
            (None, Some(Err(error))) => Err(error),
            // One that wants nothing of a person; or the agent stops.
            (None, _) => Err(Error::new(ErrorKind::Internal, "the login ended before it began; see the agent's log")),
        }
    }
}

impl News {
    fn take_in(&mut self, message: &[u8]) {
        let Ok(Request { method, params, .. }) = serde_json::from_slice(message) else { return };
        match method.as_str() {
            Authorize::NAME => self.authorize = serde_json::from_value(params).ok(),
            Progress::NAME => self.stage = serde_json::from_value(params).ok().map(|progress: Progress| progress.stage),
            _ => {}
        }
    }
}

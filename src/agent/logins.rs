//! Logins under way. Callers who want the same login share it; it ends when the last of them has left.
//!
//! Nothing is kept of a login before its tokens are: a login that is cancelled, refused or late leaves no trace.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::{Agent, random};
use crate::account::AccountName;
use crate::grant::{LoginChannel, LoginEvent, Paste};
use crate::ipc::message::login::{Authorize, CancelLogin, Flow, PasteCode, Progress, SignedIn, Stage};
use crate::ipc::message::{Done, Error, ErrorKind};
use crate::ipc::server::Notifier;

/// The longest text that is taken for a pasted code.
const MAX_PASTE: usize = 6000;

/// What has to be the same for two callers to share a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub(super) account: AccountName,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) client_id: String,
    pub(super) scope: Vec<String>,
    pub(super) flow: Flow,
    pub(super) browser: bool,
    pub(super) redirect_port: Option<u16>,
    pub(super) replace: bool,
    /// Whether its redirect may come to the HTTP door.
    pub(super) callbacks: bool,
}

/// The logins under way.
#[derive(Debug, Default)]
pub(super) struct Logins(Arc<Mutex<HashMap<Share, Arc<Pending>>>>);

fn open(map: &Mutex<HashMap<Share, Arc<Pending>>>) -> MutexGuard<'_, HashMap<Share, Arc<Pending>>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the callers of a login are told.
#[derive(Clone, Debug, Default)]
struct News {
    authorize: Option<Authorize>,
    stage: Option<Stage>,
    result: Option<Result<SignedIn, Error>>,
}

/// One login under way.
#[derive(Debug)]
struct Pending {
    id: String,
    pastes: mpsc::UnboundedSender<Paste>,
    news: watch::Receiver<News>,
    callers: AtomicUsize,
    task: AbortHandle,
}

/// A caller's part in a login; the last one to go ends it.
struct Caller {
    logins: Arc<Mutex<HashMap<Share, Arc<Pending>>>>,
    share: Share,
    pending: Arc<Pending>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut logins = open(&self.logins);
        if self.pending.callers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.pending.task.abort();
            if logins.get(&self.share).is_some_and(|pending| Arc::ptr_eq(pending, &self.pending)) {
                logins.remove(&self.share);
            }
        }
    }
}

impl Logins {
    /// Joins the login of that share, which `begin` starts if there is none.
    fn join<F>(&self, share: Share, begin: impl FnOnce(LoginChannel) -> F, titles: (String, String)) -> Caller
    where
        F: Future<Output = Result<SignedIn, Error>> + Send + 'static,
    {
        let mut logins = open(&self.0);
        let pending = logins.entry(share.clone()).or_insert_with(|| Arc::new(Pending::begin(begin, titles)));
        pending.callers.fetch_add(1, Ordering::Relaxed);
        Caller { logins: Arc::clone(&self.0), share, pending: Arc::clone(pending) }
    }

    fn find(&self, id: &str) -> Result<Arc<Pending>, Error> {
        let found = open(&self.0).values().find(|pending| pending.id == id).map(Arc::clone);
        found.ok_or_else(|| Error::new(ErrorKind::Cancelled, "that login has ended; start it again"))
    }

    /// Ends one. Whoever wants the same from then on begins anew.
    fn cancel(&self, id: &str) -> Result<(), Error> {
        self.find(id)?.task.abort();
        open(&self.0).retain(|_, pending| pending.id != id);
        Ok(())
    }

    /// Ends them all.
    pub(super) fn cancel_all(&self) {
        for (_, pending) in open(&self.0).drain() {
            pending.task.abort();
        }
    }

    /// Whether any is under way.
    #[cfg(unix)]
    pub(super) fn any(&self) -> bool {
        !open(&self.0).is_empty()
    }

    /// Whether a login of that account is under way.
    pub(super) fn concerns(&self, account: &AccountName) -> bool {
        open(&self.0).keys().any(|share| share.account == *account)
    }
}

impl Pending {
    fn begin<F>(begin: impl FnOnce(LoginChannel) -> F, (account, provider_title): (String, String)) -> Self
    where
        F: Future<Output = Result<SignedIn, Error>> + Send + 'static,
    {
        let id = format!("{:016x}", random());
        let (pastes, pasted) = mpsc::unbounded_channel();
        let (events, mut event) = mpsc::unbounded_channel();
        let (news, receiver) = watch::channel(News::default());
        let login = begin(LoginChannel { events, pastes: pasted });
        let teller = {
            let (news, id) = (news.clone(), id.clone());
            async move {
                while let Some(event) = event.recv().await {
                    news.send_modify(|news| news.take_in(event, &id, &account, &provider_title));
                }
            }
        };
        let task = tokio::spawn(async move {
            tokio::pin!(login);
            let result = tokio::select! {
                result = &mut login => result,
                () = teller => login.await,
            };
            news.send_modify(|news| news.result = Some(result));
        });
        Self { id, pastes, news: receiver, callers: AtomicUsize::new(0), task: task.abort_handle() }
    }
}

impl News {
    fn take_in(&mut self, event: LoginEvent, login: &str, account: &str, provider_title: &str) {
        match event {
            LoginEvent::Stage(stage) => self.stage = Some(stage),
            LoginEvent::Authorize { url, user_code, url_complete, redirect, paste, expires_at } => {
                self.authorize = Some(Authorize {
                    login: login.to_owned(),
                    account: account.to_owned(),
                    provider_title: provider_title.to_owned(),
                    url,
                    user_code,
                    url_complete,
                    redirect,
                    paste,
                    expires_at,
                });
            }
        }
    }
}

impl Caller {
    /// Passes the login's news on to this caller until it ends.
    async fn follow(&self, notifier: &Notifier) -> Result<SignedIn, Error> {
        let mut news = self.pending.news.clone();
        let (mut told, mut stage) = (false, None);
        loop {
            let now = news.borrow_and_update().clone();
            if let (Some(authorize), false) = (&now.authorize, told) {
                told = notifier.send(authorize);
            }
            if let Some(at) = now.stage.filter(|at| Some(*at) != stage) {
                stage = Some(at);
                notifier.send(&Progress { login: self.pending.id.clone(), stage: at });
            }
            if let Some(result) = now.result {
                return result;
            }
            if news.changed().await.is_err() {
                return Err(Error::new(ErrorKind::Cancelled, "the login was cancelled; nothing was kept"));
            }
        }
    }
}

impl Agent {
    /// Takes part in a login until it ends.
    pub(super) async fn take_part<F>(
        &self,
        share: Share,
        title: String,
        notifier: &Notifier,
        begin: impl FnOnce(LoginChannel) -> F,
    ) -> Result<SignedIn, Error>
    where
        F: Future<Output = Result<SignedIn, Error>> + Send + 'static,
    {
        let account = share.account.to_string();
        let caller = self.logins.join(share, begin, (account, title));
        caller.follow(notifier).await
    }

    pub(super) async fn paste(&self, paste: PasteCode) -> Result<Done, Error> {
        let pending = self.logins.find(&paste.login)?;
        if paste.text.len() > MAX_PASTE {
            let message = format!("{} characters are no code: at most {MAX_PASTE} are", paste.text.len());
            return Err(Error::new(ErrorKind::InvalidPaste, message));
        }
        let (answer, answered) = oneshot::channel();
        let ended = || Error::new(ErrorKind::Cancelled, "that login has ended; start it again");
        pending.pastes.send(Paste { text: paste.text, answer }).map_err(|_| ended())?;
        match answered.await {
            Ok(Ok(())) => Ok(Done {}),
            Ok(Err(reason)) => Err(Error::new(ErrorKind::InvalidPaste, reason)),
            Err(_) => Err(ended()),
        }
    }

    pub(super) fn cancel_login(&self, cancel: &CancelLogin) -> Result<Done, Error> {
        self.logins.cancel(&cancel.login)?;
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_after_a_cancel_begins_anew_and_ends_nobody_elses_login() {
        let (logins, begun) = (Logins::default(), AtomicUsize::new(0));
        let join = || {
            let share = Share {
                account: "one".parse().unwrap(),
                parameters: BTreeMap::new(),
                client_id: String::new(),
                scope: Vec::new(),
                flow: Flow::Browser,
                browser: true,
                redirect_port: None,
                replace: false,
                callbacks: false,
            };
            let begin = |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                std::future::pending()
            };
            logins.join(share, begin, (String::new(), String::new()))
        };
        let (first, second) = (join(), join());
        assert_eq!((begun.load(Ordering::Relaxed), &first.pending.id), (1, &second.pending.id));
        logins.cancel(&first.pending.id).unwrap();
        let third = join();
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        drop((first, second));
        assert!(logins.find(&third.pending.id).is_ok());
        drop(third);
        assert!(open(&logins.0).is_empty());
    }
}

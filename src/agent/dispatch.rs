//! The methods, by name: the one table behind every framing of the wire.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::audit::Asking;
use super::{Agent, to_the_end};
use crate::ipc::message::account::{ListAccounts, RenameAccount, SetDefault, ShowAccount, TrustProject};
use crate::ipc::message::agent::{AgentStatus, Doctor, Hello, RestartAgent, StopAgent, Welcome};
use crate::ipc::message::api_key::{RemoveApiKey, SetApiKey};
use crate::ipc::message::audit::ReadAudit;
use crate::ipc::message::aws::AssumeRole;
use crate::ipc::message::event::{Change, Event, Subscribe};
use crate::ipc::message::import::{ExportAccount, ImportAccount};
use crate::ipc::message::login::{CancelLogin, Logout, PasteCode, StartLogin};
use crate::ipc::message::password::{ListPasswords, RemovePassword, StorePassword};
use crate::ipc::message::provider::{CheckProvider, ListProviders, ShowProvider};
use crate::ipc::message::token::{GetToken, RefreshToken, RejectToken};
use crate::ipc::message::vault::{AddSlot, Adopt, Lock, RemoveSlot, Reset, Unlock, VaultStatus};
use crate::ipc::message::{Done, Error, ErrorKind, Method, PROTOCOL, agreed};
use crate::ipc::request;
use crate::ipc::server::{Answer, Call, Notifier, Peer, Service, WhenMoved};
use crate::secret::Secret;
use crate::version;

/// Methods that change what is kept: they run to their end whether or not their caller waits for it.
const CHANGES: &[&str] = &[
    ExportAccount::NAME,
    Logout::NAME,
    SetApiKey::NAME,
    RemoveApiKey::NAME,
    StorePassword::NAME,
    RemovePassword::NAME,
    SetDefault::NAME,
    RenameAccount::NAME,
    Lock::NAME,
    Unlock::NAME,
    Adopt::NAME,
    Reset::NAME,
    AddSlot::NAME,
    RemoveSlot::NAME,
];

/// Methods that use a login: while they are called the vault does not lock itself.
const USES: &[&str] = &[
    GetToken::NAME,
    AssumeRole::NAME,
    RejectToken::NAME,
    RefreshToken::NAME,
    StartLogin::NAME,
    ImportAccount::NAME,
    ExportAccount::NAME,
    Logout::NAME,
    SetApiKey::NAME,
    RemoveApiKey::NAME,
    StorePassword::NAME,
    RemovePassword::NAME,
    SetDefault::NAME,
    RenameAccount::NAME,
    AddSlot::NAME,
    RemoveSlot::NAME,
];

impl Service for Agent {
    fn call(self: Arc<Self>, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        if CHANGES.contains(&call.method.as_str()) {
            return Box::pin(async move {
                // Under way until it has ended and, unless its caller has left, is answered: a successor must not do it again.
                let pass = Arc::new(self.gate.change().await);
                let held = Arc::clone(&pass);
                let answer = to_the_end(async move {
                    let _held = held;
                    self.dispatch(call).await
                });
                let answer = answer.await;
                drop(pass);
                answer
            });
        }
        if call.method == StartLogin::NAME {
            return Box::pin(async move {
                let _pass = self.gate.change().await;
                Arc::clone(&self).dispatch(call).await
            });
        }
        Box::pin(self.dispatch(call))
    }

    fn refused(&self, peer: &Peer) {
        self.log_refused(peer);
    }

    fn when_moved(&self, method: &str) -> WhenMoved {
        match method {
            Subscribe::NAME => WhenMoved::Stands,
            RestartAgent::NAME => WhenMoved::Stays,
            _ => WhenMoved::AskedAgain,
        }
    }
}

/// Reads a method's parameters, runs it and writes its answer.
async fn run<M, F>(params: Secret, method: impl FnOnce(M) -> F) -> Result<Answer, Error>
where
    M: Method,
    F: Future<Output = Result<M::Answer, Error>>,
{
    let answer = method(request::parameters(&params)?).await?;
    match serde_json::to_string(&answer) {
        Ok(text) => Ok(Secret::from(text)),
        Err(_) => Err(Error::new(ErrorKind::Internal, format!("the answer to {} could not be written", M::NAME))),
    }
}

impl Agent {
    async fn dispatch(self: Arc<Self>, call: Call) -> Result<Answer, Error> {
        let Call { method, params, peer, notifier } = call;
        let asking = Asking::new(&method, peer, &self.audit, &self.clock);
        let answer = self.answer(&method, params, notifier, &asking).await;
        asking.end(answer.as_ref().err());
        answer
    }

    async fn answer(
        self: &Arc<Self>,
        method: &str,
        params: Secret,
        notifier: Notifier,
        asking: &Asking,
    ) -> Result<Answer, Error> {
        let agent = self;
        if USES.contains(&method) {
            agent.lock_if_idle().await;
            agent.touch();
        }
        match method {
            GetToken::NAME => run(params, |get| agent.get_token(get, asking)).await,
            AssumeRole::NAME => run(params, |assume| agent.assume_role(assume, asking)).await,
            RejectToken::NAME => run(params, |reject| agent.reject(reject, asking)).await,
            RefreshToken::NAME => run(params, |refresh| agent.refresh(refresh, asking)).await,
            StartLogin::NAME => run(params, |start| agent.start_login(start, &notifier, asking)).await,
            ImportAccount::NAME => run(params, |import| agent.import(import, asking)).await,
            ExportAccount::NAME => run(params, |export| agent.export(export, asking)).await,
            PasteCode::NAME => run(params, |paste| agent.paste(paste)).await,
            CancelLogin::NAME => run(params, async |cancel: CancelLogin| agent.cancel_login(&cancel)).await,
            Logout::NAME => run(params, |logout| agent.logout(logout, asking)).await,
            SetApiKey::NAME => run(params, |set| agent.set_api_key(set, asking)).await,
            RemoveApiKey::NAME => run(params, |remove| agent.remove_api_key(remove, asking)).await,
            StorePassword::NAME => run(params, |store| agent.store_password(store, asking)).await,
            RemovePassword::NAME => run(params, |remove| agent.remove_password(remove, asking)).await,
            ListPasswords::NAME => run(params, async |_: ListPasswords| agent.list_passwords().await).await,
            ListAccounts::NAME => run(params, async |_: ListAccounts| agent.list_accounts().await).await,
            ShowAccount::NAME => run(params, |show| agent.show_account(show)).await,
            SetDefault::NAME => run(params, |default| agent.set_default(default, asking)).await,
            RenameAccount::NAME => run(params, |rename| agent.rename(rename, asking)).await,
            TrustProject::NAME => run(params, async |trust: TrustProject| agent.trust_project(trust, asking)).await,
            ListProviders::NAME => run(params, async |_: ListProviders| Ok(agent.list_providers().await)).await,
            ShowProvider::NAME => run(params, async |show: ShowProvider| agent.show_provider(&show).await).await,
            CheckProvider::NAME => run(params, |check| agent.check_provider(check)).await,
            VaultStatus::NAME => run(params, async |_: VaultStatus| agent.vault_report().await).await,
            Lock::NAME => run(params, async |_: Lock| agent.lock().await).await,
            Unlock::NAME => run(params, |unlock| agent.unlock(unlock)).await,
            Adopt::NAME => run(params, async |_: Adopt| agent.adopt().await).await,
            Reset::NAME => run(params, async |_: Reset| agent.reset().await).await,
            AddSlot::NAME => run(params, |add| agent.add_slot(add, asking)).await,
            RemoveSlot::NAME => run(params, |remove| agent.remove_slot(remove)).await,
            Subscribe::NAME => run(params, async |_: Subscribe| Ok(agent.subscribe(notifier))).await,
            ReadAudit::NAME => run(params, |read| agent.read_audit(read, notifier)).await,
            Hello::NAME => run(params, async |hello: Hello| agent.welcome(&hello)).await,
            AgentStatus::NAME => run(params, async |_: AgentStatus| Ok(agent.agent_report())).await,
            Doctor::NAME => run(params, async |_: Doctor| Ok(agent.doctor().await)).await,
            RestartAgent::NAME => run(params, async |_: RestartAgent| agent.restart().await).await,
            StopAgent::NAME => run(params, async |_: StopAgent| Ok(agent.stop())).await,
            _ => Err(Error::new(ErrorKind::MethodNotFound, "no such method; see cred-helper-protocol(7)")),
        }
    }

    /// Sends every event to this caller until it is gone.
    fn subscribe(&self, notifier: Notifier) -> Done {
        let mut events = self.events.subscribe();
        let clock = Arc::clone(&self.clock);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = notifier.closed() => return,
                };
                let event = match event {
                    Ok(event) => event,
                    Err(RecvError::Lagged(missed)) => Event { at: clock.now(), change: Change::Lagged { missed } },
                    Err(RecvError::Closed) => return,
                };
                if !notifier.send(&event) {
                    return;
                }
            }
        });
        Done {}
    }

    fn stop(&self) -> Done {
        self.stop.send_replace(true);
        Done {}
    }

    fn welcome(self: &Arc<Self>, hello: &Hello) -> Result<Welcome, Error> {
        self.meet(&hello.client);
        let protocol = agreed(&hello.protocol, PROTOCOL).ok_or_else(|| {
            let message = format!("this agent speaks protocol {PROTOCOL}: install client and agent of one version");
            Error::new(ErrorKind::InvalidParams, message)
        })?;
        Ok(Welcome { protocol, version: version::own().to_owned() })
    }
}

//! From an address to the agent's methods. Each is asked of the dispatcher, so that rules, rate limits and the audit log are
//! those of the socket.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::answer::text;
use super::logins::LoginStatus;
use crate::account::AccountName;
use crate::agent::Agent;
use crate::clock::Timestamp;
use crate::ipc::door::route::{Pasted, Rejected, Route, body};
use crate::ipc::message::account::{AccountState, AccountStatus, Accounts, ListAccounts, Problem};
use crate::ipc::message::login::{CancelLogin, Logout, PasteCode, StartLogin};
use crate::ipc::message::provider::{ListProviders, Providers};
use crate::ipc::message::token::{AuthMethod, RefreshToken, RejectToken};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::{Answer, Peer};
use crate::token::Identity;

/// `GET /auth/{provider}/status`
#[derive(Debug, Serialize)]
struct Status {
    /// The provider's name.
    provider: String,
    /// Whether its tokens can be had.
    connected: bool,
    /// Where the login stands.
    state: AccountState,
    /// The account that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// Who signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    /// When the access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Whether the login's tokens or the API key answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<AuthMethod>,
    /// Whether an API key is there for when the login doesn't work.
    fallback: bool,
    /// Since when it answers in the place of the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback_since: Option<Timestamp>,
    /// Why it does, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    /// Every account of the provider.
    accounts: Vec<String>,
    /// The last login that was started here.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<LoginStatus>,
}

impl Agent {
    /// Answers what an address asks for.
    pub(super) async fn at_door(self: &Arc<Self>, peer: &Peer, route: Route, sent: &[u8]) -> Result<Answer, Error> {
        match route {
            Route::Start(start) => text(&self.start_at_door(peer, &StartLogin::from(*start)).await?),
            Route::Status(account, wait) => {
                self.door.logins.wait(&account.to_string(), wait).await;
                text(&self.status_at_door(peer, &account).await?)
            }
            Route::Paste(account) => {
                let Pasted { text } = body(sent, "text")?;
                let login = self.door.logins.pending(&account.to_string())?;
                self.ask(peer, &PasteCode { login, text }).await
            }
            Route::Cancel(account) => {
                let login = self.door.logins.pending(&account.to_string())?;
                self.ask(peer, &CancelLogin { login }).await
            }
            Route::Logout(account) => {
                let account = Some(account.to_string());
                self.ask(peer, &Logout { account, ..Logout::default() }).await
            }
            Route::Refresh(account) => self.ask(peer, &RefreshToken { account: Some(account.to_string()) }).await,
            Route::Token(get) => self.ask(peer, &*get).await,
            Route::Reject(account) => {
                let Rejected { token } = body(sent, "token")?;
                self.ask(
                    peer,
                    &RejectToken { account: Some(account.to_string()), token: Some(token), ..RejectToken::default() },
                )
                .await
            }
            Route::Accounts => self.ask(peer, &ListAccounts {}).await,
            // Served without the agent.
            Route::Description => text(&Value::Null),
        }
    }

    async fn status_at_door(self: &Arc<Self>, peer: &Peer, asked: &AccountName) -> Result<Status, Error> {
        let Accounts { accounts, .. } = read(&self.ask(peer, &ListAccounts {}).await?)?;
        let of_provider = |account: &&AccountStatus| {
            account.account.parse::<AccountName>().is_ok_and(|name| name.provider() == asked.provider())
        };
        let own: Vec<&AccountStatus> = accounts.iter().filter(of_provider).collect();
        let name = asked.to_string();
        // The one whose token is given to who asks for that name.
        let meant = self.table().find(Some(&name)).ok().map(|found| found.account.to_string());
        let found = own.iter().find(|account| Some(&account.account) == meant.as_ref()).copied();
        let login = self.door.logins.status(&name);
        if own.is_empty() && login.is_none() {
            self.known_at_door(peer, asked.provider()).await?;
        }
        let state = found.map_or(AccountState::SignedOut, |account| account.state);
        Ok(Status {
            provider: asked.provider().to_owned(),
            connected: match state {
                AccountState::SignedIn => true,
                // A new login is under way; there may be one before it, or a key alone.
                AccountState::Authorizing => found.is_some_and(|one| one.client_id.is_some() || one.refreshable),
                _ => false,
            },
            state,
            account: found.map(|account| account.account.clone()),
            identity: found.map(|account| account.identity.clone()),
            expires_at: found.and_then(|account| account.expires_at),
            method: found.map(|account| account.method),
            fallback: found.is_some_and(|account| account.api_key.is_some()),
            fallback_since: found.and_then(|account| account.fallback_since),
            reason: found.and_then(|account| account.fallback_reason.clone()),
            problem: found.and_then(|account| account.problem.clone()),
            accounts: own.iter().map(|account| account.account.clone()).collect(),
            login,
        })
    }

    async fn known_at_door(self: &Arc<Self>, peer: &Peer, name: &str) -> Result<(), Error> {
        let Providers { providers } = read(&self.ask(peer, &ListProviders {}).await?)?;
        match providers.iter().any(|provider| provider.name == name) {
            true => Ok(()),
            false => Err(self.unknown_provider(name)),
        }
    }
}

/// Reads an answer of our own.
fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    let odd = |_| Error::new(ErrorKind::Internal, "the agent does not understand its own answer; see its log");
    serde_json::from_str(&answer.expose()).map_err(odd)
}

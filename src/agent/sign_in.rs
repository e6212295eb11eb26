//! `login.start`: from a provider's name to a login that is safe in the vault.
//!
//! Everything that can be refused is refused before a browser opens: the name, the notice, the vault. The old login of
//! the account stays until the new one is on the disk, and is revoked then.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::accounts::{Account, renews_itself};
use super::audit::Asking;
use super::logins::Share;
use super::logout::revocable;
use super::providers::Named;
use super::{Agent, providers, refresher};
use crate::account::AccountName;
use crate::fault;
use crate::grant::{self, Authorized, Client, LoginChannel, LoginError, LoginRequest, PageAccount};
use crate::ipc::message::account::AccountState;
use crate::ipc::message::event::Change;
use crate::ipc::message::login::{SignedIn, Stage, StartLogin};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::Notifier;
use crate::provider::Provider;
use crate::provider::schema::ErrorClass;
use crate::redact;
use crate::secret::Secret;
use crate::token::ClientAuthentication;
use crate::vault::record::Record;

/// How long a person has.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A login that the server has granted and nobody has kept yet.
struct NewLogin {
    named: Named,
    account: AccountName,
    authorized: Authorized,
    asked_scope: Vec<String>,
    /// Whether the client's secret is the caller's own.
    caller_secret: bool,
}

impl Agent {
    pub(super) async fn start_login(
        self: &Arc<Self>,
        start: StartLogin,
        notifier: &Notifier,
        asking: &Asking,
    ) -> Result<SignedIn, Error> {
        // What a name means may be in the vault. One that stays closed is an error further down, not here.
        let _ = self.ensure_open().await;
        let named = self.named_provider(&start)?;
        let account = AccountName::new(&named.name, start.label.as_deref())
            .map_err(|error| Error::new(ErrorKind::InvalidParams, format!("the label: {error}")))?;
        // A token given for a label by mistake is not written down.
        asking.about(redact::server_text(&account.to_string()));
        if !named.provider.has_login() {
            let name = &named.name;
            let message = format!("{name}: this provider has API keys only: run `cred-helper api-key set {name}`");
            return Err(Error::new(ErrorKind::Misconfigured, message).account(name));
        }
        self.check_notice(providers::notice(&named.provider), start.accept_notice.as_deref())?;
        self.ensure_ready(start.browser).await?;
        check_complete(&named)?;
        let client = self.login_client(&start, &named, &account)?;
        let scope = sorted(if start.scope.is_empty() { &named.provider.scopes } else { &start.scope });
        // Whoever has the socket gets a listener of the login's own, which closes with it.
        let callbacks = asking.peer().is_at_door().then(|| self.door.callbacks()).flatten();
        let share = Share {
            account: account.clone(),
            parameters: named.parameters.clone(),
            client_id: client.id.clone(),
            scope: scope.clone(),
            flow: start.flow,
            browser: start.browser,
            redirect_port: start.redirect_port,
            replace: start.replace,
            callbacks: callbacks.is_some(),
        };
        let request = LoginRequest {
            provider: Arc::clone(&named.provider),
            account: account.to_string(),
            client,
            source: None,
            scope,
            flow: start.flow,
            browser: start.browser,
            redirect_port: start.redirect_port,
            callbacks,
            time_limit: TIME_LIMIT,
        };
        let title = named.provider.title.clone();
        let agent = Arc::clone(self);
        let caller_secret = start.client_secret.is_some();
        let begin = move |channel| agent.sign_in(named, account, request, channel, start.replace, caller_secret);
        self.take_part(share, title, notifier, begin).await
    }

    /// The client: the caller's, the provider's, or the one that the account was made with before.
    fn login_client(&self, start: &StartLogin, named: &Named, account: &AccountName) -> Result<Client, Error> {
        let before = self.table().named(account).map(|account| Arc::clone(&account.record));
        let before = before.filter(|record| record.read_only().is_none());
        let configured = &named.provider.client;
        let id = start.client_id.clone().or_else(|| configured.id.clone());
        let id = id.or_else(|| before.as_ref().map(|record| record.client_id.clone()));
        let id = id.or_else(|| (!named.provider.needs_client()).then(String::new)).ok_or_else(|| {
            let how = named.provider.registration.as_deref();
            let how = how.unwrap_or("register a native application there and give its identifier with --client-id");
            let name = named.provider_name.as_ref().unwrap_or(&named.name);
            let give = match (named.by_issuer, &named.provider.registration) {
                (false, Some(_)) => format!(". Give it with --client-id ID, or as client.id in [providers.{name}]"),
                _ => String::new(),
            };
            Error::new(ErrorKind::Misconfigured, format!("{}: no client identifier: {how}{give}", named.name))
        })?;
        let kept = before.filter(|record| record.client_id == id);
        let secret = start.client_secret.as_ref();
        let secret = secret.or(configured.secret.as_ref().filter(|_| configured.id.as_deref() == Some(id.as_str())));
        let secret = secret.or(kept.as_ref().and_then(|record| record.client_secret.as_ref())).map(Secret::duplicate);
        // How a secret would be shown says nothing of a client that has none.
        let shows_secret =
            |way: &ClientAuthentication| matches!(way, ClientAuthentication::Basic | ClientAuthentication::Post);
        let authentication = match &secret {
            Some(_) => configured.authentication.unwrap_or(ClientAuthentication::Basic),
            None => configured.authentication.filter(|way| !shows_secret(way)).unwrap_or_default(),
        };
        Ok(Client { id, secret, authentication, key: refresher::signing_key(&named.provider) })
    }

    pub(super) async fn sign_in(
        self: Arc<Self>,
        named: Named,
        account: AccountName,
        mut request: LoginRequest,
        channel: LoginChannel,
        replace: bool,
        caller_secret: bool,
    ) -> Result<SignedIn, Error> {
        let events = channel.events.clone();
        request.source = self.source_of(&account, &named.provider).await?;
        let asked_scope = request.scope.clone();
        let authorized = grant::log_in(&self.http, &*self.clock, request, channel).await;
        let mut authorized = authorized.map_err(|error| login_error(&account, error))?;
        // The tokens are there: from here on the login is finished even if every caller leaves.
        let page = authorized.page.take();
        let _ = events.send(grant::LoginEvent::Stage(Stage::Saving));
        let title = named.provider.title.clone();
        let agent = Arc::clone(&self);
        let login = NewLogin { named, account, authorized, asked_scope, caller_secret };
        let saving = tokio::spawn(async move { agent.save(login, replace).await });
        let saved = match saving.await {
            Ok(saved) => saved,
            Err(_) => Err(Error::new(ErrorKind::Internal, "the agent failed while it saved the login; see its log")),
        };
        if let Some(page) = page {
            page.finish(match &saved {
                Ok(signed_in) => Ok(PageAccount {
                    provider: title,
                    account: signed_in.account.clone(),
                    identity: signed_in.identity.display().map(str::to_owned),
                }),
                Err(error) => Err(error.message.clone()),
            });
        }
        saved
    }

    async fn save(self: &Arc<Self>, login: NewLogin, replace: bool) -> Result<SignedIn, Error> {
        if login.authorized.is_key {
            return self.save_key(login).await;
        }
        let (named, name) = (login.named.clone(), login.account.clone());
        let record = self.record(login);
        fault::point("login.keep");
        // Whoever locks or stops waits for this, as for a refresh.
        let _pass = match self.gate.enter_to_keep().await {
            Ok(pass) => pass,
            Err(closed) => return Err(self.give_back(&named, record, closed.into())),
        };
        let _turn = self.naming.lock().await;
        if self.vault.is_from_elsewhere()
            && let Err(error) = self.with_vault(|vault| vault.begin_anew()).await
        {
            return Err(self.give_back(&named, record, error));
        }
        let before = self.table().named(&name).map(|account| account.record.incarnation);
        let result = match before {
            Some(before) => self.renew_login(&named, before, record, replace).await,
            None => self.new_login(&named, record).await,
        };
        fault::point("login.answer");
        match result {
            Ok(record) => Ok(self.signed_in(&record, &named.provider, before.is_some())),
            Err((error, record)) => Err(self.give_back(&named, record, error)),
        }
    }

    /// A login that ended in an API key: the key is kept, and nothing else.
    async fn save_key(self: &Arc<Self>, login: NewLogin) -> Result<SignedIn, Error> {
        let NewLogin { named, account, authorized, .. } = login;
        fault::point("login.keep");
        let lost = |error: Error| {
            let why = format!(
                "{account}: the key was made and could not be kept: {}; take it away at the provider",
                error.message
            );
            Error { message: why, ..error }
        };
        let _pass = self.gate.enter_to_keep().await.map_err(|closed| lost(closed.into()))?;
        let renewed = self.keep_key(&named, &account, authorized.tokens.access, None).await.map_err(lost)?;
        fault::point("login.answer");
        Ok(SignedIn {
            account: account.to_string(),
            identity: authorized.identity,
            scope: Vec::new(),
            expires_at: None,
            refreshable: false,
            grant: None,
            api_key: true,
            renewed,
            persisted: !self.vault.is_in_memory(),
        })
    }

    /// What can't be kept is given back.
    fn give_back(self: &Arc<Self>, named: &Named, record: Record, error: Error) -> Error {
        let token = revocable(&named.provider, &record.tokens);
        self.revoke_later(Arc::new(record), Arc::clone(&named.provider), token);
        error
    }

    async fn new_login(self: &Arc<Self>, named: &Named, record: Record) -> Result<Arc<Record>, (Error, Record)> {
        let writing = record.duplicate();
        let written = match self.with_vault(move |vault| vault.create(&writing)).await {
            Ok(written) => written,
            Err(error) => return Err((error, record)),
        };
        Ok(self.enter(Account::new((written.id, written.version), record, Arc::clone(&named.provider))))
    }

    /// Replaces an account's login, in the same file, so that there are never two of them.
    async fn renew_login(
        self: &Arc<Self>,
        named: &Named,
        before: u64,
        mut record: Record,
        replace: bool,
    ) -> Result<Arc<Record>, (Error, Record)> {
        let write = self.table().get(before).map(|account| Arc::clone(&account.write));
        let Some(write) = write else { return self.new_login(named, record).await };
        let _turn = write.lock_owned().await;
        let found = self
            .table()
            .get(before)
            .map(|account| (account.stored.clone(), Arc::clone(&account.record), account.barred));
        let Some(((id, version), old, barred)) = found else { return self.new_login(named, record).await };
        let (was, is) = (&old.identity.subject, &record.identity.subject);
        if !replace && was.is_some() && is.is_some() && was != is {
            let message = format!(
                "{}: another person signed in than before; the account was left as it is (use --replace, or another --account)",
                record.account
            );
            return Err((Error::new(ErrorKind::OtherPerson, message).account(&record.account), record));
        }
        if !replace && old.parameters != record.parameters {
            let message = format!(
                "{}: it was signed in to with other parameters before; the account was left as it is (use --replace, or another \
                 --account)",
                record.account
            );
            return Err((Error::new(ErrorKind::OtherPerson, message).account(&record.account), record));
        }
        record.default_since = old.default_since;
        let (writing, at) = (record.duplicate(), id.clone());
        match self.with_vault(move |vault| vault.renew(&at, version, &writing)).await {
            Ok(version) => {
                let account = Account::new((id, version), record, Arc::clone(&named.provider));
                let entered = self.enter(account);
                let spare = revocable(&named.provider, &old.tokens);
                // Some servers give the same token again as long as it works; what came from elsewhere is perhaps used there.
                let same =
                    entered.tokens.refresh.iter().chain([&entered.tokens.access]).any(|new| new.matches(&spare.0));
                if barred.is_none() && !same {
                    self.revoke_later(old, Arc::clone(&named.provider), spare);
                }
                Ok(entered)
            }
            Err(error) => Err((error, record)),
        }
    }

    pub(super) fn enter(self: &Arc<Self>, mut account: Account) -> Arc<Record> {
        let record = Arc::clone(&account.record);
        let now = self.clock.moment();
        account.used = Some(now);
        self.plan(&account, now);
        if let Some(before) = self.table().insert(account) {
            self.schedule.forget(before.record.incarnation);
        }
        info!(account = %record.account, "signed in");
        self.announce(Change::State { account: record.account.to_string(), state: AccountState::SignedIn });
        self.note_source(&record.account);
        record
    }

    fn record(&self, login: NewLogin) -> Record {
        let NewLogin { named, account, authorized, asked_scope, caller_secret } = login;
        let Authorized { tokens, identity, endpoints, client, is_key: _, page: _ } = authorized;
        // A secret from the configuration stays there; only the caller's own has no other place.
        let configured = named.provider.client.secret.is_some() && !caller_secret;
        Record {
            issuer: endpoints.issuer,
            token_endpoint: endpoints.token,
            revocation_endpoint: endpoints.revocation,
            client_id: client.id,
            client_secret: client.secret.filter(|_| !configured),
            client_authentication: client.authentication,
            // What a person granted is renewed as granted.
            asked_scope: if named.provider.grant.needs_person() { Vec::new() } else { asked_scope },
            identity,
            ..named.login(account, tokens, self.clock.now())
        }
    }

    pub(super) fn signed_in(&self, record: &Record, provider: &Provider, renewed: bool) -> SignedIn {
        SignedIn {
            account: record.account.to_string(),
            identity: record.identity.clone(),
            scope: record.tokens.scope.clone(),
            expires_at: record.tokens.expires_at,
            refreshable: renews_itself(record, provider),
            api_key: false,
            grant: (!provider.grant.needs_person()).then(|| provider.grant.name().to_owned()),
            renewed,
            persisted: !self.vault.is_in_memory(),
        }
    }
}

/// What a preset can't know and the user has to add is asked for before anything is sent.
fn check_complete(named: &Named) -> Result<(), Error> {
    let lacks = named.provider.lacks();
    if lacks.is_empty() {
        return Ok(());
    }
    let (name, lacks) = (&named.name, lacks.join(", "));
    let how = named.provider.registration.as_deref().map(|how| format!("; {how}")).unwrap_or_default();
    let message = format!("{name} needs {lacks} in [providers.{name}] of the configuration{how}");
    Err(Error::new(ErrorKind::Misconfigured, message))
}

fn sorted(scope: &[String]) -> Vec<String> {
    let mut scope: Vec<String> = scope.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect();
    scope.sort();
    scope.dedup();
    scope
}

fn login_error(account: &AccountName, error: LoginError) -> Error {
    let kind = match &error {
        LoginError::Denied(_) => ErrorKind::Denied,
        LoginError::TimedOut(_) => ErrorKind::Cancelled,
        LoginError::Impossible(_) => ErrorKind::Misconfigured,
        LoginError::Failed(failure) => match failure.class {
            ErrorClass::Transient => ErrorKind::TemporarilyUnavailable,
            ErrorClass::Misconfigured => ErrorKind::Misconfigured,
            ErrorClass::Denied | ErrorClass::Dead => ErrorKind::Denied,
        },
    };
    Error::new(kind, format!("{account}: {error}")).account(account)
}

//! `account.import`: another program's login, read-only or taken over.
//!
//! Two programs that redeem one refresh token race, and a server that rotates logs both out. So either the token stays
//! where it is and is only read, or it is redeemed here at once, and the other program's copy is dead and known to be. A
//! login that is taken over is in the vault before its token is redeemed: whatever happens in between, it is not lost.

use std::sync::Arc;

use tokio::time::Instant;

use super::accounts::{Account, Variant};
use super::audit::Asking;
use super::providers::Named;
use super::reread::token_set;
use super::tokens::DEADLINE;
use super::{Agent, providers, to_the_end};
use crate::account::AccountName;
use crate::fault;
use crate::grant::{self, Endpoints};
use crate::import::Found;
use crate::ipc::message::import::{ImportAccount, ImportSource, ImportedFrom};
use crate::ipc::message::login::{SignedIn, StartLogin};
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;
use crate::token::ClientAuthentication;
use crate::vault::record::Record;

/// What was there before under the name of an import.
enum Before {
    Nothing,
    /// Another import that is only read, or a login that is dead: it makes room.
    Lesser(Arc<Record>),
    /// The same login, taken over before; perhaps its refresh token was not redeemed then.
    Same(Arc<Record>),
}

impl Agent {
    pub(super) async fn import(self: &Arc<Self>, import: ImportAccount, asking: &Asking) -> Result<SignedIn, Error> {
        let _ = self.ensure_open().await;
        let start =
            StartLogin { provider: import.provider.clone(), label: import.label.clone(), ..StartLogin::default() };
        let named = self.named_provider(&start)?;
        let name = AccountName::new(&named.name, import.label.as_deref())
            .map_err(|error| Error::new(ErrorKind::InvalidParams, format!("the label: {error}")))?;
        asking.about(&name);
        asking.detail(crate::redact::server_text(&import.source.shown()));
        if import.access_token.is_none() && import.refresh_token.is_none() {
            let message = format!("{name}: an import needs an access token, or a refresh token to own");
            return Err(Error::new(ErrorKind::InvalidParams, message).account(&name));
        }
        self.check_notice(providers::notice(&named.provider), import.accept_notice.as_deref())?;
        self.ensure_ready(import.interactive).await?;
        self.before(&name, import.refresh_token.as_ref())?;
        let source = import.source.clone();
        let owned = import.refresh_token.is_some();
        let record = self.imported_record(&named, name, import).await?;
        let agent = Arc::clone(self);
        let (incarnation, before) = to_the_end(async move { agent.put_import(named, record).await }).await?;
        if owned {
            self.take_over(incarnation, &before, &source).await?;
        }
        let found = self.table().get(incarnation).map(|one| (Arc::clone(&one.record), Arc::clone(&one.provider)));
        let (record, provider) = found.ok_or_else(|| self.gone())?;
        Ok(self.signed_in(&record, &provider, !matches!(before, Before::Nothing)))
    }

    /// What is under that name; an error if it must not be replaced.
    fn before(&self, name: &AccountName, refresh: Option<&Secret>) -> Result<Before, Error> {
        let record = self.table().named(name).map(|account| Arc::clone(&account.record));
        let Some(record) = record else { return Ok(Before::Nothing) };
        if record.read_only().is_some() || record.dead.is_some() {
            return Ok(Before::Lesser(record));
        }
        let had = [&record.tokens.refresh, &record.previous_refresh];
        let same = refresh.is_some_and(|refresh| had.into_iter().flatten().any(|token| token.matches(refresh)));
        if same {
            return Ok(Before::Same(record));
        }
        let message = format!(
            "{name} is signed in already: log it out first, or give the import a name of its own, such as {}/imported",
            name.provider()
        );
        Err(Error::new(ErrorKind::InvalidParams, message).account(name))
    }

    async fn imported_record(
        self: &Arc<Self>,
        named: &Named,
        account: AccountName,
        import: ImportAccount,
    ) -> Result<Record, Error> {
        let provider = &named.provider;
        let owned = import.refresh_token.is_some();
        let endpoints = if owned { Some(self.endpoints_of(named).await?) } else { None };
        let own_client = import.client_id.is_none() || import.client_id == provider.client.id;
        let client_id = import.client_id.or_else(|| provider.client.id.clone());
        if owned && client_id.is_none() {
            let message = format!(
                "{account}: its refresh token works only for the client it was made for: say which with --client-id"
            );
            return Err(Error::new(ErrorKind::Misconfigured, message).account(&account));
        }
        let has_secret = import.client_secret.is_some() || own_client && provider.client.secret.is_some();
        let default = if has_secret { ClientAuthentication::Basic } else { ClientAuthentication::None };
        let now = self.clock.moment();
        let found = Found {
            access_token: import.access_token,
            refresh_token: None,
            expires_at: import.expires_at,
            scope: import.scope,
            client_id: None,
            client_secret: None,
        };
        let mut tokens = token_set(found, now);
        tokens.refresh = import.refresh_token;
        Ok(Record {
            issuer: endpoints.as_ref().map_or_else(|| provider.issuer.clone(), |found| found.issuer.clone()),
            token_endpoint: endpoints.as_ref().map(|found| found.token.clone()).unwrap_or_default(),
            revocation_endpoint: endpoints.and_then(|found| found.revocation),
            client_id: client_id.filter(|_| owned).unwrap_or_default(),
            client_secret: import.client_secret.filter(|_| owned),
            client_authentication: provider.client.authentication.filter(|_| own_client).unwrap_or(default),
            imported: Some(ImportedFrom { source: import.source, owned }),
            ..named.login(account, tokens, now.wall)
        })
    }

    async fn endpoints_of(&self, named: &Named) -> Result<Endpoints, Error> {
        grant::endpoints(&self.http, &named.provider).await.map_err(|failure| {
            let kind = match failure.class {
                crate::provider::schema::ErrorClass::Transient => ErrorKind::TemporarilyUnavailable,
                _ => ErrorKind::Misconfigured,
            };
            Error::new(kind, format!("{}: {}; nothing was taken", named.name, failure.message))
        })
    }

    /// Puts it into the vault and the table; answers which incarnation it is, and what was there before.
    async fn put_import(self: Arc<Self>, named: Named, mut record: Record) -> Result<(u64, Before), Error> {
        let _pass = self.gate.enter_to_keep().await.map_err(Error::from)?;
        let _turn = self.naming.lock().await;
        if self.vault.is_from_elsewhere() {
            self.with_vault(|vault| vault.begin_anew()).await?;
        }
        let before = self.before(&record.account, record.tokens.refresh.as_ref())?;
        fault::point("import.keep");
        let old = match &before {
            Before::Same(same) => return Ok((same.incarnation, before)),
            Before::Nothing => None,
            Before::Lesser(old) => self.table().get(old.incarnation).map(|old| {
                record.default_since = old.record.default_since;
                (old.stored.clone(), Arc::clone(&old.write))
            }),
        };
        let stored = match old {
            Some(((id, _), write)) => {
                let _turn = write.lock_owned().await;
                // A token that was read anew meanwhile has made another version.
                let version = self.table().named(&record.account).map_or(0, |account| account.stored.1);
                let (writing, at) = (record.duplicate(), id.clone());
                (id, self.with_vault(move |vault| vault.renew(&at, version, &writing)).await?)
            }
            None => {
                let writing = record.duplicate();
                let written = self.with_vault(move |vault| vault.create(&writing)).await?;
                (written.id, written.version)
            }
        };
        let record = self.enter(Account::new(stored, record, Arc::clone(&named.provider)));
        fault::point("import.kept");
        Ok((record.incarnation, before))
    }

    /// Redeems the refresh token, so that the copy that was imported is dead. A server's refusal undoes the import.
    async fn take_over(
        self: &Arc<Self>,
        incarnation: u64,
        before: &Before,
        source: &ImportSource,
    ) -> Result<(), Error> {
        let redeemed = match before {
            Before::Same(record) => record.rotation > 0 || record.refreshed_at.is_some(),
            Before::Nothing | Before::Lesser(_) => false,
        };
        if redeemed {
            return Ok(());
        }
        let flight = self.renew(incarnation, Variant::default());
        let error =
            match self.gate.unless_locked(self.wait_for(incarnation, flight, Instant::now() + DEADLINE, None)).await? {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
        let from = source.shown();
        let refused = matches!(error.kind(), ErrorKind::LoginRequired | ErrorKind::Denied | ErrorKind::Misconfigured);
        if !refused {
            let message = format!(
                "{}; the login was taken from {from} and is safe here, but its refresh token is not redeemed yet and works \
                 there too: don't start that program, and run `cred-helper refresh` on this account",
                error.message
            );
            return Err(Error { message, ..error });
        }
        let old = match before {
            Before::Lesser(old) => Some(Arc::clone(old)),
            Before::Nothing | Before::Same(_) => None,
        };
        self.undo_import(incarnation, old).await?;
        let why = error.message.split(": run `cred-helper login").next().unwrap_or_default();
        let message = format!(
            "{why}; the server refuses the refresh token from {from}, so nothing was taken: it may have been renewed there \
             since, or belongs to another client"
        );
        Err(Error::new(error.kind(), message))
    }

    /// Takes an import out again, and puts back what was there before, to the end and under the name that nobody else gets
    /// meanwhile.
    pub(super) async fn undo_import(self: &Arc<Self>, incarnation: u64, old: Option<Arc<Record>>) -> Result<(), Error> {
        let agent = Arc::clone(self);
        to_the_end(async move {
            let _pass = agent.gate.change().await;
            let _turn = agent.naming.lock().await;
            let (Some(account), Some(old)) = (agent.forget(incarnation).await?, old) else { return Ok(()) };
            let (old, writing) = (old.duplicate(), old.duplicate());
            let written = agent.with_vault(move |vault| vault.create(&writing)).await?;
            agent.enter(Account::new((written.id, written.version), old, account.provider));
            Ok(())
        })
        .await
    }
}

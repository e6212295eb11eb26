//! `account.export`: a login leaves for another program.
//!
//! A refresh token has one owner. Whoever gets it here is the next, so the agent stops redeeming it before it says it:
//! durably, and without telling the server that the login has ended.

use std::sync::Arc;

use super::Agent;
use super::audit::Asking;
use super::tokens::{DEADLINE, gone};
use crate::ipc::message::account::AccountState;
use crate::ipc::message::event::Change;
use crate::ipc::message::import::{ExportAccount, ExportedAccount};
use crate::ipc::message::{Error, ErrorKind};
use crate::vault::record::Dead;

const GIVEN_AWAY: &str = "its refresh token was exported and belongs to whoever got it";

impl Agent {
    pub(super) async fn export(
        self: &Arc<Self>,
        export: ExportAccount,
        asking: &Asking,
    ) -> Result<ExportedAccount, Error> {
        self.ensure_open().await?;
        let (incarnation, exchange) = {
            let table = self.table();
            let account = table.resolve(export.account.as_deref())?;
            asking.about(&account.record.account);
            (account.record.incarnation, Arc::clone(&account.exchange))
        };
        self.admit(incarnation, asking, tokio::time::Instant::now() + DEADLINE).await?;
        // Nothing is redeemed meanwhile, nor what is being redeemed given away.
        let _turn = exchange.lock_owned().await;
        let (record, barred) = {
            let table = self.table();
            let account = table.get(incarnation).ok_or_else(gone)?;
            (Arc::clone(&account.record), account.barred)
        };
        let name = &record.account;
        if let Some(why) = barred {
            let why = crate::vault::VaultError::Barred(why);
            return Err(Error::new(why.kind(), format!("{name}: {why}")).account(name));
        }
        let Some(refresh) = record.tokens.refresh.as_ref() else {
            let message =
                format!("{name}: there is no refresh token to export; `export` without it gives the access token");
            return Err(Error::new(ErrorKind::NoSuchToken, message).account(name));
        };
        let at = self.clock.now();
        self.change(incarnation, |record| {
            record.revocation_endpoint = None;
            record.dead.get_or_insert_with(|| Dead { at, message: GIVEN_AWAY.to_owned() });
            // Whoever did it knows.
            record.told.death = true;
        })
        .await?;
        self.schedule.forget(incarnation);
        let account = name.to_string();
        self.announce(Change::State { account: account.clone(), state: AccountState::ReauthorizationRequired });
        self.note_source(name);
        Ok(ExportedAccount {
            account,
            access_token: record.tokens.access.duplicate(),
            token_type: record.tokens.token_type.clone(),
            expires_at: record.tokens.expires_at,
            refresh_token: refresh.duplicate(),
            scope: record.tokens.scope.clone(),
            client_id: record.client_id.clone(),
            token_endpoint: record.token_endpoint.clone(),
        })
    }
}

//! From a refresh request to its answer on the disk: one thread's work, see [`super::apart`].
//!
//! The server has rotated when it answers: until that is written down a kill loses the login, and nothing that could be done
//! before or after is done in between.

use std::sync::Arc;

use tracing::debug;

use super::accounts::{Narrowed, Variant};
use super::ends::{self, Ending};
use super::refresher::{Job, Means};
use super::{Agent, fingerprint};
use crate::clock::{Clock, Moment};
use crate::fault;
use crate::grant::{self, Failure, GrantRequest, Granted, RefreshRequest};
use crate::oauth::http::Http;
use crate::token::TokenSet;
use crate::vault::Prepared;
use crate::vault::record::Record;

/// A request that went out, and what came of it.
pub(super) struct Redeemed {
    pub(super) job: Job,
    pub(super) prepared: Prepared,
    /// With when it came.
    pub(super) answer: Result<(Granted, Moment), Failure>,
}

impl Job {
    /// Asks once.
    async fn ask(&self, http: &Http, clock: &dyn Clock) -> Result<Granted, Failure> {
        let Self { variant, stored: _, record, provider, client, means } = self;
        let (token_endpoint, issuer) = (provider.endpoint_now(&record.token_endpoint), record.issuer.as_deref());
        let audience = variant.audience.as_deref();
        match means {
            Means::Refresh(refresh_token) => {
                let scope = &variant.scope;
                let request =
                    RefreshRequest { provider, token_endpoint, client, refresh_token, scope, audience, issuer };
                grant::refresh(http, clock, request).await
            }
            Means::Grant(source) => {
                let scope = if variant.scope.is_empty() { &record.asked_scope } else { &variant.scope };
                let source = source.as_ref();
                let request = GrantRequest { provider, token_endpoint, client, source, scope, audience, issuer };
                grant::obtain(http, clock, request).await
            }
        }
    }
}

impl Agent {
    /// Sends the request and writes the answer down. Blocks in the end.
    pub(super) async fn redeem(self: Arc<Self>, job: Job, mut prepared: Prepared) -> Redeemed {
        fault::point("refresh.send");
        let answer = job.ask(&self.http, &*self.clock).await.map(|granted| {
            let at = self.clock.moment();
            fault::point("refresh.keep");
            let mut arrived = job.record.duplicate();
            apply(&mut arrived, &job.variant, granted.tokens.duplicate(), at);
            self.arrive(&mut prepared, arrived);
            (granted, at)
        });
        Redeemed { job, prepared, answer }
    }

    /// Writes an answer down before anything else is waited for: other writes, this record's turn, a disk that is slow.
    fn arrive(&self, prepared: &mut Prepared, mut record: Record) {
        if let Some(account) = self.table().get(record.incarnation) {
            record.used_at = account.used_at();
        }
        if let Err(error) = prepared.arrive(&record) {
            // Keeping it says so, if that fails too.
            debug!(account = %record.account, "not written ahead: {error}");
        }
    }
}

/// Puts an answer into a record. What the server left out stays as it was (RFC 6749 sections 5.1 and 6). The token of
/// another scope or audience is no part of the record and is given back.
pub(super) fn apply(record: &mut Record, variant: &Variant, answer: TokenSet, now: Moment) -> Option<Narrowed> {
    let obtained = answer.obtained();
    let TokenSet {
        access,
        refresh,
        refresh_end,
        id,
        token_type,
        expires_at,
        id_expires_at,
        obtained_at,
        obtained_boot,
        scope,
    } = answer;
    record.refreshed_at = Some(now.wall);
    record.dead = None;
    record.told.death = false;
    // The token just redeemed has proven itself, so what came before it is of no more use.
    record.previous_refresh = None;
    // Of a token that stays, an answer may say nothing: its end stays, too.
    if refresh.is_some() || refresh_end.is_some() {
        record.tokens.refresh_end = refresh_end.map(|end| end.following(record.tokens.refresh_end));
        let within = Ending::of_login(record).and_then(|ending| ending.within(now.wall));
        record.told.ends_within = ends::still_told(record.told.ends_within, within);
    }
    if let Some(refresh) = refresh {
        record.previous_refresh = record.tokens.refresh.replace(refresh);
        record.rotation += 1;
    }
    if !variant.is_plain() {
        let scope = if scope.is_empty() { variant.scope.clone() } else { scope };
        let lifetime = expires_at.map(|end| end.since(obtained_at));
        let fingerprint = fingerprint(&access);
        let (refresh_in, api_base) = (None, None);
        return Some(Narrowed { access, fingerprint, token_type, obtained, lifetime, refresh_in, scope, api_base });
    }
    if let Some(id) = id {
        record.tokens.id = Some(id);
        record.tokens.id_expires_at = id_expires_at;
    } else if let Some(end) = record.tokens.id_expires_at {
        // It ends when it ends, told by the clock as it is now: where nobody knows its age, at once.
        let lifetime = end.since(record.tokens.obtained_at);
        let age = obtained.since(record.tokens.obtained()).most().unwrap_or(lifetime);
        record.tokens.id_expires_at = Some(obtained_at + lifetime.saturating_sub(age));
    }
    if !scope.is_empty() {
        record.tokens.scope = scope;
    }
    // A newer token than those that were refused.
    record.fallback = None;
    record.tokens.access = access;
    record.tokens.token_type = token_type;
    record.tokens.expires_at = expires_at;
    record.tokens.obtained_at = obtained_at;
    record.tokens.obtained_boot = obtained_boot;
    None
}

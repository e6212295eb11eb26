//! `token.reject`: a server refused a token that was handed out. One refresh mends it, unless it was replaced already.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::accounts::{Account, Fingerprint, Variant, login_hint};
use super::audit::Asking;
use super::tokens::{DEADLINE, gone};
use super::{Agent, fingerprint};
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::token::{RejectOutcome, RejectToken, Rejection};
use crate::ipc::message::{Error, ErrorKind};

/// A fresh token that is refused again so soon won't be mended by yet another one.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

/// Whose token was refused.
enum Owner {
    Current(u64, String, Variant),
    Replaced(String),
    Nobody,
}

impl Agent {
    /// A server refused a token: one refresh, unless it was replaced already.
    pub(super) async fn reject(self: &Arc<Self>, reject: RejectToken, asking: &Asking) -> Result<Rejection, Error> {
        self.ensure_open().await?;
        let known = self.whose(&reject)?;
        let (incarnation, account, variant) = match known {
            Owner::Current(incarnation, account, variant) => (incarnation, account, variant),
            Owner::Replaced(account) => {
                asking.about(&account);
                return Ok(Rejection { account: Some(account), outcome: RejectOutcome::AlreadyReplaced });
            }
            Owner::Nobody => return Ok(Rejection { account: None, outcome: RejectOutcome::UnknownToken }),
        };
        asking.about(&account);
        asking.outcome(Outcome::Refreshed);
        let flight = self.renew(incarnation, variant);
        self.gate.unless_locked(self.wait_for(incarnation, flight, Instant::now() + DEADLINE)).await??;
        Ok(Rejection { account: Some(account), outcome: RejectOutcome::Refreshed })
    }

    fn whose(&self, reject: &RejectToken) -> Result<Owner, Error> {
        let now = self.clock.boot();
        let print = fingerprint(&reject.token);
        let mut table = self.table();
        let named = reject.account.as_deref().map(|name| table.resolve(Some(name))).transpose()?;
        let mut candidates: Box<dyn Iterator<Item = &Account>> = match named {
            Some(account) => Box::new(std::iter::once(account)),
            None => Box::new(table.iter()),
        };
        let Some((incarnation, variant)) = candidates.find_map(|account| {
            let replaced = account.replaced.contains(&print).then_some(None);
            let current = current_variant(account, &print).map(Some);
            Some((account.record.incarnation, current.or(replaced)?))
        }) else {
            return Ok(Owner::Nobody);
        };
        drop(candidates);
        let account = table.get_mut(incarnation).ok_or_else(gone)?;
        let name = account.record.account.to_string();
        let Some(variant) = variant else { return Ok(Owner::Replaced(name)) };
        let renewed = account.refused.as_ref() != Some(&variant);
        if renewed && account.rejected_at.is_some_and(|at| now.saturating_sub(at) < REJECTION_PAUSE) {
            let hint = login_hint(&account.record.account);
            let message = format!(
                "{name}: a token refreshed less than a minute ago was refused too, so another refresh won't help; \
                 check that the server accepts this account, or run `cred-helper login {hint}`"
            );
            return Err(Error::new(ErrorKind::Denied, message).account(name));
        }
        account.rejected_at = Some(now);
        account.refused = Some(variant.clone());
        Ok(Owner::Current(incarnation, name, variant))
    }
}

fn current_variant(account: &Account, print: &Fingerprint) -> Option<Variant> {
    if account.fingerprint == *print {
        return Some(Variant::default());
    }
    let narrowed = account.narrowed.iter().find(|(_, token)| token.fingerprint == *print);
    narrowed.map(|(variant, _)| variant.clone())
}

//! `token.reject`: a server refused a token that was handed out. One refresh mends it, unless it was replaced already; where
//! it doesn't, the account's API key answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::accounts::{Account, Variant};
use super::audit::Asking;
use super::resolve::login_hint;
use super::targets::unhex;
use super::tokens::{DEADLINE, gone};
use super::{Agent, fingerprint};
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::token::{RejectOutcome, RejectToken, Rejection};
use crate::ipc::message::{Error, ErrorKind};

/// A fresh token that is refused again so soon won't be mended by yet another one.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

const REFUSED_AGAIN: &str = "a token refreshed less than a minute ago was refused too";
const STILL_REFUSED: &str = "the first token since its login was refused is refused too";
const REFUSES_BOTH: &str = "a token was refused, and so was refreshing it";

/// What was refused.
enum Refused {
    /// A login's token: one refresh may mend that.
    Current(u64, String, Variant),
    /// One that came after a refusal, or is the first since a fallback: no matter of refreshing, and why.
    Again(u64, String, &'static str),
    /// The account's API key answers already.
    FallenBack(String),
    Key(u64, String),
    Replaced(String),
    Nobodys,
}

impl Agent {
    /// A server refused a token: one refresh, unless it was replaced already; and if that doesn't help, the API key.
    pub(super) async fn reject(self: &Arc<Self>, reject: RejectToken, asking: &Asking) -> Result<Rejection, Error> {
        self.ensure_open().await?;
        let (account, outcome) = match self.refused(&reject)? {
            Refused::Nobodys if self.was_password(&reject, asking).await? => {
                return Ok(Rejection { account: None, outcome: RejectOutcome::PasswordForgotten });
            }
            Refused::Nobodys => return Ok(Rejection { account: None, outcome: RejectOutcome::UnknownToken }),
            Refused::Replaced(account) => (account, RejectOutcome::AlreadyReplaced),
            Refused::FallenBack(account) => (account, RejectOutcome::ApiKey),
            Refused::Key(key, account) => {
                asking.about(&account);
                asking.detail("API key");
                return Err(self.key_refused(key));
            }
            Refused::Again(login, account, why) => {
                asking.about(&account);
                let error = no_matter_of_refreshing(&account, why);
                return self.instead(login, account, why, error, asking).await;
            }
            Refused::Current(login, account, variant) => {
                asking.about(&account);
                if self.reread(login).await {
                    return Ok(Rejection { account: Some(account), outcome: RejectOutcome::AlreadyReplaced });
                }
                asking.outcome(Outcome::Refreshed);
                let usual = variant.is_usual();
                let flight = self.renew(login, variant);
                // Whoever asks for a token next has it tried again.
                let now = Instant::now();
                let ended = self.gate.unless_locked(self.wait_for(login, flight, now + DEADLINE, Some(now))).await?;
                match ended {
                    // The refresh is refused, too; a network that fails says nothing of the login.
                    Err(error) if usual && refuses(&error) => {
                        return self.instead(login, account, REFUSES_BOTH, error, asking).await;
                    }
                    ended => ended?,
                }
                (account, RejectOutcome::Refreshed)
            }
        };
        asking.about(&account);
        Ok(Rejection { account: Some(account), outcome })
    }

    /// Whether it was a password that was kept for where it was refused; it isn't any longer.
    async fn was_password(self: &Arc<Self>, reject: &RejectToken, asking: &Asking) -> Result<bool, Error> {
        let (Some(url), Some(password)) = (&reject.password_for, &reject.token) else { return Ok(false) };
        let forgotten = self.forget_refused(url, password).await?;
        if forgotten {
            asking.detail("a password");
        }
        Ok(forgotten)
    }

    /// The API key answers in the place of a login; `error` where the account has none.
    async fn instead(
        self: &Arc<Self>,
        login: u64,
        account: String,
        why: &str,
        error: Error,
        asking: &Asking,
    ) -> Result<Rejection, Error> {
        match self.fall_back(login, why.to_owned()).await {
            Ok(()) => {
                asking.outcome(Outcome::Done);
                asking.detail("the API key answers from now on");
                Ok(Rejection { account: Some(account), outcome: RejectOutcome::ApiKey })
            }
            // It is refused itself.
            Err(refused) if refused.data.retry_at.is_some() => Err(refused),
            Err(_) => Err(error),
        }
    }

    fn refused(&self, reject: &RejectToken) -> Result<Refused, Error> {
        let now = self.clock.boot();
        let print = match (&reject.token, &reject.fingerprint) {
            (Some(token), None) => fingerprint(token),
            (None, Some(print)) => unhex(print)?,
            _ => return Err(Error::new(ErrorKind::InvalidParams, "the refused token is needed, or its fingerprint")),
        };
        let mut table = self.table();
        let named = reject.account.as_deref().map(|name| table.find(Some(name))).transpose()?;
        let is_meant = |account: &&Account| {
            let incarnation = Some(account.record.incarnation);
            named.as_ref().is_none_or(|named| [named.login, named.key].contains(&incarnation))
        };
        let Some(account) = table.known_to(&print).find(is_meant) else { return Ok(Refused::Nobodys) };
        let (incarnation, variant) = (account.record.incarnation, account.variant_of(&print));
        let account = table.get_mut(incarnation).ok_or_else(gone)?;
        let name = account.record.account.to_string();
        let Some(variant) = variant else { return Ok(Refused::Replaced(name)) };
        if account.record.is_api_key() {
            return Ok(Refused::Key(incarnation, name));
        }
        if variant.is_usual() && account.fallback.is_some() {
            return Ok(Refused::FallenBack(name));
        }
        if variant.is_usual() && account.on_trial && reject.forbidden {
            return Err(no_matter_of_refreshing(&name, STILL_REFUSED));
        }
        if variant.is_usual() && account.on_trial {
            return Ok(Refused::Again(incarnation, name, STILL_REFUSED));
        }
        let renewed = account.refused.as_ref() != Some(&variant);
        if renewed && account.rejected_at.is_some_and(|at| now.saturating_sub(at) < REJECTION_PAUSE) {
            return match variant.is_usual() && !reject.forbidden {
                true => Ok(Refused::Again(incarnation, name, REFUSED_AGAIN)),
                // A key has no scopes and no audience, and may do no more where it is the account that may not.
                false => Err(no_matter_of_refreshing(&name, REFUSED_AGAIN)),
            };
        }
        account.rejected_at = Some(now);
        account.refused = Some(variant.clone());
        Ok(Refused::Current(incarnation, name, variant))
    }
}

fn no_matter_of_refreshing(account: &str, why: &str) -> Error {
    let hint = account.parse().map_or_else(|_| account.to_owned(), |name| login_hint(&name));
    let message = format!(
        "{account}: {why}, so another refresh won't help; check that the server accepts this account, or run \
         `cred-helper login {hint}`"
    );
    Error::new(ErrorKind::Denied, message).account(account)
}

/// Whether it is the server's word on the login, not a matter of the network or of this machine.
fn refuses(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::LoginRequired | ErrorKind::Denied | ErrorKind::Misconfigured)
}

//! `token.get` and `token.refresh`: one request, told once.
//!
//! A token that is fresh is looked up under a short lock and handed out; nothing else runs. Everything else goes
//! through a flight (`single_flight.rs`), which asks the server once for everybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::accounts::{Account, Variant};
use super::audit::Asking;
use super::failures::barred_error;
use super::resolve::{Found as Resolved, login_hint};
use super::state::{self, Times, Verdict};
use super::{Agent, single_flight, variables};
use crate::clock::{Moment, Timestamp};
use crate::config::Source;
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::token::{AuthMethod, GetToken, RefreshToken, Refreshed, Token};
use crate::ipc::message::vault::VaultState;
use crate::ipc::message::{Error, ErrorKind};
use crate::token::TokenKind;

/// How long a caller waits who doesn't say.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// The longest a caller may wait.
const MAX_DEADLINE: Duration = Duration::from_secs(600);
/// How long a token lasts that has no end: longer than any machine.
const UNENDING: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
const VAULT_TOO_SLOW: &str = "the vault has not opened yet, perhaps its keyring does not answer; ask again";

/// What the table says to a request.
pub(super) enum Found {
    /// Hand it out; with `true`, refresh behind the caller's back.
    Serve(Box<Token>, bool),
    /// Refresh first; there may be one that is valid for that long.
    Renew(Option<Duration>),
}

impl Agent {
    pub(super) async fn get_token(self: &Arc<Self>, get: GetToken, asking: &Asking) -> Result<Token, Error> {
        let answered = self.answer_token(&get, asking).await;
        answered.map_err(|error| self.with_variables(error, &get))
    }

    async fn answer_token(self: &Arc<Self>, get: &GetToken, asking: &Asking) -> Result<Token, Error> {
        let deadline = get.deadline.map_or(DEADLINE, Duration::from_secs).min(MAX_DEADLINE);
        let deadline = Instant::now() + deadline;
        let opened = tokio::time::timeout_at(deadline, self.ensure_open()).await;
        let opened = opened.unwrap_or_else(|_| Err(Error::new(ErrorKind::TemporarilyUnavailable, VAULT_TOO_SLOW)));
        if let Some(url) = &get.target {
            return self.answer_target(url, opened, get, asking, deadline).await;
        }
        opened?;
        self.answer_account(&self.meant(get, asking)?, get, asking, deadline).await
    }

    /// The token of one account.
    pub(super) async fn answer_account(
        self: &Arc<Self>,
        resolved: &Resolved,
        get: &GetToken,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Token, Error> {
        self.admit(resolved.login.or(resolved.key).unwrap_or_default(), asking, deadline).await?;
        let Some(login) = resolved.login.filter(|_| resolved.key.is_none()) else {
            return self.answer_by_source(resolved, get, asking, deadline).await;
        };
        // Without a key there is nothing to choose from, unless the configuration forbids the login.
        match self.config.sources(&resolved.account).0.contains(&Source::Login) {
            true => self.login_token(login, get, asking, deadline).await,
            false => self.answer_by_source(resolved, get, asking, deadline).await,
        }
    }

    /// The login's own token, renewed if it is time.
    pub(super) async fn fresh_token(
        self: &Arc<Self>,
        incarnation: u64,
        get: &GetToken,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Token, Error> {
        let begun = get.retry_for.map(|seconds| Instant::now() + Duration::from_secs(seconds).min(MAX_DEADLINE));
        self.reread(incarnation).await;
        let (variant, found) = self.find(incarnation, get)?;
        asking.outcome(Outcome::Cached);
        let valid = match found {
            Found::Serve(token, false) => return Ok(*token),
            Found::Serve(token, true) => {
                drop(self.renew(incarnation, variant));
                return Ok(*token);
            }
            Found::Renew(valid) => valid,
        };
        let flight = self.renew(incarnation, variant.clone());
        let renewed = async {
            match valid {
                None => self.wait_for(incarnation, flight, deadline, begun).await,
                // While there is a valid one, nobody waits for a second attempt, nor until it has ended.
                Some(left) => single_flight::first_attempt(flight, deadline.min(Instant::now() + left / 2)).await,
            }
        };
        match self.gate.unless_locked(renewed).await? {
            Ok(()) => {
                asking.outcome(Outcome::Refreshed);
                self.after_renewal(incarnation, &variant, get)
            }
            Err(error) if valid.is_some() => self.still_valid(incarnation, &variant, get).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Waits for a flight, and for no attempt that begins after `begun`; what it says names the account.
    pub(super) async fn wait_for(
        &self,
        incarnation: u64,
        flight: watch::Receiver<single_flight::Stage>,
        deadline: Instant,
        begun: Option<Instant>,
    ) -> Result<(), Error> {
        let ended = single_flight::wait(flight, deadline, begun.unwrap_or(deadline)).await;
        ended.map_err(|error| match self.table().get(incarnation) {
            Some(account) if error.data.account.is_none() => {
                let name = &account.record.account;
                Error { message: format!("{name}: {}", error.message), ..error }.account(name)
            }
            _ => error,
        })
    }

    /// The token that there was, if it is still any good: shorter than asked is better than an error.
    pub(super) fn still_valid(&self, incarnation: u64, variant: &Variant, get: &GetToken) -> Option<Token> {
        let now = self.clock.moment();
        let table = self.table();
        let account = table.get(incarnation)?;
        let ended = times(account, variant, get.token_type)?.left(now).is_some_and(|left| left.is_zero());
        let valid = !ended && !refused(account, variant, get);
        valid.then(|| self.login_answer(account, variant, get, get.min_validity.is_none(), now).ok())?
    }

    /// The account that a request means.
    fn meant(&self, get: &GetToken, asking: &Asking) -> Result<Resolved, Error> {
        if let (None, Some(project)) = (&get.account, &get.project) {
            self.check_project(project)?;
        }
        let found = self.table().find(variables::asked(get))?;
        asking.about(&found.account);
        Ok(found)
    }

    /// Looks the token up; the only step that a fresh token needs.
    pub(super) fn find(&self, incarnation: u64, get: &GetToken) -> Result<(Variant, Found), Error> {
        let now = self.clock.moment();
        let mut table = self.table();
        let account = table.get_mut(incarnation).ok_or_else(|| self.gone())?;
        let first_use = !account.in_use(now);
        account.used = Some(now);
        let variant = variant(account, get);
        let found = self.look(account, &variant, get, now);
        if first_use {
            self.plan(account, now);
        }
        Ok((variant, found?))
    }

    /// The token that a renewal brought, however short it lasts: there is none better.
    pub(super) fn after_renewal(&self, incarnation: u64, variant: &Variant, get: &GetToken) -> Result<Token, Error> {
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(|| self.gone())?;
        let need = get.min_validity.map(Duration::from_secs);
        let times = times(account, variant, get.token_type).ok_or_else(|| no_such_token(account, get.token_type))?;
        let now = self.clock.moment();
        let verdict = state::judge(times, need, account.margin(variant), now);
        if verdict == Verdict::Expired && get.token_type == TokenKind::Id {
            return Err(id_not_renewed(account));
        }
        let met = match verdict {
            Verdict::Fresh | Verdict::Aging => true,
            Verdict::Short | Verdict::AsGoodAsItGets | Verdict::Doubtful => need.is_none(),
            Verdict::Expired => false,
        };
        self.login_answer(account, variant, get, met, now)
    }

    pub(super) async fn refresh(self: &Arc<Self>, refresh: RefreshToken, asking: &Asking) -> Result<Refreshed, Error> {
        self.ensure_open().await?;
        let (incarnation, rotation, usual) = {
            let table = self.table();
            let account = table.resolve(refresh.account.as_deref())?;
            asking.about(&account.record.account);
            self.admit_refresh(account, asking)?;
            (account.record.incarnation, account.record.rotation, account.usual())
        };
        self.reread(incarnation).await;
        asking.outcome(Outcome::Refreshed);
        self.forgive(incarnation);
        let flight = self.renew(incarnation, usual);
        self.gate.unless_locked(self.wait_for(incarnation, flight, Instant::now() + DEADLINE, None)).await??;
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(|| self.gone())?;
        Ok(Refreshed {
            account: account.record.account.to_string(),
            expires_at: ends_at(account, self.clock.moment()),
            rotated: account.record.rotation > rotation,
            persisted: account.persisted,
        })
    }
}

impl Agent {
    fn look(&self, account: &Account, variant: &Variant, get: &GetToken, now: Moment) -> Result<Found, Error> {
        if let Some(why) = account.barred {
            return Err(barred_error(account, why));
        }
        if get.token_type == TokenKind::Id && account.record.tokens.id.is_none() {
            return Err(no_such_token(account, TokenKind::Id));
        }
        if variant.second_step && (!get.scope.is_empty() || get.audience.is_some()) {
            return Err(no_such_variant(account));
        }
        let Some(times) = times(account, variant, get.token_type) else { return Ok(Found::Renew(None)) };
        let need = get.min_validity.map(Duration::from_secs);
        if refused(account, variant, get) {
            return Ok(Found::Renew(None));
        }
        let serve = |met| self.login_answer(account, variant, get, met, now).map(Box::new);
        Ok(match state::judge(times, need, account.margin(variant), now) {
            Verdict::Fresh => Found::Serve(serve(true)?, false),
            // A failed refresh has its own time for the next attempt.
            Verdict::Aging => Found::Serve(serve(true)?, account.is_refreshable() && account.problem.is_none()),
            Verdict::AsGoodAsItGets => Found::Serve(serve(false)?, false),
            Verdict::Short | Verdict::Doubtful if lasts(account, get) => Found::Serve(serve(need.is_none())?, false),
            Verdict::Short | Verdict::Doubtful => Found::Renew(Some(times.left(now).unwrap_or(times.lifetime))),
            Verdict::Expired if lasts(account, get) => return Err(id_not_renewed(account)),
            Verdict::Expired => Found::Renew(None),
        })
    }

    /// The answer. Its token is the only copy that leaves the table.
    fn login_answer(
        &self,
        account: &Account,
        variant: &Variant,
        get: &GetToken,
        met: bool,
        now: Moment,
    ) -> Result<Token, Error> {
        let tokens = &account.record.tokens;
        let missing = || no_such_token(account, get.token_type);
        let (token, token_type, ends, scope) = match get.token_type {
            TokenKind::Id => (
                tokens.id.as_ref().ok_or_else(missing)?,
                &tokens.token_type,
                tokens.id_expires_at.is_some(),
                &tokens.scope,
            ),
            TokenKind::Access if variant.is_plain() => {
                (&tokens.access, &tokens.token_type, tokens.expires_at.is_some(), &tokens.scope)
            }
            TokenKind::Access => {
                let token = account.narrowed(variant).ok_or_else(missing)?;
                (&token.access, &token.token_type, token.lifetime.is_some(), &token.scope)
            }
        };
        // By the clock as it is now, which is the caller's too.
        let times = times(account, variant, get.token_type).filter(|_| ends);
        let expires_at = times.and_then(|times| Some(now.wall - times.age(now)? + times.lifetime));
        let variables = self.variables(&account.provider, &account.record.account, get, &[Source::Login]);
        let unread = account.unread.as_ref().map(|why| format!("{}: {why}", account.record.account));
        let warning = (!account.persisted).then(|| {
            format!(
                "{}: the disk refuses to keep this login's newest state; see `cred-helper status`",
                account.record.account
            )
        });
        Ok(Token {
            account: account.record.account.to_string(),
            token: token.duplicate(),
            kind: get.token_type,
            token_type: token_type.clone(),
            method: AuthMethod::Oauth,
            source: account.record.read_only().map_or("login", |_| "import").to_owned(),
            fallback_since: None,
            fallback_reason: None,
            expires_at,
            scope: scope.clone(),
            key_header: None,
            headers: account.provider.api.headers.clone(),
            api_host: account.provider.api.host.clone(),
            api_base: account.narrowed(variant).and_then(|token| token.api_base.clone()),
            identity: account.record.identity.display().map(str::to_owned),
            min_validity_met: met,
            persisted: account.persisted,
            warning: warning.or(unread),
            environment: variables::names(&variables),
            variables,
            for_target: None,
        })
    }
}

/// The variant asked for; the login's own scopes are no variant.
pub(super) fn variant(account: &Account, get: &GetToken) -> Variant {
    let mut scope: Vec<String> =
        get.scope.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect();
    scope.sort();
    scope.dedup();
    if scope == account.record.tokens.scope {
        scope.clear();
    }
    match get.token_type {
        TokenKind::Access if account.provider.second_step.is_some() => account.usual(),
        TokenKind::Access => Variant { scope, audience: get.audience.clone(), second_step: false },
        // There is one ID token for each login; it comes with the login's own access token.
        TokenKind::Id => Variant::default(),
    }
}

/// Whether a server has refused this token, and no other has come since.
fn refused(account: &Account, variant: &Variant, get: &GetToken) -> bool {
    get.token_type == TokenKind::Access && account.refused.as_ref() == Some(variant)
}

/// Whether it is an ID token that no refresh replaces.
fn lasts(account: &Account, get: &GetToken) -> bool {
    get.token_type == TokenKind::Id && account.id_not_renewed
}

/// A token's times; `None` if there is no such token.
pub(super) fn times(account: &Account, variant: &Variant, kind: TokenKind) -> Option<Times> {
    let tokens = &account.record.tokens;
    let assumed = account.provider.refresh.assumed_lifetime;
    let made = |obtained: Moment, lifetime: Option<Duration>| Times { obtained, lifetime: lifetime.unwrap_or(assumed) };
    let until = |end: Option<Timestamp>| made(tokens.obtained(), end.map(|end| end.since(tokens.obtained_at)));
    match kind {
        TokenKind::Id => tokens.id.as_ref().map(|_| until(tokens.id_expires_at)),
        // A refresh token was imported alone, and is not redeemed yet.
        TokenKind::Access if variant.is_plain() && tokens.access.is_empty() => None,
        // Nothing renews it, and its server names no end: it is good until it is refused.
        TokenKind::Access if variant.is_plain() && tokens.expires_at.is_none() && !account.login_renews() => {
            Some(made(tokens.obtained(), Some(UNENDING)))
        }
        TokenKind::Access if variant.is_plain() => Some(until(tokens.expires_at)),
        TokenKind::Access => account.narrowed(variant).map(|token| made(token.obtained, token.lifetime)),
    }
}

/// When the token ends that programs usually get, by the wall clock as it is now; `None` if nobody knows.
pub(super) fn ends_at(account: &Account, now: Moment) -> Option<Timestamp> {
    let usual = account.usual();
    match account.narrowed(&usual) {
        Some(second) => drop(second.lifetime?),
        None => drop(account.record.tokens.expires_at?),
    }
    let times = times(account, &usual, TokenKind::Access)?;
    Some(now.wall - times.age(now)? + times.lifetime)
}

fn no_such_token(account: &Account, kind: TokenKind) -> Error {
    let name = &account.record.account;
    let message = match kind {
        TokenKind::Id => format!("{name}: the server gave no ID token; log in with the scope `openid`"),
        TokenKind::Access => format!("{name}: the server gave no such access token"),
    };
    Error::new(ErrorKind::NoSuchToken, message).account(name)
}

fn no_such_variant(account: &Account) -> Error {
    let name = &account.record.account;
    let message = format!("{name}: its tokens come by a second step, which takes neither scopes nor an audience");
    Error::new(ErrorKind::NoSuchToken, message).account(name)
}

fn id_not_renewed(account: &Account) -> Error {
    let name = &account.record.account;
    let hint = login_hint(name);
    let message =
        format!("{name}: the ID token has ended and the server gives no new one: run `cred-helper login {hint}`");
    Error::new(ErrorKind::LoginRequired, message).account(name)
}

pub(super) fn gone() -> Error {
    Error::new(ErrorKind::LoginRequired, "the account was logged out meanwhile; run `cred-helper login`")
}

impl Agent {
    /// Why an account that was there isn't any more.
    pub(super) fn gone(&self) -> Error {
        match self.vault.state() {
            VaultState::Locked => Error::new(ErrorKind::VaultLocked, super::vault_door::LOCKED),
            _ => gone(),
        }
    }
}

//! `token.get`, `token.reject` and `token.refresh`: one request, told once.
//!
//! A token that is fresh is looked up under a short lock and handed out; nothing else runs. Everything else goes
//! through a flight (`single_flight.rs`), which asks the server once for everybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::accounts::{Account, Variant};
use super::state::{self, Times, Verdict};
use super::{Agent, fingerprint, single_flight};
use crate::clock::Timestamp;
use crate::ipc::message::token::{
    AuthMethod, GetToken, RefreshToken, Refreshed, RejectOutcome, RejectToken, Rejection, Token,
};
use crate::ipc::message::{Error, ErrorKind};
use crate::token::TokenKind;

/// How long a caller waits who doesn't say.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest a caller may wait.
const MAX_DEADLINE: Duration = Duration::from_secs(600);
/// A fresh token that is refused again so soon won't be mended by yet another one.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

/// What the table says to a request.
enum Found {
    /// Hand it out; with `true`, refresh behind the caller's back.
    Serve(Box<Token>, bool),
    /// Refresh first; then, if that fails, hand this out.
    Renew(Option<Box<Token>>),
}

impl Agent {
    pub(super) async fn get_token(self: &Arc<Self>, get: GetToken) -> Result<Token, Error> {
        self.ensure_open().await?;
        let (incarnation, variant, found) = self.find(&get)?;
        let fallback = match found {
            Found::Serve(token, false) => return Ok(*token),
            Found::Serve(token, true) => {
                drop(self.renew(incarnation, variant));
                return Ok(*token);
            }
            Found::Renew(fallback) => fallback,
        };
        let wait = get.deadline.map_or(DEADLINE, Duration::from_secs).min(MAX_DEADLINE);
        let flight = self.renew(incarnation, variant.clone());
        match (single_flight::wait(flight, Instant::now() + wait).await, fallback) {
            (Ok(()), _) => self.after_renewal(incarnation, &variant, &get),
            // Valid, only shorter than asked: better than an error.
            (Err(_), Some(token)) => Ok(*token),
            (Err(error), None) => Err(error),
        }
    }

    /// Looks the token up; the only step that a fresh token needs.
    fn find(&self, get: &GetToken) -> Result<(u64, Variant, Found), Error> {
        let now = self.clock.now();
        let mut table = self.table();
        let incarnation = table.resolve(asked(get))?.record.incarnation;
        let account = table.get_mut(incarnation).ok_or_else(gone)?;
        let first_use = account.used_at.is_none_or(|used| now.since(used) >= super::schedule::IN_USE);
        account.used_at = Some(now);
        let variant = variant(account, get);
        let found = look(account, &variant, get, now);
        if first_use {
            self.schedule.plan(account, now);
        }
        Ok((incarnation, variant, found?))
    }

    /// The token that a renewal brought, however short it lasts: there is none better.
    fn after_renewal(&self, incarnation: u64, variant: &Variant, get: &GetToken) -> Result<Token, Error> {
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(gone)?;
        let need = get.min_validity.map(Duration::from_secs);
        let times = times(account, variant, get.token_type).ok_or_else(|| no_such_token(account, get.token_type))?;
        let verdict = state::judge(times, need, account.provider.refresh.margin, self.clock.now());
        let met = !matches!(verdict, Verdict::Short | Verdict::AsGoodAsItGets | Verdict::Expired);
        answer(account, variant, get, met || need.is_none())
    }

    pub(super) async fn refresh(self: &Arc<Self>, refresh: RefreshToken) -> Result<Refreshed, Error> {
        self.ensure_open().await?;
        let (incarnation, rotation) = {
            let table = self.table();
            let account = table.resolve(refresh.account.as_deref())?;
            (account.record.incarnation, account.record.rotation)
        };
        let flight = self.renew(incarnation, Variant::default());
        single_flight::wait(flight, Instant::now() + DEADLINE).await?;
        let table = self.table();
        let account = table.get(incarnation).ok_or_else(gone)?;
        Ok(Refreshed {
            account: account.record.account.to_string(),
            expires_at: account.record.tokens.expires_at,
            rotated: account.record.rotation > rotation,
            persisted: account.persisted,
        })
    }

    /// A server refused a token: one refresh, unless it was replaced already.
    pub(super) async fn reject(self: &Arc<Self>, reject: RejectToken) -> Result<Rejection, Error> {
        self.ensure_open().await?;
        let now = self.clock.now();
        let known = self.whose(&reject, now)?;
        let (incarnation, account, variant) = match known {
            Owner::Current(incarnation, account, variant) => (incarnation, account, variant),
            Owner::Replaced(account) => {
                return Ok(Rejection { account: Some(account), outcome: RejectOutcome::AlreadyReplaced });
            }
            Owner::Nobody => return Ok(Rejection { account: None, outcome: RejectOutcome::UnknownToken }),
        };
        let flight = self.renew(incarnation, variant);
        single_flight::wait(flight, Instant::now() + DEADLINE).await?;
        Ok(Rejection { account: Some(account), outcome: RejectOutcome::Refreshed })
    }

    fn whose(&self, reject: &RejectToken, now: Timestamp) -> Result<Owner, Error> {
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
        if account.rejected_at.is_some_and(|at| now.since(at) < REJECTION_PAUSE) {
            let message = format!(
                "{name}: a token refreshed less than a minute ago was refused too, so another refresh won't help; \
                 check that the server accepts this account, or run `cred-helper login {name}`"
            );
            return Err(Error::new(ErrorKind::Denied, message).account(name));
        }
        account.rejected_at = Some(now);
        Ok(Owner::Current(incarnation, name, variant))
    }
}

/// Whose token was refused.
enum Owner {
    Current(u64, String, Variant),
    Replaced(String),
    Nobody,
}

fn current_variant(account: &Account, print: &super::accounts::Fingerprint) -> Option<Variant> {
    if fingerprint(&account.record.tokens.access) == *print {
        return Some(Variant::default());
    }
    let narrowed = account.narrowed.iter().find(|(_, token)| fingerprint(&token.access) == *print);
    narrowed.map(|(variant, _)| variant.clone())
}

/// The variant asked for; the login's own scopes are no variant.
fn variant(account: &Account, get: &GetToken) -> Variant {
    let mut scope: Vec<String> =
        get.scope.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect();
    scope.sort();
    scope.dedup();
    if scope == account.record.tokens.scope {
        scope.clear();
    }
    Variant { scope, audience: get.audience.clone() }
}

fn look(account: &Account, variant: &Variant, get: &GetToken, now: Timestamp) -> Result<Found, Error> {
    if get.token_type == TokenKind::Id && account.record.tokens.id.is_none() {
        return Err(no_such_token(account, TokenKind::Id));
    }
    let Some(times) = times(account, variant, get.token_type) else { return Ok(Found::Renew(None)) };
    let need = get.min_validity.map(Duration::from_secs);
    let serve = |met| answer(account, variant, get, met).map(Box::new);
    let refreshable = account.record.tokens.refresh.is_some() && account.record.dead.is_none();
    Ok(match state::judge(times, need, account.provider.refresh.margin, now) {
        Verdict::Fresh => Found::Serve(serve(true)?, false),
        // A failed refresh has its own time for the next attempt.
        Verdict::Aging => Found::Serve(serve(true)?, refreshable && account.problem.is_none()),
        Verdict::AsGoodAsItGets => Found::Serve(serve(false)?, false),
        Verdict::Short => Found::Renew(Some(serve(need.is_none())?)),
        Verdict::Expired => Found::Renew(None),
    })
}

/// A token's times; `None` if there is no such token.
pub(super) fn times(account: &Account, variant: &Variant, kind: TokenKind) -> Option<Times> {
    let tokens = &account.record.tokens;
    let assumed = account.provider.refresh.assumed_lifetime;
    let made = |obtained_at: Timestamp, expires_at: Option<Timestamp>| Times {
        obtained_at,
        expires_at: expires_at.unwrap_or(obtained_at + assumed),
    };
    match kind {
        TokenKind::Id => tokens.id.as_ref().map(|_| made(tokens.obtained_at, tokens.id_expires_at)),
        TokenKind::Access if variant.is_plain() => Some(made(tokens.obtained_at, tokens.expires_at)),
        TokenKind::Access => account.narrowed.get(variant).map(|token| made(token.obtained_at, token.expires_at)),
    }
}

/// The answer. Its token is the only copy that leaves the table.
fn answer(account: &Account, variant: &Variant, get: &GetToken, met: bool) -> Result<Token, Error> {
    let tokens = &account.record.tokens;
    let missing = || no_such_token(account, get.token_type);
    let (token, token_type, expires_at, scope) = match get.token_type {
        TokenKind::Id => {
            (tokens.id.as_ref().ok_or_else(missing)?, &tokens.token_type, tokens.id_expires_at, &tokens.scope)
        }
        TokenKind::Access if variant.is_plain() => {
            (&tokens.access, &tokens.token_type, tokens.expires_at, &tokens.scope)
        }
        TokenKind::Access => {
            let token = account.narrowed.get(variant).ok_or_else(missing)?;
            (&token.access, &token.token_type, token.expires_at, &token.scope)
        }
    };
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
        source: "login".to_owned(),
        expires_at,
        scope: scope.clone(),
        headers: account.provider.api.headers.clone(),
        api_host: account.provider.api.host.clone(),
        identity: account.record.identity.display().map(str::to_owned),
        min_validity_met: met,
        persisted: account.persisted,
        warning,
        environment: outranking(account, get),
    })
}

/// The caller's variables that outrank the login: only where no particular account was asked for.
fn outranking(account: &Account, get: &GetToken) -> Vec<String> {
    let particular = asked(get).is_some_and(|asked| asked.contains('/'));
    match get.token_type {
        TokenKind::Access if !particular => account.provider.variables.oauth_token.clone(),
        _ => Vec::new(),
    }
}

/// The account a request names, itself or by its project.
fn asked(get: &GetToken) -> Option<&str> {
    get.account.as_deref().or_else(|| get.project.as_ref().map(|project| project.account.as_str()))
}

fn no_such_token(account: &Account, kind: TokenKind) -> Error {
    let name = &account.record.account;
    let message = match kind {
        TokenKind::Id => format!("{name}: the server gave no ID token; log in with the scope `openid`"),
        TokenKind::Access => format!("{name}: the server gave no such access token"),
    };
    Error::new(ErrorKind::NoSuchToken, message).account(name)
}

pub(super) fn gone() -> Error {
    Error::new(ErrorKind::LoginRequired, "the account was logged out meanwhile; run `cred-helper login`")
}

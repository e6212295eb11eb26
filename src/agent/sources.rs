//! Which of an account's sources answers: its login, its API key, or a variable of the caller's, in the order that the
//! configuration gives.
//!
//! The agent has the first two; the variables are the caller's, who is told their names. An API key answers where there is
//! no login, where a person has to log in again, and where servers refuse the login's tokens; never because a network fails.

use std::sync::Arc;

use tokio::time::Instant;

use super::Agent;
use super::accounts::{Account, Table, Variant};
use super::audit::Asking;
use super::failures::{barred_error, dead_error};
use super::refresher::not_renewable;
use super::resolve::Found;
use super::state::Verdict;
use super::tokens::times;
use super::variables::{self, name_variables};
use crate::account::AccountName;
use crate::clock::{Moment, Timestamp};
use crate::config::Source;
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::event::Change;
use crate::ipc::message::token::{AuthMethod, GetToken, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::token::TokenKind;
use crate::vault::VaultError;
use crate::vault::record::Fallback;

/// How a login stands.
#[derive(Clone, Debug, PartialEq)]
enum Login {
    Absent,
    Ready,
    /// Servers refuse its tokens.
    Refused(Fallback),
    /// A person has to log in again.
    Out(Error, Fallback),
}

/// How an API key stands.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    Absent,
    Ready,
    /// A server refused it a moment ago.
    Refused(Error),
    /// It has ended, or is not for this.
    Out(Error),
}

/// What answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answers {
    Login,
    /// The key, and why not the login, where there is one that comes first.
    Key(Option<Fallback>),
    Nobody(Error),
}

fn judge(key_first: bool, login: Login, key: Key) -> Answers {
    match (login, key) {
        (_, Key::Ready) if key_first => Answers::Key(None),
        (Login::Absent, Key::Ready) => Answers::Key(None),
        (Login::Absent, Key::Refused(error) | Key::Out(error)) => Answers::Nobody(error),
        (Login::Absent, Key::Absent) => Answers::Nobody(Error::new(ErrorKind::LoginRequired, NEITHER)),
        (Login::Ready, _) => Answers::Login,
        (Login::Refused(why) | Login::Out(_, why), Key::Ready) => Answers::Key(Some(why)),
        (Login::Refused(why), Key::Refused(error)) => {
            let message = format!("{}; before, {}", error.message, why.reason);
            Answers::Nobody(Error { message, ..error })
        }
        // Without a key that could answer there is nothing better.
        (Login::Refused(_), Key::Absent | Key::Out(_)) => Answers::Login,
        (Login::Out(error, _), Key::Absent) => Answers::Nobody(error),
        (Login::Out(error, _), Key::Refused(key) | Key::Out(key)) => {
            let message = format!("{}; {}", error.message, key.message);
            Answers::Nobody(Error { message, ..error })
        }
    }
}

const NEITHER: &str = "none of the account's `sources` in the configuration is there: see cred-helper.toml(5)";

impl Agent {
    /// What answers for an account.
    pub(super) fn answers(&self, table: &Table, found: &Found, get: &GetToken) -> Answers {
        let now = self.clock.moment();
        let sources = self.config.sources(&found.account).0;
        let place = |source| sources.iter().position(|other| *other == source);
        let login = found.login.filter(|_| place(Source::Login).is_some()).and_then(|login| table.get(login));
        let key = found.key.filter(|_| place(Source::ApiKey).is_some()).and_then(|key| table.get(key));
        if get.token_type == TokenKind::Id {
            // Only logins have them.
            return match login {
                Some(_) => Answers::Login,
                None => Answers::Nobody(keys_have_none(&found.account, "ID token")),
            };
        }
        let login = login.map_or(Login::Absent, |login| self.login_stands(login, now));
        let key = key.map_or(Key::Absent, |key| self.key_stands(key, get, now));
        let mut answers = judge(place(Source::ApiKey) < place(Source::Login), login, key);
        if let Answers::Nobody(error) = &mut answers {
            let provider = table.found(&found.account).and_then(|found| table.get(found.login.or(found.key)?));
            let variables = provider.map(|account| self.variables(&account.provider, &found.account, get, &[]));
            name_variables(error, variables.unwrap_or_default());
        }
        answers
    }

    fn login_stands(&self, account: &Account, now: Moment) -> Login {
        let record = &account.record;
        if let Some(why) = account.barred {
            let fallback = Fallback { since: record.signed_in_at, reason: VaultError::Barred(why).to_string() };
            return Login::Out(barred_error(account, why), fallback);
        }
        if let Some(dead) = &record.dead {
            let fallback = Fallback { since: dead.at, reason: dead.message.clone() };
            return Login::Out(dead_error(account, &dead.message), fallback);
        }
        if let Some(fallback) = &account.fallback {
            return Login::Refused(fallback.clone());
        }
        if let Some(fallback) = self.second_step_refused(account, now) {
            return Login::Refused(fallback);
        }
        let margin = account.provider.refresh.margin;
        let ended = !account.is_refreshable()
            && times(account, &Variant::default(), TokenKind::Access)
                .is_some_and(|times| super::state::judge(times, None, margin, now) == Verdict::Expired);
        if ended {
            let since = super::tokens::ends_at(account, now).unwrap_or(now.wall);
            let reason = "its token has ended and the server gave nothing to renew it with".to_owned();
            return Login::Out(not_renewable(account), Fallback { since, reason });
        }
        Login::Ready
    }

    fn key_stands(&self, account: &Account, get: &GetToken, now: Moment) -> Key {
        let name = &account.record.account;
        if get.audience.is_some() || !get.scope.is_empty() {
            return Key::Out(keys_have_none(name, "scopes and audiences"));
        }
        if let Some(why) = account.barred {
            return Key::Out(barred_error(account, why));
        }
        if key_ends(account, now).is_some_and(|end| end <= now.wall) {
            let message = format!("{name}: its API key has ended: store another with `cred-helper api-key set {name}`");
            return Key::Out(Error::new(ErrorKind::LoginRequired, message).account(name));
        }
        let refused = account.not_before.is_some_and(|until| until > self.clock.boot());
        match &account.problem {
            Some(problem) if refused => {
                let mut error = Error::new(problem.kind, problem.message.clone()).account(name);
                error.data.retry_at = problem.retry_at;
                Key::Refused(error)
            }
            _ => Key::Ready,
        }
    }

    /// Of an account that has a key: what answers now, and once more if that turns out to be dead.
    pub(super) async fn answer_by_source(
        self: &Arc<Self>,
        found: &Found,
        get: &GetToken,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Token, Error> {
        let answers = || self.answers(&self.table(), found, get);
        let mut now = answers();
        if let (Answers::Login, Some(login)) = (&now, found.login) {
            match self.login_token(login, get, asking, deadline).await {
                Err(error) if matches!(error.kind(), ErrorKind::LoginRequired | ErrorKind::Denied) => match answers() {
                    Answers::Login => return Err(error),
                    other => now = other,
                },
                other => return other,
            }
        }
        self.note_source(&found.account);
        match now {
            Answers::Key(fallback) => self.key_token(found, fallback, get, asking),
            Answers::Nobody(error) => Err(error),
            Answers::Login => Err(self.gone()),
        }
    }

    /// The API key as an answer.
    pub(super) fn key_token(
        self: &Arc<Self>,
        found: &Found,
        fallback: Option<Fallback>,
        get: &GetToken,
        asking: &Asking,
    ) -> Result<Token, Error> {
        let now = self.clock.moment();
        let mut table = self.table();
        // The login is in use, too: it is tried again.
        if let Some(login) = found.login.and_then(|login| table.get_mut(login)) {
            let first_use = !login.in_use(now);
            login.used = Some(now);
            if first_use && fallback.is_some() {
                self.plan(login, now);
            }
        }
        let account = found.key.and_then(|key| table.get_mut(key)).ok_or_else(|| self.gone())?;
        account.used = Some(now);
        let (api, name) = (&account.provider.api, &account.record.account);
        let expires_at = key_ends(account, now);
        let need = get.min_validity.map(std::time::Duration::from_secs);
        let met = need.zip(expires_at).is_none_or(|(need, end)| now.wall + need <= end);
        let warning = fallback.as_ref().map(|why| format!("{name}: its API key answers, because {}", why.reason));
        let variables = self.variables(&account.provider, name, get, &[Source::ApiKey]);
        asking.outcome(Outcome::Cached);
        asking.detail("API key");
        let (fallback_since, fallback_reason) = fallback.map(|why| (why.since, why.reason)).unzip();
        Ok(Token {
            account: name.to_string(),
            token: account.record.tokens.access.duplicate(),
            kind: TokenKind::Access,
            token_type: account.record.tokens.token_type.clone(),
            method: AuthMethod::ApiKey,
            source: "api key".to_owned(),
            fallback_since,
            fallback_reason,
            expires_at,
            scope: Vec::new(),
            key_header: api.key_header.clone(),
            headers: api.key_headers.clone(),
            api_host: api.host.clone(),
            api_base: None,
            identity: None,
            min_validity_met: met,
            persisted: account.persisted,
            warning,
            environment: variables::names(&variables),
            variables,
            for_target: None,
        })
    }

    /// Tells of it if an account that has both a login and a key answers with another one than before.
    pub(super) fn note_source(self: &Arc<Self>, name: &AccountName) {
        let mut table = self.table();
        let found = table.found(name).filter(|found| found.login.is_some() && found.key.is_some());
        let Some(found) = found else {
            table.serving.remove(name);
            return;
        };
        let (method, reason) = match self.answers(&table, &found, &GetToken::default()) {
            Answers::Login => (AuthMethod::Oauth, "the login works".to_owned()),
            Answers::Key(Some(why)) => (AuthMethod::ApiKey, why.reason),
            Answers::Key(None) => (AuthMethod::ApiKey, "the API key comes first in `sources`".to_owned()),
            Answers::Nobody(_) => return,
        };
        let before = table.serving.insert(name.clone(), method);
        drop(table);
        if before.is_some_and(|before| before != method) {
            tracing::info!(account = %name, ?method, "answers with the other one: {reason}");
            self.announce(Change::Source { account: name.to_string(), method, reason });
            self.tell_source(name, method);
        }
    }
}

/// When an API key ends, by the wall clock as it is now; `None` if nobody knows.
pub(super) fn key_ends(account: &Account, now: Moment) -> Option<Timestamp> {
    super::tokens::ends_at(account, now)
}

fn keys_have_none(name: &AccountName, what: &str) -> Error {
    Error::new(ErrorKind::NoSuchToken, format!("{name}: an API key has no {what}; a login may")).account(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_answers_where_a_login_cannot_and_nobody_where_both_cannot() {
        let why = |reason: &str| Fallback { since: Timestamp(1), reason: reason.to_owned() };
        let error = |message: &str| Error::new(ErrorKind::LoginRequired, message);
        let no = |message: &str| Answers::Nobody(error(message));
        let refused = || Login::Refused(why("refused"));
        let out = || Login::Out(error("dead"), why("dead"));
        let table = [
            (false, Login::Ready, Key::Ready, Answers::Login),
            (true, Login::Ready, Key::Ready, Answers::Key(None)),
            (true, Login::Ready, Key::Refused(error("k")), Answers::Login),
            (true, Login::Ready, Key::Absent, Answers::Login),
            (false, Login::Absent, Key::Ready, Answers::Key(None)),
            (false, Login::Absent, Key::Out(error("k")), no("k")),
            (false, Login::Absent, Key::Absent, no(NEITHER)),
            (false, refused(), Key::Ready, Answers::Key(Some(why("refused")))),
            (false, refused(), Key::Absent, Answers::Login),
            (false, refused(), Key::Out(error("k")), Answers::Login),
            (false, refused(), Key::Refused(error("k")), no("k; before, refused")),
            (false, out(), Key::Ready, Answers::Key(Some(why("dead")))),
            (true, out(), Key::Ready, Answers::Key(None)),
            (false, out(), Key::Absent, no("dead")),
            (false, out(), Key::Refused(error("k")), no("dead; k")),
        ];
        for (key_first, login, key, expected) in table {
            assert_eq!(judge(key_first, login.clone(), key.clone()), expected, "{key_first} {login:?} {key:?}");
        }
    }
}

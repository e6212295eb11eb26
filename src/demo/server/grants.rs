//! What the server remembers of what it granted: one *family* per login, its refresh tokens in the order they replaced
//! each other, and its access tokens. A refresh token that was replaced and comes again ends the whole family, because
//! either the client or a thief holds an old copy (RFC 9700 section 4.14.2). Time is an argument here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::options::{RotationMode, User};
use super::random;

/// What a person allowed a client to do.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub client_id: String,
    pub user: User,
    pub scope: Vec<String>,
    pub audiences: Vec<String>,
    pub nonce: Option<String>,
}

/// One login, as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The client.
    pub client_id: String,
    /// The user's subject identifier.
    pub subject: String,
    /// The scope granted.
    pub scope: Vec<String>,
    /// How many refresh tokens were issued in it.
    pub refresh_tokens: usize,
    /// How many access tokens were issued in it.
    pub access_tokens: usize,
    /// Why it ended, if it did.
    pub ended: Option<Ended>,
}

/// Why a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was revoked by the client (RFC 7009) or by the test.
    Revoked,
    /// A refresh token was used twice.
    RefreshTokenReused,
    /// Its authorization code was used twice (RFC 6749 section 4.1.2).
    CodeReplayed,
}

/// Every login there ever was.
#[derive(Debug, Default)]
pub(super) struct Grants {
    families: Vec<(Grant, Family)>,
    refresh: HashMap<String, RefreshToken>,
    access: HashMap<String, AccessToken>,
    issued: Vec<String>,
}

#[derive(Debug)]
struct RefreshToken {
    family: usize,
    replaced: Option<Instant>,
}

/// An access token that is worth something.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub family: usize,
    pub expires: Instant,
    pub scope: Vec<String>,
}

impl Grants {
    /// A new login.
    pub(super) fn begin(&mut self, grant: Grant) -> usize {
        let family = Family {
            client_id: grant.client_id.clone(),
            subject: grant.user.subject.clone(),
            scope: grant.scope.clone(),
            refresh_tokens: 0,
            access_tokens: 0,
            ended: None,
        };
        self.families.push((grant, family));
        self.families.len() - 1
    }

    /// What was allowed in it.
    pub(super) fn grant(&self, family: usize) -> &Grant {
        &self.families[family].0
    }

    /// A refresh token for it.
    pub(super) fn issue_refresh(&mut self, family: usize) -> String {
        let token = random::value("rt_");
        self.families[family].1.refresh_tokens += 1;
        self.refresh.insert(token.clone(), RefreshToken { family, replaced: None });
        self.remember(&token);
        token
    }

    /// Takes note of an access token for it.
    pub(super) fn add_access(&mut self, token: &str, access: AccessToken) {
        self.families[access.family].1.access_tokens += 1;
        self.access.insert(token.to_owned(), access);
        self.remember(token);
    }

    /// Remembers a token for [`Grants::issued`].
    pub(super) fn remember(&mut self, token: &str) {
        self.issued.push(token.to_owned());
    }

    /// Every token ever issued.
    pub(super) fn issued(&self) -> &[String] {
        &self.issued
    }

    /// Redeems a refresh token of a client: its family, and the token that replaces it, if one does.
    pub(super) fn redeem(
        &mut self,
        token: &str,
        client_id: &str,
        rotation: RotationMode,
        now: Instant,
    ) -> Result<(usize, Option<String>), &'static str> {
        let Some(known) = self.refresh.get_mut(token) else { return Err("the refresh token is not known") };
        let family = known.family;
        if self.families[family].0.client_id != client_id {
            return Err("the refresh token was issued to another client");
        }
        if self.families[family].1.ended.is_some() {
            return Err("the refresh token is revoked");
        }
        if let Some(replaced) = known.replaced {
            let grace = match rotation {
                RotationMode::Grace(grace) => grace,
                RotationMode::Strict | RotationMode::None => Duration::ZERO,
            };
            if grace.is_zero() || now.saturating_duration_since(replaced) > grace {
                self.end(family, Ended::RefreshTokenReused);
                return Err("the refresh token was used before; the whole login is revoked");
            }
        }
        match rotation {
            RotationMode::None => Ok((family, None)),
            RotationMode::Strict | RotationMode::Grace(_) => {
                known.replaced.get_or_insert(now);
                Ok((family, Some(self.issue_refresh(family))))
            }
        }
    }

    /// Ends a login; its first end is the one that is told.
    pub(super) fn end(&mut self, family: usize, why: Ended) {
        self.families[family].1.ended.get_or_insert(why);
    }

    /// The login a token of either kind belongs to, even when it has expired.
    pub(super) fn family_of(&self, token: &str) -> Option<usize> {
        self.refresh.get(token).map(|t| t.family).or_else(|| self.access.get(token).map(|t| t.family))
    }

    /// Whether a refresh token would be accepted.
    pub(super) fn is_active(&self, refresh_token: &str) -> bool {
        let Some(token) = self.refresh.get(refresh_token) else { return false };
        token.replaced.is_none() && self.families[token.family].1.ended.is_none()
    }

    /// An access token that is neither expired nor revoked.
    pub(super) fn live_access(&self, token: &str, now: Instant) -> Option<&AccessToken> {
        let access = self.access.get(token)?;
        (now < access.expires && self.families[access.family].1.ended.is_none()).then_some(access)
    }

    /// Makes every access token expire now.
    pub(super) fn expire_access(&mut self, now: Instant) {
        for token in self.access.values_mut() {
            token.expires = token.expires.min(now);
        }
    }

    /// Every login.
    pub(super) fn families(&self) -> impl Iterator<Item = &Family> {
        self.families.iter().map(|(_, family)| family)
    }

    /// How many logins there were.
    pub(super) fn len(&self) -> usize {
        self.families.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(grants: &mut Grants) -> String {
        let grant = Grant {
            client_id: "c".to_owned(),
            user: User::default(),
            scope: Vec::new(),
            audiences: Vec::new(),
            nonce: None,
        };
        let family = grants.begin(grant);
        grants.issue_refresh(family)
    }

    #[test]
    fn a_used_refresh_token_ends_the_family_once_its_grace_is_over() {
        for (rotation, later, allowed) in [
            (RotationMode::Strict, 0, false),
            (RotationMode::Grace(Duration::from_secs(30)), 30, true),
            (RotationMode::Grace(Duration::from_secs(30)), 31, false),
            (RotationMode::None, 99, true),
        ] {
            let (mut grants, start) = (Grants::default(), Instant::now());
            let first = login(&mut grants);
            grants.redeem(&first, "c", rotation, start).expect("a fresh token");
            let again = grants.redeem(&first, "c", rotation, start + Duration::from_secs(later));
            assert_eq!(again.is_ok(), allowed, "{rotation:?} after {later} s");
            let ended = (!allowed).then_some(Ended::RefreshTokenReused);
            assert_eq!(grants.families().next().expect("one").ended, ended);
        }
    }

    #[test]
    fn another_client_cannot_redeem_nor_harm_a_login() {
        let mut grants = Grants::default();
        let token = login(&mut grants);
        assert!(grants.redeem(&token, "thief", RotationMode::Strict, Instant::now()).is_err());
        assert!(grants.is_active(&token));
    }
}

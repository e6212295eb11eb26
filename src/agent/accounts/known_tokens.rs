//! Whose a token is, by its fingerprint, told anew whenever an account's tokens change: a question about a token looks at its
//! account alone, however many others there are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Account, Fingerprint, Narrowed, Table, Variant};
use crate::clock::Moment;

/// How many replaced access tokens an account knows again.
const REMEMBERED: usize = 8;

/// The logins and API keys by the tokens that they have, or had a while ago.
#[derive(Debug, Default)]
pub(super) struct KnownTokens {
    incarnations: HashMap<Fingerprint, BTreeSet<u64>>,
    tokens: HashMap<u64, Vec<Fingerprint>>,
}

impl KnownTokens {
    /// Those that it is known to; two may have imported the same one.
    pub(super) fn known_to(&self, token: &Fingerprint) -> impl Iterator<Item = u64> {
        self.incarnations.get(token).into_iter().flatten().copied()
    }

    /// What is known to it from now on; nothing to one that is gone.
    pub(super) fn set(&mut self, incarnation: u64, tokens: Vec<Fingerprint>) {
        for token in self.tokens.remove(&incarnation).unwrap_or_default() {
            let Some(others) = self.incarnations.get_mut(&token) else { continue };
            others.remove(&incarnation);
            if others.is_empty() {
                self.incarnations.remove(&token);
            }
        }
        for token in &tokens {
            self.incarnations.entry(*token).or_default().insert(incarnation);
        }
        if !tokens.is_empty() {
            self.tokens.insert(incarnation, tokens);
        }
    }
}

impl Account {
    /// Its token for other scopes or another audience.
    pub(in super::super) fn narrowed(&self, variant: &Variant) -> Option<&Arc<Narrowed>> {
        self.narrowed.get(variant)
    }

    /// The variant whose token this is now.
    pub(in super::super) fn variant_of(&self, token: &Fingerprint) -> Option<Variant> {
        if self.fingerprint == *token {
            return Some(Variant::default());
        }
        self.narrowed.iter().find(|(_, other)| other.fingerprint == *token).map(|(variant, _)| variant.clone())
    }

    fn tokens(&self) -> Vec<Fingerprint> {
        let narrowed = self.narrowed.values().map(|token| token.fingerprint);
        narrowed.chain(self.replaced.iter().copied()).chain([self.fingerprint]).collect()
    }

    fn remember_replaced(&mut self, token: Fingerprint) {
        self.replaced.truncate(REMEMBERED - 1);
        self.replaced.push_front(token);
    }
}

impl Table {
    /// A token for a variant; the one that it replaces is known for a while.
    pub(in super::super) fn narrow(&mut self, incarnation: u64, variant: Variant, token: Narrowed) {
        let Some(account) = self.accounts.get_mut(&incarnation) else { return };
        if let Some(replaced) = account.narrowed.insert(variant, Arc::new(token)) {
            account.remember_replaced(replaced.fingerprint);
        }
        self.find_tokens(incarnation);
    }

    /// Remembers an access token that has been replaced.
    pub(in super::super) fn remember_replaced(&mut self, incarnation: u64, token: Fingerprint) {
        self.accounts.get_mut(&incarnation).into_iter().for_each(|account| account.remember_replaced(token));
        self.find_tokens(incarnation);
    }

    /// Forgets the tokens for variants that have ended.
    pub(in super::super) fn forget_ended(&mut self, incarnation: u64, now: Moment) {
        let Some(account) = self.accounts.get_mut(&incarnation) else { return };
        let assumed = account.provider.refresh.assumed_lifetime;
        let lasts = |token: &Narrowed| now.since(token.obtained).least() < token.lifetime.unwrap_or(assumed);
        account.narrowed.retain(|_, token| lasts(token));
        self.find_tokens(incarnation);
    }

    /// Those whose token this is, or was a while ago.
    pub(in super::super) fn known_to(&self, token: &Fingerprint) -> impl Iterator<Item = &Account> {
        self.known.known_to(token).filter_map(|incarnation| self.get(incarnation))
    }

    /// To be called when an account comes or goes, or its record changes.
    pub(super) fn find_tokens(&mut self, incarnation: u64) {
        let tokens = self.accounts.get(&incarnation).map(Account::tokens);
        self.known.set(incarnation, tokens.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_to_those_who_have_it_and_to_nobody_once_they_are_gone() {
        let token = |byte: u8| [byte; 32];
        let mut known = KnownTokens::default();
        known.set(1, vec![token(1), token(2), token(2)]);
        known.set(2, vec![token(2)]);
        let to = |known: &KnownTokens, byte| known.known_to(&token(byte)).collect::<Vec<_>>();
        assert_eq!([to(&known, 1), to(&known, 2), to(&known, 3)], [vec![1], vec![1, 2], vec![]]);
        known.set(1, vec![token(3)]);
        assert_eq!([to(&known, 1), to(&known, 2), to(&known, 3)], [vec![], vec![2], vec![1]]);
        known.set(1, Vec::new());
        known.set(2, Vec::new());
        assert!(known.incarnations.is_empty() && known.tokens.is_empty());
    }
}

//! The accounts in memory. How a name finds one is in `resolve.rs`.
//!
//! The table is read under a short lock and never while waiting. What leaves it is shared (`Arc`) and immutable: a
//! change replaces a record as a whole. A task that comes back from waiting finds its account by its incarnation, and
//! finds none if the account was logged out or logged in anew meanwhile.

mod known_tokens;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::aws::Roles;
use super::fingerprint;
use super::own_hosts::OwnHosts;
use super::passwords::Kepts;
use crate::account::AccountName;
use crate::clock::{Moment, Timestamp};
use crate::import::Stamp;
use crate::ipc::message::Error;
use crate::ipc::message::account::Problem;
use crate::ipc::message::token::AuthMethod;
use crate::provider::Provider;
use crate::secret::Secret;
use crate::vault::record::{Fallback, Record};
use crate::vault::{Barred, RecordId};
use known_tokens::KnownTokens;

/// A token's fingerprint (SHA-256): enough to know it again, nothing to use it with.
pub(super) type Fingerprint = [u8; 32];

/// An account is in use if a program asked for it within this time.
const IN_USE: Duration = Duration::from_secs(24 * 3600);

/// Which of a login's tokens is meant, where it is not the one the login was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    /// Scopes, sorted; empty: as granted.
    pub(super) scope: Vec<String>,
    /// The audience or resource.
    pub(super) audience: Option<String>,
    /// Whether it is what the provider's second step brings.
    pub(super) second_step: bool,
}

impl Variant {
    /// Whether it is the login's own token.
    pub(super) fn is_plain(&self) -> bool {
        self.scope.is_empty() && self.audience.is_none() && !self.second_step
    }

    /// Whether it is what programs get who want nothing in particular.
    pub(super) fn is_usual(&self) -> bool {
        self.scope.is_empty() && self.audience.is_none()
    }
}

/// An access token for a variant, or of a second step; it lives in memory only.
#[derive(Debug)]
pub(super) struct Narrowed {
    pub(super) access: Secret,
    /// The token's, so that it is known again without opening it.
    pub(super) fingerprint: Fingerprint,
    pub(super) token_type: String,
    pub(super) obtained: Moment,
    /// None if the server doesn't say.
    pub(super) lifetime: Option<Duration>,
    /// When the server wants it to be fetched anew, where it says so.
    pub(super) refresh_in: Option<Duration>,
    pub(super) scope: Vec<String>,
    /// Where the API is, as far as the server says it with the token.
    pub(super) api_base: Option<String>,
}

/// One login, or one API key.
#[derive(Debug)]
pub(super) struct Account {
    /// Its record in the vault, and that record's version.
    pub(super) stored: (RecordId, u64),
    /// What is in the record, or will be once the disk takes it.
    pub(super) record: Arc<Record>,
    /// Of the record's access token, so that it is known again without opening it.
    pub(super) fingerprint: Fingerprint,
    /// The provider as it is configured now.
    pub(super) provider: Arc<Provider>,
    /// False while the disk refuses to keep `record`.
    pub(super) persisted: bool,
    /// Why the disk does not keep it, and since when.
    pub(super) unwritten: Option<Problem>,
    /// Tokens for other scopes and audiences.
    narrowed: HashMap<Variant, Arc<Narrowed>>,
    /// Credentials that its ID token was shown for.
    pub(super) roles: Roles,
    /// What is wrong, if anything is, and how often in a row.
    pub(super) problem: Option<Problem>,
    pub(super) failures: u32,
    /// No attempt before this (on the boot clock), however many ask.
    pub(super) not_before: Option<Duration>,
    /// Variants that the server refuses, and until when (on the boot clock) that is taken for its answer.
    pub(super) refused_variants: HashMap<Variant, (Error, Duration)>,
    /// The variant whose token a server refused, until it has been refreshed.
    pub(super) refused: Option<Variant>,
    /// Servers refuse the login's tokens, and the account's API key answers.
    pub(super) fallback: Option<Fallback>,
    /// Its token is the first since then: refused too, the key answers again at once.
    pub(super) on_trial: bool,
    /// How often in a row a new token was tried in vain.
    pub(super) trials: u32,
    /// The last refresh brought no ID token: another would bring none either.
    pub(super) id_not_renewed: bool,
    /// The server said `invalid_grant` since the grant last worked; a young one is asked about once more.
    pub(super) disowned: bool,
    /// Why its refresh token must not be redeemed, where its record came from a backup or from elsewhere.
    pub(super) barred: Option<Barred>,
    /// A refresh was sent and its answer never came.
    pub(super) answer_lost: bool,
    /// The last attempt reached no server.
    pub(super) unsent: bool,
    /// When a program last asked.
    pub(super) used: Option<Moment>,
    /// When the refresh token came.
    pub(super) granted: Moment,
    /// When (on the boot clock) a refused token last made it refresh.
    pub(super) rejected_at: Option<Duration>,
    /// The state of the file that it was imported from, as it was last read.
    pub(super) seen: Option<Stamp>,
    /// Why that file could not be read then.
    pub(super) unread: Option<String>,
    /// Subscribers were told that it ends within so many days.
    pub(super) warned: Option<u16>,
    /// Access tokens that were replaced lately.
    replaced: VecDeque<Fingerprint>,
    /// Held during an exchange: one at a time for each grant.
    pub(super) exchange: Arc<tokio::sync::Mutex<()>>,
    /// Held during a write: one at a time for each record.
    pub(super) write: Arc<tokio::sync::Mutex<()>>,
}

impl Account {
    pub(super) fn new(stored: (RecordId, u64), record: Record, provider: Arc<Provider>) -> Self {
        let granted_at = record.refreshed_at.unwrap_or(record.signed_in_at);
        Self {
            stored,
            used: record.used_at.map(Moment::by_wall),
            granted: Moment { wall: granted_at, boot: record.tokens.obtained_boot },
            warned: record.told.ends_within,
            fallback: record.fallback.clone(),
            on_trial: false,
            trials: 0,
            fingerprint: fingerprint(&record.tokens.access),
            record: Arc::new(record),
            provider,
            persisted: true,
            unwritten: None,
            narrowed: HashMap::new(),
            roles: Roles::default(),
            problem: None,
            failures: 0,
            not_before: None,
            refused_variants: HashMap::new(),
            refused: None,
            id_not_renewed: false,
            disowned: false,
            barred: None,
            answer_lost: false,
            unsent: false,
            rejected_at: None,
            seen: None,
            unread: None,
            replaced: VecDeque::new(),
            exchange: Arc::default(),
            write: Arc::default(),
        }
    }

    /// When a program last asked, by the wall clock.
    pub(super) fn used_at(&self) -> Option<Timestamp> {
        self.used.map(|used| used.wall)
    }

    /// Whether a program has asked for it lately: then it is renewed before anybody has to wait.
    pub(super) fn in_use(&self, now: Moment) -> bool {
        self.used.is_some_and(|used| now.since(used).least() < IN_USE)
    }

    /// The variant that programs get who want nothing in particular.
    pub(super) fn usual(&self) -> Variant {
        Variant { second_step: self.provider.second_step.is_some(), ..Variant::default() }
    }

    /// How long before its end a token is renewed ahead: the server's word comes first.
    pub(super) fn margin(&self, variant: &Variant) -> Duration {
        let told = self.narrowed.get(variant).and_then(|token| Some(token.lifetime?.saturating_sub(token.refresh_in?)));
        told.unwrap_or(self.provider.refresh.margin)
    }

    /// Whether new tokens can be had without a person.
    pub(super) fn is_refreshable(&self) -> bool {
        renews_itself(&self.record, &self.provider) && self.record.dead.is_none() && self.barred.is_none()
    }

    /// Whether the login's own token can be renewed without a person.
    pub(super) fn login_renews(&self) -> bool {
        self.record.tokens.refresh.is_some() || self.renews_by_grant()
    }

    /// Whether the exchange that made it also renews it.
    pub(super) fn renews_by_grant(&self) -> bool {
        !self.provider.grant.needs_person() && self.record.imported.is_none()
    }

    /// What programs get who want nothing in particular is newer than what was refused: it is tried.
    pub(super) fn try_login_again(&mut self) {
        self.on_trial = self.fallback.take().is_some();
        self.trials = if self.on_trial { self.trials + 1 } else { 0 };
    }
}

/// Every login and every API key, by incarnation, and their names.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) accounts: HashMap<u64, Account>,
    /// The logins.
    pub(super) names: BTreeMap<AccountName, u64>,
    /// The API keys.
    pub(super) keys: BTreeMap<AccountName, u64>,
    /// What answered last for each account that has both.
    pub(super) serving: HashMap<AccountName, AuthMethod>,
    /// The default account; told anew at every change, so that asking costs nothing.
    pub(super) default: Option<u64>,
    /// Who has an account at whose own host.
    pub(super) own: OwnHosts,
    /// Whose a token is.
    known: KnownTokens,
    /// The passwords that belong to no account.
    pub(super) passwords: Kepts,
    /// Whether what is in the vault is here.
    pub(super) loaded: bool,
    /// The turns of exchanges that were under way when the table was cleared: they count for the same login again.
    turns: HashMap<u64, Arc<tokio::sync::Mutex<()>>>,
}

impl Table {
    pub(super) fn get(&self, incarnation: u64) -> Option<&Account> {
        self.accounts.get(&incarnation)
    }

    pub(super) fn get_mut(&mut self, incarnation: u64) -> Option<&mut Account> {
        self.accounts.get_mut(&incarnation)
    }

    pub(super) fn named(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.get(self.names.get(name)?)
    }

    /// The API key of an account.
    pub(super) fn key_of(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.get(self.keys.get(name)?)
    }

    /// Every login and API key, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The same.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.accounts.values_mut()
    }

    fn names_of_kind(&mut self, api_key: bool) -> &mut BTreeMap<AccountName, u64> {
        if api_key { &mut self.keys } else { &mut self.names }
    }

    /// Puts a login or a key in; the one that had its name is given back.
    pub(super) fn insert(&mut self, mut account: Account) -> Option<Account> {
        let incarnation = account.record.incarnation;
        if let Some(turn) = self.turns.remove(&incarnation) {
            account.exchange = turn;
        }
        let name = account.record.account.clone();
        let names = self.names_of_kind(account.record.is_api_key());
        let before = names.insert(name.clone(), incarnation);
        let before = before.filter(|old| *old != incarnation).and_then(|old| self.accounts.remove(&old));
        let is_choice = |account: &Account| account.record.default_since.is_some();
        let mut chosen = is_choice(&account) || before.as_ref().is_some_and(is_choice);
        chosen |= self.accounts.insert(incarnation, account).as_ref().is_some_and(is_choice);
        before.iter().for_each(|before| self.find_tokens(before.record.incarnation));
        self.find_tokens(incarnation);
        self.find_hosts(&name);
        if chosen {
            self.find_default();
        }
        before
    }

    pub(super) fn remove(&mut self, incarnation: u64) -> Option<Account> {
        let account = self.accounts.remove(&incarnation)?;
        self.names_of_kind(account.record.is_api_key()).remove(&account.record.account);
        self.find_tokens(incarnation);
        self.find_hosts(&account.record.account);
        if account.record.default_since.is_some() {
            self.find_default();
        }
        Some(account)
    }

    /// Replaces an account's record, under its new name if that changed.
    pub(super) fn replace_record(&mut self, incarnation: u64, record: Arc<Record>) {
        let Some(before) = self.accounts.get(&incarnation).map(|account| account.record.account.clone()) else {
            return;
        };
        if before != record.account {
            let names = self.names_of_kind(record.is_api_key());
            names.remove(&before);
            names.insert(record.account.clone(), incarnation);
            self.find_hosts(&before);
            self.find_hosts(&record.account);
        }
        let Some(account) = self.accounts.get_mut(&incarnation) else { return };
        account.fingerprint = fingerprint(&record.tokens.access);
        let is_choice = account.record.default_since != record.default_since;
        account.record = record;
        self.find_tokens(incarnation);
        if is_choice {
            self.find_default();
        }
    }

    pub(super) fn clear(&mut self) {
        let mut turns = std::mem::take(&mut self.turns);
        turns.extend(self.accounts.drain().map(|(incarnation, account)| (incarnation, account.exchange)));
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        *self = Self { turns, ..Self::default() };
    }

    /// What is this account's own now, by its login's provider or its key's.
    fn find_hosts(&mut self, name: &AccountName) {
        let account = self.named(name).or_else(|| self.key_of(name));
        let provider = account.map(|account| Arc::clone(&account.provider));
        self.own.set(name, provider.as_deref().map_or(&[], |provider| &provider.targets));
    }

    /// The latest choice wins.
    fn find_default(&mut self) {
        let chosen = self.accounts.values().filter(|account| account.record.default_since.is_some());
        self.default =
            chosen.max_by_key(|account| account.record.default_since).map(|account| account.record.incarnation);
    }
}

/// Whether a login brought what renews it.
pub(super) fn renews_itself(record: &Record, provider: &Provider) -> bool {
    record.tokens.refresh.is_some() || !provider.grant.needs_person() || provider.second_step.is_some()
}

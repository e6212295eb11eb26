//! What ends for good at a known time: a login whose refresh token has an end, and an API key that was stored with one. It
//! is said before, 14 and 3 days, once each.
//!
//! A warning comes at the earliest when half of the life is over: a refresh token of half an hour that every refresh
//! replaces never ends as long as it is used, and to say so would be noise. Nothing polls: each account has its turn on the
//! agent's one alarm.

use std::sync::Arc;
use std::time::Duration;

use super::Agent;
use super::accounts::Account;
use super::sources::key_ends;
use crate::clock::{Moment, Timestamp};
use crate::ipc::message::event::{Change, Ends};
use crate::vault::record::Record;

/// How many days before the end it is said; the longest first.
const WARNINGS: [u16; 2] = [14, 3];

/// An end, and how long what ends has lasted by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) what: Ends,
    pub(super) at: Timestamp,
    lifetime: Duration,
}

impl Ending {
    /// How an account will end; `None` if that isn't known, or it has ended.
    pub(super) fn of(account: &Account, now: Moment) -> Option<Self> {
        if account.barred.is_some() {
            return None;
        }
        if account.record.is_api_key() {
            let at = key_ends(account, now)?;
            return Some(Self { what: Ends::ApiKey, at, lifetime: at.since(account.record.signed_in_at) });
        }
        Self::of_login(&account.record)
    }

    /// The same of a login's record.
    pub(super) fn of_login(record: &Record) -> Option<Self> {
        let end = record.tokens.refresh_end.filter(|_| record.tokens.refresh.is_some() && record.dead.is_none())?;
        Some(Self { what: Ends::RefreshToken, at: end.at, lifetime: Duration::from_secs(end.lifetime) })
    }

    fn warnings(self) -> impl DoubleEndedIterator<Item = (u16, Timestamp)> {
        let before = |days: u16| Duration::from_secs(u64::from(days) * 24 * 3600);
        let late = move |days: &u16| self.lifetime >= before(*days) * 2;
        WARNINGS.into_iter().filter(late).map(move |days| (days, self.at - before(days)))
    }

    /// Within how many days it ends, once that is to be said.
    pub(super) fn within(self, now: Timestamp) -> Option<u16> {
        self.warnings().rev().find(|(_, from)| *from <= now).map(|(days, _)| days)
    }

    /// When something is to be said that is not to be said yet.
    fn next(self, now: Timestamp) -> Option<Timestamp> {
        self.warnings().map(|(_, from)| from).find(|from| *from > now)
    }
}

/// Whether there is something to say, of which the last was `told`.
pub(super) fn is_news(told: Option<u16>, within: Option<u16>) -> bool {
    within.is_some_and(|days| told.is_none_or(|told| days < told))
}

/// What counts as told after the end has moved: of an end that is farther away again, it will be said anew.
pub(super) fn still_told(told: Option<u16>, within: Option<u16>) -> Option<u16> {
    told.zip(within).map(|(told, within)| told.max(within))
}

impl Agent {
    /// Plans when an account's end is spoken of; at once, if that is due.
    pub(super) fn plan_end(&self, account: &Account, now: Moment) {
        let wait = Ending::of(account, now).and_then(|ending| match is_news(account.warned, ending.within(now.wall)) {
            true => Some(Duration::ZERO),
            false => ending.next(now.wall).map(|at| at.since(now.wall)),
        });
        self.schedule.set_end(account.record.incarnation, wait.map(|wait| self.clock.boot() + wait));
    }

    /// Tells of what ends soon, where that is due.
    pub(super) fn warn_of_ends(self: &Arc<Self>) {
        let now = self.clock.moment();
        let mut any = false;
        for incarnation in self.schedule.take_ends(self.clock.boot()) {
            let mut table = self.table();
            let Some(account) = table.get_mut(incarnation) else { continue };
            let Some(ending) = Ending::of(account, now) else { continue };
            let within = ending.within(now.wall);
            let news = within.filter(|_| is_news(account.warned, within));
            account.warned = news.or(account.warned);
            self.plan_end(account, now);
            let name = account.record.account.to_string();
            drop(table);
            if let Some(within) = news {
                self.announce(Change::Ending { account: name, what: ending.what, ends_at: ending.at, within });
                any = true;
            }
        }
        // Once, because it looks through all accounts.
        if any {
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn ending(lifetime: u64) -> Ending {
        Ending {
            what: Ends::ApiKey,
            at: Timestamp(0) + Duration::from_secs(1000 * DAY),
            lifetime: Duration::from_secs(lifetime * DAY),
        }
    }

    #[test]
    fn an_end_is_spoken_of_in_the_second_half_of_a_life() {
        // Its life in days, the days that are left, what is said, and how many days before the end the next is.
        let table = [
            (90, 90, None, Some(14)),
            (90, 15, None, Some(14)),
            (90, 14, Some(14), Some(3)),
            (90, 4, Some(14), Some(3)),
            (90, 3, Some(3), None),
            (90, 0, Some(3), None),
            (28, 14, Some(14), Some(3)),
            (27, 14, None, Some(3)),
            (7, 4, None, Some(3)),
            (6, 3, Some(3), None),
            (5, 1, None, None),
            (0, 0, None, None),
        ];
        for (lifetime, left, within, next) in table {
            let ending = ending(lifetime);
            let now = ending.at - Duration::from_secs(left * DAY);
            let next_in_days = ending.next(now).map(|at| ending.at.since(at).as_secs() / DAY);
            assert_eq!((ending.within(now), next_in_days), (within, next), "{lifetime} days, {left} left");
        }
    }

    #[test]
    fn each_warning_is_news_once_and_again_only_after_the_end_has_moved_away() {
        let table = [
            (None, None, false, None),
            (None, Some(14), true, None),
            (Some(14), Some(14), false, Some(14)),
            (Some(14), Some(3), true, Some(14)),
            (None, Some(3), true, None),
            (Some(3), Some(3), false, Some(3)),
            (Some(3), Some(14), false, Some(14)),
            (Some(3), None, false, None),
        ];
        for (told, within, news, after) in table {
            assert_eq!((is_news(told, within), still_told(told, within)), (news, after), "{told:?} {within:?}");
        }
    }
}

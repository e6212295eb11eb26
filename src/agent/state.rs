//! What to do about a token, as pure functions of (token, need, now): nothing here remembers, waits or asks a clock.
//!
//! Everybody who asks for a token asks [`judge`]; everybody whose exchange failed asks [`next_attempt`].

use std::time::Duration;

use crate::clock::Moment;
use crate::grant::Failure;
use crate::provider::schema::ErrorClass;

/// What a caller who says nothing gets at least: time to send one request with it.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(30);
/// A grant this young may not have reached every replica of its server yet.
const YOUNG_GRANT: Duration = Duration::from_secs(60);
/// Tokens shorter than this are renewed when they are asked for: renewing them ahead would never let the machine rest.
const SHORT_LIVED: Duration = Duration::from_secs(60);
/// The longest that a refusal is taken for the server's answer.
const MAX_REFUSAL: Duration = Duration::from_secs(600);
/// The longest wait between attempts while callers wait: so soon they have a token once the server is well again. A server
/// that wants to be asked less says so (Retry-After).
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// The same where no server was reached: such an attempt costs nobody anything, and the network may be back any moment.
const MAX_UNSENT_BACKOFF: Duration = Duration::from_secs(5);
/// What a Retry-After below it grows to when it comes again and again.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest Retry-After that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How soon a login whose tokens are refused is tried again: the first time, and at the longest.
const FIRST_TRIAL: Duration = Duration::from_secs(600);
const LAST_TRIAL: Duration = Duration::from_secs(4 * 3600);

/// A token's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// When it came.
    pub(super) obtained: Moment,
    /// How long it lasts from then on.
    pub(super) lifetime: Duration,
}

/// What to do for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Serve it.
    Fresh,
    /// Serve it, and refresh behind the caller's back: it is inside the margin.
    Aging,
    /// It is valid, but ends sooner than the caller asks: refresh first, and serve it if that fails.
    Short,
    /// Valid and shorter than asked, but so young that a refresh would bring the same.
    AsGoodAsItGets,
    /// Nobody knows its age: the machine was started anew, and its clock is behind. Refresh first, and serve it if that
    /// fails.
    Doubtful,
    /// Refresh first; there is nothing to serve meanwhile.
    Expired,
}

impl Times {
    /// Its age: the most that either clock says, because too soon a refresh harms less than too late a one. `None`:
    /// nobody knows.
    pub(super) fn age(&self, now: Moment) -> Option<Duration> {
        now.since(self.obtained).most()
    }

    /// How long it is still valid, zero if it isn't; `None`: nobody knows.
    pub(super) fn left(&self, now: Moment) -> Option<Duration> {
        self.age(now).map(|age| self.lifetime.saturating_sub(age))
    }

    /// The age at which it is refreshed ahead: the margin before its end, at most half its life.
    pub(super) fn refresh_age(&self, margin: Duration) -> Duration {
        self.lifetime - margin.min(self.lifetime / 2)
    }
}

/// What to do for a caller who wants `need` (or nothing in particular) of validity left.
pub(super) fn judge(times: Times, need: Option<Duration>, margin: Duration, now: Moment) -> Verdict {
    let Some(age) = times.age(now) else { return Verdict::Doubtful };
    let lifetime = times.lifetime;
    if age >= lifetime {
        return Verdict::Expired;
    }
    let needed = need.unwrap_or_else(|| DEFAULT_VALIDITY.min(lifetime / 10));
    if lifetime - age < needed {
        return if age < lifetime / 10 { Verdict::AsGoodAsItGets } else { Verdict::Short };
    }
    if age >= times.refresh_age(margin) { Verdict::Aging } else { Verdict::Fresh }
}

/// In how long a token is refreshed ahead, zero if it is time or its age isn't known; `None`: when it is asked for.
/// `jitter` is a random number in 0..1, so that accounts made together don't refresh together.
pub(super) fn refresh_in(times: Times, margin: Duration, now: Moment, jitter: f64) -> Option<Duration> {
    if times.lifetime < SHORT_LIVED {
        return None;
    }
    let Some(age) = times.age(now) else { return Some(Duration::ZERO) };
    let early = margin.min(times.lifetime / 2).mul_f64(jitter / 10.0);
    Some(times.refresh_age(margin).saturating_sub(early).saturating_sub(age))
}

/// How long a refusal that won't get better by itself is taken for the server's answer, the `failures`-th time in a row.
pub(super) fn refusal_holds(failures: u32) -> Duration {
    (Duration::from_secs(30) * 2u32.saturating_pow(failures.saturating_sub(1).min(7))).min(MAX_REFUSAL)
}

/// In how long a login whose tokens are refused gets a new one that is tried, after so many in vain: the API key that
/// answers meanwhile may cost money, and a server is not to be hammered.
pub(super) fn trial_in(trials: u32) -> Duration {
    (FIRST_TRIAL * 2u32.saturating_pow(trials.min(5))).min(LAST_TRIAL)
}

/// What to do after a failed exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send the same token again after this long.
    Again(Duration),
    /// The grant is gone: a person has to log in.
    Dead,
    /// It won't get better by itself: say so, and try again only when asked.
    GiveUp,
}

/// What to do after the `failures`-th failure in a row (from 1) of a grant that is at least `age` old, and that the server
/// has or has not `disowned` since it last worked. `jitter` is a random number in 0..1 that keeps accounts and machines from
/// marching in step.
pub(super) fn next_attempt(failure: &Failure, failures: u32, disowned: bool, age: Duration, jitter: f64) -> Next {
    let backoff = || {
        let step = Duration::from_millis(500) * 2u32.saturating_pow(failures.saturating_sub(1).min(7));
        step.min(if failure.unsent { MAX_UNSENT_BACKOFF } else { MAX_BACKOFF }).mul_f64(0.75 + 0.5 * jitter)
    };
    if failure.invalid_grant && age < YOUNG_GRANT && !disowned {
        // Once more; a second refusal is believed.
        return Next::Again(Duration::from_secs(3));
    }
    match failure.class {
        ErrorClass::Dead => Next::Dead,
        ErrorClass::Denied | ErrorClass::Misconfigured => Next::GiveUp,
        // The answer to a rotation is lost: the sooner the token is sent again, the likelier the server takes it.
        ErrorClass::Transient if failure.answer_lost && failures <= 1 && failure.retry_after.is_none() => {
            Next::Again(Duration::ZERO)
        }
        ErrorClass::Transient => match failure.retry_after {
            // A server that always says "at once" is not asked at once for ever.
            Some(wait) => Next::Again(wait.min(MAX_RETRY_AFTER).max(backoff().min(LEAST_RETRY_AFTER))),
            None => Next::Again(backoff()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{BootTime, Timestamp};

    const MARGIN: Duration = Duration::from_secs(300);

    #[test]
    fn a_refused_login_is_tried_again_ever_more_seldom() {
        let minutes = [0, 1, 2, 3, 4, 5, 99].map(|trials| trial_in(trials).as_secs() / 60);
        assert_eq!(minutes, [10, 20, 40, 80, 160, 240, 240]);
    }

    #[test]
    fn tokens_are_judged_by_what_is_left() {
        use Verdict::*;
        let hour = Times { obtained: at(1000, 100), lifetime: Duration::from_secs(3600) };
        let blink = Times { obtained: at(1000, 100), lifetime: Duration::from_secs(2) };
        let minutes = |m: u64| Some(Duration::from_secs(m * 60));
        let table = [
            ("just issued", hour, None, 1000, Fresh),
            ("inside the margin", hour, None, 4301, Aging),
            ("about to end", hour, None, 4580, Short),
            ("ended", hour, None, 4600, Expired),
            ("ended long ago", hour, None, 99_999, Expired),
            ("enough for ten minutes", hour, minutes(10), 3000, Fresh),
            ("not enough for ten minutes", hour, minutes(10), 4200, Short),
            ("more than its life, new", hour, minutes(120), 1100, AsGoodAsItGets),
            ("more than its life, older", hour, minutes(120), 2000, Short),
            ("two seconds' life, new", blink, None, 1000, Fresh),
            ("two seconds' life, half gone", blink, None, 1001, Aging),
        ];
        for (name, times, need, now, verdict) in table {
            let since = u64::try_from(now - 1000).unwrap();
            assert_eq!(judge(times, need, MARGIN, at(now, 100 + since)), verdict, "{name}");
            assert_eq!(judge(times, need, MARGIN, Moment::by_wall(Timestamp(now))), verdict, "{name}, by one clock");
        }
    }

    #[test]
    fn a_token_is_as_old_as_either_clock_says() {
        use Verdict::*;
        const DAY: i64 = 24 * 3600;
        let hour = Times { obtained: at(1000, 100), lifetime: Duration::from_secs(3600) };
        let days_ahead = Times { obtained: at(1000 + 3 * DAY, 100), ..hour };
        let other_boot = |wall| Moment { boot: Some(BootTime { clock: 2, seconds: 9 }), ..at(wall, 0) };
        let table = [
            ("the clock was days ahead, and was set right", days_ahead, at(1010, 110), Fresh),
            ("the same, an hour later", days_ahead, at(4600, 3700), Expired),
            ("the same, and the machine was started anew", days_ahead, other_boot(4600), Doubtful),
            ("the clock was set back by days", hour, at(1000 - 3 * DAY, 160), Fresh),
            ("the same, near its end", hour, at(4000 - 3 * DAY, 3500), Aging),
            ("the same, when it has ended", hour, at(4600 - 3 * DAY, 3700), Expired),
            ("the clock was set ahead by days", hour, at(1010 + 3 * DAY, 110), Expired),
            ("hours asleep", hour, at(1000 + 8 * 3600, 100 + 8 * 3600), Expired),
            ("hours asleep, and the wall clock lost them", hour, at(1005, 100 + 8 * 3600), Expired),
            ("a virtual machine stood still, its boot clock with it", hour, at(1000 + 8 * 3600, 105), Expired),
            ("started anew, the clock is right", hour, other_boot(1600), Fresh),
            ("started anew, the clock begins in 1970", hour, other_boot(20), Doubtful),
        ];
        for (name, times, now, verdict) in table {
            assert_eq!(judge(times, None, MARGIN, now), verdict, "{name}");
        }
    }

    fn at(wall: i64, seconds: u64) -> Moment {
        Moment { wall: Timestamp(wall), boot: Some(BootTime { clock: 1, seconds }) }
    }

    fn failure(class: ErrorClass) -> Failure {
        Failure {
            class,
            message: String::new(),
            retry_after: None,
            answer_lost: false,
            unsent: false,
            invalid_grant: false,
        }
    }

    #[test]
    fn failures_are_classed_before_they_are_acted_on() {
        let (old, young) = (Duration::from_secs(1000), Duration::from_secs(10));
        let next = |failure: &Failure, n, age| next_attempt(failure, n, false, age, 0.5);
        assert_eq!(next(&failure(ErrorClass::Dead), 1, old), Next::Dead);
        assert_eq!(next(&failure(ErrorClass::Denied), 1, old), Next::GiveUp);
        assert_eq!(next(&failure(ErrorClass::Misconfigured), 3, old), Next::GiveUp);
        let lost = Failure { answer_lost: true, ..failure(ErrorClass::Transient) };
        assert_eq!(next(&lost, 1, old), Next::Again(Duration::ZERO));
        assert_eq!(next(&lost, 2, old), Next::Again(Duration::from_secs(1)));
        let busy = Failure { retry_after: Some(Duration::from_secs(7)), ..failure(ErrorClass::Transient) };
        assert_eq!(next(&busy, 9, old), Next::Again(Duration::from_secs(7)));
        let at_once = Failure { retry_after: Some(Duration::ZERO), ..failure(ErrorClass::Transient) };
        assert_eq!(next(&at_once, 9, old), Next::Again(LEAST_RETRY_AFTER));
        let policy = Failure { invalid_grant: true, ..failure(ErrorClass::Denied) };
        assert_eq!(next_attempt(&policy, 2, true, young, 0.5), Next::GiveUp, "then the provider's table counts");
        let refused = Failure { invalid_grant: true, ..failure(ErrorClass::Dead) };
        assert_eq!(next(&refused, 1, old), Next::Dead);
        assert_eq!(next(&refused, 1, young), Next::Again(Duration::from_secs(3)));
        assert_eq!(
            next(&refused, 3, young),
            Next::Again(Duration::from_secs(3)),
            "an outage before it is another matter"
        );
        assert_eq!(next_attempt(&refused, 2, true, young, 0.5), Next::Dead);
    }

    #[test]
    fn backoff_grows_and_stays_bounded() {
        let failure = failure(ErrorClass::Transient);
        let wait = |n, jitter| match next_attempt(&failure, n, false, Duration::from_secs(1000), jitter) {
            Next::Again(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert!(wait(1, 0.0) < wait(3, 0.0) && wait(3, 0.0) < wait(6, 0.0));
        assert!(wait(40, 1.0) <= MAX_BACKOFF.mul_f64(1.25));
        assert_ne!(wait(3, 0.0), wait(3, 1.0));
        let unsent = Failure { unsent: true, ..failure.clone() };
        let next = next_attempt(&unsent, 40, false, Duration::from_secs(1000), 0.5);
        assert_eq!(next, Next::Again(MAX_UNSENT_BACKOFF), "the network may be back");
    }
}

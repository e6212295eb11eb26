//! What to do about a token, as pure functions of (token, need, now): nothing here remembers, waits or asks a clock.
//!
//! Everybody who asks for a token asks [`judge`]; everybody whose exchange failed asks [`next_attempt`].

use std::time::Duration;

use crate::clock::Timestamp;
use crate::grant::Failure;
use crate::provider::schema::ErrorClass;

/// What a caller who says nothing gets at least: time to send one request with it.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(30);
/// A grant this young may not have reached every replica of its server yet.
const YOUNG_GRANT: Duration = Duration::from_secs(60);
/// The longest that a refusal is taken for the server's answer.
const MAX_REFUSAL: Duration = Duration::from_secs(600);
/// The longest wait between attempts that callers wait for.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// What a Retry-After below it grows to when it comes again and again.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest Retry-After that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A token's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// When it came.
    pub(super) obtained_at: Timestamp,
    /// When it ends.
    pub(super) expires_at: Timestamp,
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
    /// Refresh first; there is nothing to serve meanwhile.
    Expired,
}

impl Times {
    /// How long it lasts from start to end.
    pub(super) fn lifetime(&self) -> Duration {
        self.expires_at.since(self.obtained_at)
    }

    /// When it is refreshed ahead: the margin before its end, at most half its life.
    pub(super) fn refresh_at(&self, margin: Duration) -> Timestamp {
        self.expires_at - margin.min(self.lifetime() / 2)
    }
}

/// What to do for a caller who wants `need` (or nothing in particular) of validity left.
pub(super) fn judge(times: Times, need: Option<Duration>, margin: Duration, now: Timestamp) -> Verdict {
    if times.expires_at <= now {
        return Verdict::Expired;
    }
    // A clock set back makes a token seem younger than new: its lifetime is what it ever had.
    let left = times.expires_at.since(now).min(times.lifetime());
    let needed = need.unwrap_or_else(|| DEFAULT_VALIDITY.min(times.lifetime() / 10));
    if left < needed {
        let age = times.lifetime() - left;
        return if age < times.lifetime() / 10 { Verdict::AsGoodAsItGets } else { Verdict::Short };
    }
    if now >= times.refresh_at(margin) { Verdict::Aging } else { Verdict::Fresh }
}

/// How long a refusal that won't get better by itself is taken for the server's answer, the `failures`-th time in a row.
pub(super) fn refusal_holds(failures: u32) -> Duration {
    (Duration::from_secs(30) * 2u32.saturating_pow(failures.saturating_sub(1).min(7))).min(MAX_REFUSAL)
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

/// What to do after the `failures`-th failure in a row (from 1) of a grant that was obtained at `obtained_at`.
/// `jitter` is a random number in 0..1 that keeps accounts and machines from marching in step.
pub(super) fn next_attempt(
    failure: &Failure,
    failures: u32,
    obtained_at: Timestamp,
    now: Timestamp,
    jitter: f64,
) -> Next {
    let backoff = || {
        let step = Duration::from_millis(500) * 2u32.saturating_pow(failures.saturating_sub(1).min(7));
        step.min(MAX_BACKOFF).mul_f64(0.75 + 0.5 * jitter)
    };
    if failure.invalid_grant && now.since(obtained_at) < YOUNG_GRANT {
        // Once more; a second refusal is believed.
        return if failures <= 1 { Next::Again(Duration::from_secs(3)) } else { Next::Dead };
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

    const MARGIN: Duration = Duration::from_secs(300);

    #[test]
    fn tokens_are_judged_by_what_is_left() {
        use Verdict::*;
        let hour = Times { obtained_at: Timestamp(1000), expires_at: Timestamp(4600) };
        let blink = Times { obtained_at: Timestamp(1000), expires_at: Timestamp(1002) };
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
            ("the clock was set back", hour, None, 500, Fresh),
            ("the clock was set back, asked for more", hour, minutes(120), 500, AsGoodAsItGets),
        ];
        for (name, times, need, now, verdict) in table {
            assert_eq!(judge(times, need, MARGIN, Timestamp(now)), verdict, "{name}");
        }
    }

    fn failure(class: ErrorClass) -> Failure {
        Failure { class, message: String::new(), retry_after: None, answer_lost: false, invalid_grant: false }
    }

    #[test]
    fn failures_are_classed_before_they_are_acted_on() {
        let old = Timestamp(0);
        let now = Timestamp(1000);
        let next = |failure: &Failure, n, obtained| next_attempt(failure, n, obtained, now, 0.5);
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
        let refused = Failure { invalid_grant: true, ..failure(ErrorClass::Dead) };
        assert_eq!(next(&refused, 1, old), Next::Dead);
        assert_eq!(next(&refused, 1, Timestamp(990)), Next::Again(Duration::from_secs(3)));
        assert_eq!(next(&refused, 2, Timestamp(990)), Next::Dead);
    }

    #[test]
    fn backoff_grows_and_stays_bounded() {
        let failure = failure(ErrorClass::Transient);
        let wait = |n, jitter| match next_attempt(&failure, n, Timestamp(0), Timestamp(1000), jitter) {
            Next::Again(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert!(wait(1, 0.0) < wait(3, 0.0) && wait(3, 0.0) < wait(6, 0.0));
        assert!(wait(40, 1.0) <= MAX_BACKOFF.mul_f64(1.25));
        assert_ne!(wait(3, 0.0), wait(3, 1.0));
    }
}

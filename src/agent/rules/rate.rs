//! `rate_limit`: so many requests of one program for one account in any such time.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use super::{Wanted, described};
use crate::clock::Timestamp;
use crate::config::RateLimit;
use crate::ipc::message::{Error, ErrorKind};

/// How many programs are remembered. More at once are no accident, and share what there is.
const PROGRAMS: usize = 256;

/// When each program came, on the boot clock. Those that are unknown are one.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<(u64, Option<PathBuf>), Times>);

#[derive(Debug)]
struct Times {
    per: Duration,
    came: VecDeque<Duration>,
}

impl Times {
    fn forget_before(&mut self, now: Duration) {
        while self.came.front().is_some_and(|came| *came + self.per <= now) {
            self.came.pop_front();
        }
    }
}

impl Rates {
    /// Counts a request, or says when there is room for the next one.
    pub(super) fn take(
        &mut self,
        wanted: &Wanted,
        limit: RateLimit,
        boot: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut key = (wanted.incarnation, wanted.origin.path.clone());
        if !self.0.contains_key(&key) {
            self.0.retain(|_, times| {
                times.forget_before(boot);
                !times.came.is_empty()
            });
            if self.0.len() >= PROGRAMS {
                key.1 = None;
            }
        }
        let times = self.0.entry(key).or_insert_with(|| Times { per: limit.per, came: VecDeque::new() });
        times.forget_before(boot);
        if times.came.len() < limit.count as usize {
            times.came.push_back(boot);
            return Ok(());
        }
        let left = times.came.front().map_or(limit.per, |came| (*came + limit.per).saturating_sub(boot));
        // Whoever comes at that second is not to be a fraction early.
        let retry_at = now + left + Duration::from_secs(1);
        let RateLimit { count, per } = limit;
        let unit = match per.as_secs() {
            1 => "second",
            60 => "minute",
            _ => "hour",
        };
        let message = format!(
            "{}: {} has asked {count} times within a {unit}, which is what `rate_limit` lets it; again in {} s",
            wanted.account,
            described(&wanted.origin),
            retry_at.since(now).as_secs()
        );
        let mut error = Error::new(ErrorKind::RateLimited, message).account(&wanted.account);
        error.data.retry_at = Some(retry_at);
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::server::Origin;

    fn wanted(path: &str) -> Wanted {
        let origin = Origin { path: Some(path.into()), ..Origin::default() };
        Wanted { account: "p/work".parse().expect("a name"), incarnation: 1, origin }
    }

    #[test]
    fn in_any_such_time_there_are_no_more_than_so_many() {
        let mut rates = Rates::default();
        let limit = RateLimit { count: 2, per: Duration::from_secs(60) };
        let mut take = |path: &str, at: u64| {
            let taken = rates.take(&wanted(path), limit, Duration::from_secs(at), Timestamp(1000));
            taken.map_err(|error| error.data.retry_at.expect("a time").0 - 1000)
        };
        assert_eq!([take("/a", 0), take("/a", 40), take("/a", 50)], [Ok(()), Ok(()), Err(11)]);
        assert_eq!(take("/b", 50), Ok(()), "another program has its own");
        assert_eq!([take("/a", 60), take("/a", 61), take("/a", 100)], [Ok(()), Err(40), Ok(())]);
    }

    #[test]
    fn the_memory_for_it_is_bounded() {
        let mut rates = Rates::default();
        let limit = RateLimit { count: 1, per: Duration::from_secs(60) };
        for n in 0..2000 {
            let _ = rates.take(&wanted(&format!("/{n}")), limit, Duration::ZERO, Timestamp(0));
        }
        assert!(rates.0.len() <= PROGRAMS + 1);
        assert!(rates.take(&wanted("/0"), limit, Duration::from_secs(60), Timestamp(0)).is_ok());
        assert_eq!(rates.take(&wanted("/x"), limit, Duration::from_secs(60), Timestamp(0)), Ok(()));
        assert!(rates.0.len() <= 2, "what is over is forgotten");
    }
}

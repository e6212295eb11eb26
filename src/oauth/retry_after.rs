//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock::Timestamp;

/// The longest wait that a server can impose at once.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Reads the header's value: how long to wait from `now`. `None`: it says nothing.
pub fn decode(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(value)?.since(now),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A date as HTTP writes it (section 5.6.7).
pub fn date(value: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT, the RFC's example.
        let seconds = |value| decode(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("18446744073709551615"), Some(24 * 3600));
        for value in ["", "-1", "soon", "1.5", "99999999999999999999"] {
            assert_eq!(seconds(value), None, "{value}");
        }
    }
}

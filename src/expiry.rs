//! When a token ends, as other programs write it: seconds or milliseconds since 1970, or RFC 3339.

use crate::clock::Timestamp;

/// Numbers from here on are milliseconds: as seconds they would be thousands of years ahead.
const MILLISECONDS: i64 = 100_000_000_000;

/// The moment that a text says; `None` if it says none.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) => from_number(number),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_second())),
    }
}

/// The moment that a number says, in seconds or milliseconds; `None` before 1970.
pub fn from_number(number: i64) -> Option<Timestamp> {
    let seconds = if number >= MILLISECONDS { number / 1000 } else { number };
    (seconds >= 0).then_some(Timestamp(seconds))
}

/// The moment as RFC 3339 writes it; `None` after the year 9999.
pub fn rfc3339(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_second(at.0).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_dates_are_the_same_moment() {
        for text in ["1790000000", "1790000000000", "2026-09-21T14:13:20Z", " 2026-09-21T16:13:20.5+02:00\n"] {
            assert_eq!(parse(text), Some(Timestamp(1_790_000_000)), "{text}");
        }
        assert_eq!(parse("0"), Some(Timestamp(0)));
        for text in ["", "-5", "soon", "1790000000.5", "2026-09-21", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_written_as_it_is_read() {
        assert_eq!(rfc3339(Timestamp(1_790_000_000)).as_deref(), Some("2026-09-21T14:13:20Z"));
        assert_eq!(rfc3339(Timestamp(i64::MAX)), None);
    }
}

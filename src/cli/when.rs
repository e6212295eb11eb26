//! Durations and moments as people write and read them.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::{Clock as _, SystemClock, Timestamp};

/// A duration as it is typed: `10m`, `1h 30m`, or a number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "a duration such as `30s`, `10m` or `1h 30m` is needed".to_owned())
}

/// A moment as it is typed: a duration ago (`2h`), a day (`today`, `yesterday`, `2026-11-20`), a time of day, or both.
pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    parse_moment_in(text, now(), &TimeZone::system())
        .ok_or_else(|| "a moment such as `2h` (ago), `22:00`, `yesterday` or `2026-11-20 22:00` is needed".to_owned())
}

/// An end as it is typed: a date (its first moment here), RFC 3339, or in how long (`90d`).
pub(super) fn parse_end(text: &str) -> Result<Timestamp, String> {
    parse_end_in(text, now(), &TimeZone::system())
        .ok_or_else(|| "an end such as `2027-01-31`, `2027-01-31T12:00:00Z` or `90d` (from now) is needed".to_owned())
}

fn parse_end_in(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_second()));
    }
    let zoned = match text.parse::<jiff::civil::Date>() {
        Ok(date) => date.to_zoned(zone.clone()).ok()?,
        Err(_) => {
            let now = jiff::Timestamp::from_second(now.0).ok()?.to_zoned(zone.clone());
            now.checked_add(text.parse::<jiff::Span>().ok()?).ok()?
        }
    };
    Some(Timestamp(zoned.timestamp().as_second()))
}

fn parse_moment_in(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(ago) = parse_duration(text) {
        return Some(now - ago);
    }
    let today = jiff::Timestamp::from_second(now.0).ok()?.to_zoned(zone.clone()).date();
    let day = |word: &str| match word {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        _ => word.parse::<jiff::civil::Date>().ok(),
    };
    let (date, time) = match text.split_once(' ') {
        Some((first, time)) => (day(first)?, time.trim().parse().ok()?),
        None => match day(text) {
            Some(date) => (date, jiff::civil::Time::midnight()),
            None => (today, text.parse().ok()?),
        },
    };
    Some(Timestamp(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp().as_second()))
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// A duration in its two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => (seconds / 86_400, if seconds < 172_800 { "day" } else { "days" }, seconds % 86_400 / 3600, "h"),
    };
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

/// A duration to the nearest whole of its largest unit: what a token lasts when it was made a moment ago.
pub(super) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..120 => 1,
        120..5400 => 60,
        5400..172_800 => 3600,
        _ => 86_400,
    };
    span(Duration::from_secs((seconds + unit / 2) / unit * unit))
}

/// How long a token lasts that was made a moment ago, and until when.
pub(super) fn lasts(until: Timestamp) -> String {
    format!("lasts {} (until {})", about(until.since(now())), local(until))
}

/// Minutes and seconds, for a countdown.
pub(super) fn countdown(duration: Duration) -> String {
    format!("{}:{:02}", duration.as_secs() / 60, duration.as_secs() % 60)
}

/// A moment on the person's own clock; the day too, unless it is today.
pub(super) fn local(at: Timestamp) -> String {
    local_in(at, now(), &TimeZone::system())
}

/// As [`local`], with seconds.
pub(super) fn to_the_second(at: Timestamp) -> String {
    local_as(at, now(), &TimeZone::system(), "%H:%M:%S")
}

fn local_in(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    local_as(at, now, zone, "%H:%M")
}

fn local_as(at: Timestamp, now: Timestamp, zone: &TimeZone, time: &str) -> String {
    let zoned = |moment: Timestamp| jiff::Timestamp::from_second(moment.0).ok().map(|t| t.to_zoned(zone.clone()));
    let (Some(at), Some(now)) = (zoned(at), zoned(now)) else { return "-".to_owned() };
    let format = if at.date() == now.date() { time.to_owned() } else { format!("%Y-%m-%d {time}") };
    at.strftime(&format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("10m", 600), ("1h 30m", 5400), ("45", 45), ("2 hours", 7200), ("30s", 30)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-5m", "10 m m", "-1"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        // The second of January 1970, ten o'clock.
        let (now, zone) = (Timestamp(86_400 + 36_000), TimeZone::UTC);
        for (text, at) in [
            ("2h", 86_400 + 28_800),
            ("today", 86_400),
            ("yesterday", 0),
            ("yesterday 18:00", 64_800),
            ("09:30", 86_400 + 34_200),
            ("1970-01-01", 0),
            ("1970-01-01 00:01", 60),
        ] {
            assert_eq!(parse_moment_in(text, now, &zone), Some(Timestamp(at)), "{text}");
        }
        for text in ["", "last night", "25:00", "yesterday noon", "18:00 yesterday"] {
            assert_eq!(parse_moment_in(text, now, &zone), None, "{text}");
        }
    }

    #[test]
    fn ends_are_read_as_people_write_them() {
        for (text, at) in
            [("1970-01-02", 86_400), ("1970-01-01T00:01:00Z", 60), ("90d", 100 + 90 * 86_400), ("1h 30m", 5500)]
        {
            assert_eq!(parse_end_in(text, Timestamp(100), &TimeZone::UTC), Some(Timestamp(at)), "{text}");
        }
        for text in ["", "never", "2027-13-01", "12"] {
            assert_eq!(parse_end_in(text, Timestamp(100), &TimeZone::UTC), None, "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (252, "4 min 12 s"),
            (28_799, "7 h 59 min"),
            (28_800, "8 h"),
            (90_000, "1 day 1 h"),
            (200_000, "2 days 7 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(about(Duration::from_secs(28_798)), "8 h");
        assert_eq!(about(Duration::from_secs(3599)), "1 h");
        assert_eq!(about(Duration::from_secs(59)), "59 s");
        assert_eq!(countdown(Duration::from_secs(605)), "10:05");
    }

    #[test]
    fn the_day_is_named_unless_it_is_today() {
        let zone = TimeZone::UTC;
        assert_eq!(local_in(Timestamp(3600), Timestamp(0), &zone), "01:00");
        assert_eq!(local_in(Timestamp(90_000), Timestamp(0), &zone), "1970-01-02 01:00");
        assert_eq!(local_in(Timestamp(i64::MAX), Timestamp(0), &zone), "-");
    }
}

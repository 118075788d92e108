//! Points in time as people write them.

use tidegate_config::units::parse_duration;
use tidegate_types::time::UnixMillis;

/// RFC 3339, or how long before `now`: `15m`, `2h`, `7d`.
pub(crate) fn read(text: &str, now: UnixMillis) -> Result<UnixMillis, String> {
    if let Some(ago) = parse_duration(text) {
        return Ok(now.minus(ago));
    }
    text.parse()
        .map_err(|error| format!("{error}, or how long ago: 15m, 2h, 7d"))
}

/// The time of day of an RFC 3339 text in UTC, with the date where it is not that of `today`.
pub(crate) fn short(text: &str, today: &str) -> String {
    match (text.split_once('T'), today.split_once('T')) {
        (Some((date, time)), Some((today, _))) if date == today => time.to_owned(),
        _ => text.to_owned(),
    }
}

/// Seconds as people say them: `42s`, `3m 5s`, `2h 4m`, `12d 3h`.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        let now: UnixMillis = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(
            read("15m", now).unwrap().to_string(),
            "2026-11-21T09:45:00.000Z"
        );
        assert_eq!(
            read("2026-11-20T00:00:00+01:00", now).unwrap().to_string(),
            "2026-11-19T23:00:00.000Z"
        );
        assert!(read("yesterday", now).is_err());
        let today = now.to_string();
        assert_eq!(short("2026-11-21T09:00:00.123Z", &today), "09:00:00.123Z");
        assert_eq!(
            short("2026-11-20T09:00:00.123Z", &today),
            "2026-11-20T09:00:00.123Z"
        );
        assert_eq!(span(59), "59s");
        assert_eq!(span(7265), "2h 1m");
        assert_eq!(span(90_061), "1d 1h");
    }
}

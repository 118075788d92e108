//! Durations and sizes as they are written in the file: a whole number and its unit.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZE_UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Longest number that is read; more digits are a slip, not a duration or size.
const DIGITS_MAX: usize = 9;

/// `30s`, `7d`, `250ms`; `None` when the text is not written like that.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// `64MiB`, `10GiB`, `512B`; `None` when the text is not written like that.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// The duration in the largest unit that shows it whole.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(ms, &DURATION_UNITS)
}

/// The size in the largest unit that shows it whole.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    if number.len() > DIGITS_MAX {
        return None;
    }
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let whole = |factor: u64| value >= factor && value.is_multiple_of(factor);
    units
        .iter()
        .find(|(_, factor)| whole(*factor))
        .or_else(|| units.last())
        .map_or_else(String::new, |(unit, factor)| {
            format!("{}{unit}", value / factor)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_carry_their_unit() {
        assert_eq!(parse_duration("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_bytes("64MiB"), Some(64 * 1024 * 1024));
        for bad in [
            "",
            "7",
            "d",
            "7 d",
            "-1s",
            "1.5h",
            "1h30m",
            "7D",
            "9999999999s",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        for bad in ["1MB", "1kib", "1", "999999999999B", "٣B"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_largest_whole_unit_is_shown() {
        assert_eq!(show_duration(Duration::from_secs(3600)), "1h");
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::ZERO), "0ms");
        assert_eq!(show_bytes(1 << 20), "1MiB");
        assert_eq!(show_bytes(1025), "1025B");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(bytes in 0_u64..999_999_999, ms in 0_u64..999_999_999) {
            prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Some(bytes));
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".{0,24}") {
            if let Some(bytes) = parse_bytes(&text) {
                prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Some(bytes));
            }
        }
    }
}

//! Cron: when something is due, by the clock on the wall of a place.
//!
//! The five fields of `crontab(5)`: minute, hour, day of the month, month, day of the week; lists,
//! ranges, steps and names. If both days are restricted, either will do, as there. Where clocks are put
//! forward, a time that is skipped comes as soon as the clock has passed it; where they are put
//! back, a time that is there twice comes once.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tidegate_types::time::UnixMillis;

/// Days that are looked through: eight years, for a 29 February across a century without one.
const DAYS_MAX: usize = 8 * 366;

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    zone: TimeZone,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of days are restricted, so either will do.
    either_day: bool,
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("a schedule has five fields: minute, hour, day of the month, month, day of the week")]
    Fields,
    /// A field.
    #[error(
        "`{text}` is no {what}: {least} to {most}, lists (`1,2`), ranges (`1-5`) and steps (`*/5`)"
    )]
    Field {
        /// The part that is wrong.
        text: String,
        /// Which field.
        what: &'static str,
        /// The least number there.
        least: u8,
        /// The greatest number there.
        most: u8,
    },
    /// A time zone.
    #[error("`{0}` is no time zone such as `Europe/Berlin`")]
    Zone(String),
    /// A day that never comes, such as 30 February.
    #[error("no day fits the schedule")]
    Never,
}

impl Cron {
    /// Reads a schedule for a zone of the IANA time zone database.
    ///
    /// # Errors
    /// See [`CronError`].
    pub fn parse(text: &str, zone: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(CronError::Fields);
        };
        let named = TimeZone::get(zone).map_err(|_| CronError::Zone(zone.to_owned()))?;
        let weekday_bits = field(weekdays, ("day of the week", 0, 7), WEEKDAYS)?;
        let cron = Self {
            text: text.to_owned(),
            zone: named,
            minutes: field(minutes, ("minute", 0, 59), &[])?,
            hours: field(hours, ("hour", 0, 23), &[])?,
            days: field(days, ("day of the month", 1, 31), &[])?,
            months: field(months, ("month", 1, 12), MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_bits | (weekday_bits >> 7)) & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        match cron.next_after(UnixMillis(0)) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never),
        }
    }

    /// The schedule as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first time after `time`; `None` only near the end of what can be counted.
    #[must_use]
    pub fn next_after(&self, time: UnixMillis) -> Option<UnixMillis> {
        let after = Timestamp::from_millisecond(i64::try_from(time.0).ok()?).ok()?;
        let mut date = after.to_zoned(self.zone.clone()).date();
        for _ in 0..DAYS_MAX {
            if self.is_day(date) {
                let times = self.times(date);
                // In a day with a change of the clock the order of instants is not that of the texts.
                if let Some(next) = times.filter(|at| *at > after).min() {
                    return u64::try_from(next.as_millisecond()).ok().map(UnixMillis);
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = if self.either_day {
            day || weekday
        } else {
            day && weekday
        };
        fits && has(self.months, date.month())
    }

    fn times(&self, date: Date) -> impl Iterator<Item = Timestamp> + '_ {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        hours.flat_map(move |hour| {
            let minutes = (0..60).filter(|minute| has(self.minutes, *minute));
            minutes.filter_map(move |minute| {
                let time: DateTime = date.at(hour, minute, 0, 0);
                let zoned = self.zone.to_ambiguous_zoned(time).compatible().ok()?;
                Some(zoned.timestamp())
            })
        })
    }
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits & (1_u64 << number) != 0)
}

/// The numbers of a field as bits.
fn field(text: &str, bounds: (&'static str, u8, u8), names: &[&str]) -> Result<u64, CronError> {
    let (what, least, most) = bounds;
    let mut bits = 0;
    for part in text.split(',') {
        let wrong = || CronError::Field {
            text: part.to_owned(),
            what,
            least,
            most,
        };
        bits |= numbers(part, (least, most), names).ok_or_else(wrong)?;
    }
    Ok(bits)
}

fn numbers(part: &str, (least, most): (u8, u8), names: &[&str]) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse::<u8>().ok().filter(|step| *step > 0)?),
        None => (part, 1),
    };
    let number = |text: &str| {
        let named = names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        let number = match named {
            Some(at) => u8::try_from(at).ok()?.checked_add(least)?,
            None => text.parse().ok()?,
        };
        (least..=most).contains(&number).then_some(number)
    };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (least, most),
        Some((first, last)) => (number(first)?, number(last)?),
        // `5/15` begins at 5 and goes on to the end.
        None if part.contains('/') => (number(range)?, most),
        None => (number(range)?, number(range)?),
    };
    if first > last {
        return None;
    }
    let steps = (first..=last).step_by(usize::from(step));
    Some(steps.fold(0, |bits, number| bits | (1_u64 << number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        text.parse().unwrap()
    }

    fn next(cron: &str, zone: &str, after: &str) -> String {
        let cron = Cron::parse(cron, zone).unwrap();
        cron.next_after(at(after)).unwrap().to_string()
    }

    #[test]
    fn the_next_time() {
        for (cron, after, expected) in [
            (
                "*/5 * * * *",
                "2026-11-21T10:02:00Z",
                "2026-11-21T10:05:00.000Z",
            ),
            (
                "*/5 * * * *",
                "2026-11-21T10:05:00Z",
                "2026-11-21T10:10:00.000Z",
            ),
            (
                "0 8-18/2 * * mon-fri",
                "2026-11-20T18:00:00Z",
                "2026-11-23T08:00:00.000Z",
            ),
            (
                "30 2 1,15 * *",
                "2026-11-02T00:00:00Z",
                "2026-11-15T02:30:00.000Z",
            ),
            (
                "0 0 29 2 *",
                "2026-01-01T00:00:00Z",
                "2028-02-29T00:00:00.000Z",
            ),
            (
                "0 0 * * 7",
                "2026-11-21T00:00:00Z",
                "2026-11-22T00:00:00.000Z",
            ),
            // Either day will do.
            (
                "0 0 13 * fri",
                "2026-11-21T00:00:00Z",
                "2026-11-27T00:00:00.000Z",
            ),
            (
                "0 0 1 jan *",
                "2026-11-21T00:00:00Z",
                "2027-01-01T00:00:00.000Z",
            ),
            (
                "10/20 * * * *",
                "2026-11-21T10:31:00Z",
                "2026-11-21T10:50:00.000Z",
            ),
        ] {
            assert_eq!(next(cron, "UTC", after), expected, "{cron}");
        }
    }

    #[test]
    fn by_the_clock_of_a_place() {
        let berlin = |cron, after| next(cron, "Europe/Berlin", after);
        assert_eq!(
            berlin("0 8 * * *", "2026-07-01T07:00:00Z"),
            "2026-07-02T06:00:00.000Z"
        );
        assert_eq!(
            berlin("0 8 * * *", "2026-12-01T08:00:00Z"),
            "2026-12-02T07:00:00.000Z"
        );
        // 02:30 is skipped on 29 March 2026, and there twice on 25 October.
        assert_eq!(
            berlin("30 2 * * *", "2026-03-28T12:00:00Z"),
            "2026-03-29T01:30:00.000Z"
        );
        assert_eq!(
            berlin("30 2 * * *", "2026-10-25T00:00:00Z"),
            "2026-10-25T00:30:00.000Z"
        );
        assert_eq!(
            berlin("30 2 * * *", "2026-10-25T00:30:00Z"),
            "2026-10-26T01:30:00.000Z"
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1- * * * *",
            "-1 * * * *",
            "1,, * * * *",
            "0 0 30 2 *",
            "* * * * * *",
            "+5 * * * *x",
        ] {
            assert!(Cron::parse(bad, "UTC").is_err(), "{bad}");
        }
        assert_eq!(
            Cron::parse("* * * * *", "Mars/Olympus"),
            Err(CronError::Zone("Mars/Olympus".to_owned()))
        );
    }
}

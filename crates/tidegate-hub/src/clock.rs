//! The clocks of the process: wall time, and the time leases are counted in.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tidegate_types::time::{BootMillis, UnixMillis};

/// Wall time now. Everything below the shells gets time as a parameter.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now() -> UnixMillis {
    // A clock before 1970 counts as 1970: the log's own times never go back anyway.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Time since the machine was started, sleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boottime() -> BootMillis {
    let since = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(since.tv_sec).unwrap_or_default();
    let millis = u64::try_from(since.tv_nsec / 1_000_000).unwrap_or_default();
    BootMillis(seconds.saturating_mul(1_000).saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_is_that_of_the_machine() {
        let before = boottime();
        // The first field of /proc/uptime is the same clock, in hundredths of a second (proc(5)).
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
        let after = boottime();
        assert!(
            before.0 as f64 <= seconds * 1_000.0 + 10.0,
            "{before:?} {text}"
        );
        assert!(
            after.0 as f64 >= seconds * 1_000.0 - 10.0,
            "{after:?} {text}"
        );
    }
}

//! The one clock of the process.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_types::time::UnixMillis;

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

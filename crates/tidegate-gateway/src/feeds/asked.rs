//! What a reader asks for.

use std::time::Duration;

use http::HeaderMap;
use tidegate_wire::form;

/// Events of a page unless the reader says otherwise, if the feed allows as many.
const LIMIT_DEFAULT: usize = 100;

/// Longest wait of a long poll. Common balancers cut a silent connection at 60 s.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

/// With what a browser's `EventSource` says how far it got.
const LAST_EVENT_ID: &str = "last-event-id";

/// What clients of HTTP feeds send as the last event's id before they have one.
pub(super) const BEGINNING: &str = "null";

/// The parameters of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) limit: usize,
    /// Whether the reader gave the limit.
    pub(super) own_limit: bool,
    pub(super) wait: Duration,
    /// A cursor, or on the path of an origin the id of an event.
    pub(super) after: Option<String>,
}

impl Asked {
    /// Reads the query; on the path of an origin (`plain`) there are no cursors.
    pub(super) fn parse(query: &str, plain: bool, page_max: usize) -> Result<Self, String> {
        let mut asked = Self {
            limit: page_max.min(LIMIT_DEFAULT),
            own_limit: false,
            wait: Duration::ZERO,
            after: None,
        };
        let pairs = form::parse(query.as_bytes()).map_err(|error| error.to_string())?;
        for (name, value) in &pairs {
            match name.as_ref() {
                "limit" => {
                    let limit = value.parse().ok();
                    asked.limit = limit
                        .filter(|limit| (1..=page_max).contains(limit))
                        .ok_or_else(|| format!("limit is a number from 1 to {page_max}"))?;
                    asked.own_limit = true;
                }
                "wait" => asked.wait = wait(value, Duration::from_secs, "wait", "seconds")?,
                // Of HTTP feeds.
                "timeout" => {
                    asked.wait = wait(value, Duration::from_millis, "timeout", "milliseconds")?;
                }
                "cursor" if !plain => asked.begin_after(value)?,
                "lastEventId" => asked.begin_after(value)?,
                other => {
                    let cursor = if plain { "" } else { "cursor, " };
                    return Err(format!(
                        "unknown parameter {other:?}; known are {cursor}lastEventId, limit, timeout, wait"
                    ));
                }
            }
        }
        Ok(asked)
    }

    /// An empty value is the beginning as well.
    fn begin_after(&mut self, value: &str) -> Result<(), String> {
        if value.is_empty() || value == BEGINNING {
            return Ok(());
        }
        if self.after.as_deref().is_some_and(|other| other != value) {
            return Err("cursor and lastEventId name different positions; send one".to_owned());
        }
        self.after = Some(value.to_owned());
        Ok(())
    }

    /// A reconnecting stream goes on from what it got last, whatever its address says.
    pub(super) fn resume(&mut self, headers: &HeaderMap) {
        let last = headers.get(LAST_EVENT_ID).and_then(|it| it.to_str().ok());
        if let Some(last) = last.filter(|last| !last.is_empty()) {
            self.after = Some(last.to_owned());
        }
    }
}

/// A longer wait than the longest is cut to it: a reader that is answered sooner asks again.
fn wait(value: &str, of: fn(u64) -> Duration, name: &str, unit: &str) -> Result<Duration, String> {
    let number = value
        .parse()
        .map_err(|_| format!("{name} is a number of {unit}"))?;
    Ok(of(number).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let asked = Asked::parse("limit=7&wait=5&cursor=abc", false, 50).unwrap();
        assert_eq!((asked.limit, asked.own_limit), (7, true));
        assert_eq!(asked.wait, Duration::from_secs(5));
        assert_eq!(asked.after.as_deref(), Some("abc"));
        let plain = Asked::parse("lastEventId=null&timeout=5000", true, 50).unwrap();
        assert_eq!((plain.limit, plain.own_limit), (50, false));
        assert_eq!(plain.wait, Duration::from_secs(5));
        assert_eq!(plain.after, None);
        let long = Asked::parse("timeout=99999999999", true, 500).unwrap();
        assert_eq!((long.limit, long.wait), (100, WAIT_MAX));
        assert!(Asked::parse("cursor=a&lastEventId=a", false, 50).is_ok());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_can() {
        for (query, plain, why) in [
            ("limit=0", false, "from 1 to 50"),
            ("limit=51", false, "from 1 to 50"),
            ("limit=x", false, "from 1 to 50"),
            ("wait=-1", false, "seconds"),
            ("timeout=5s", false, "milliseconds"),
            ("cursor=a", true, "known are lastEventId"),
            ("after=a", false, "known are cursor"),
            ("cursor=a&lastEventId=b", false, "different"),
        ] {
            let refused = Asked::parse(query, plain, 50).unwrap_err();
            assert!(refused.contains(why), "{query}: {refused}");
        }
    }
}

//! What a server says about when to come again.
//!
//! `Retry-After` (RFC 9110, section 10.2.3), and the headers by which servers tell that a quota is used
//! up: `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, its older form in two headers, and the
//! `X-RateLimit-…` of GitHub and many others.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, RETRY_AFTER};
use jiff::fmt::rfc2822;
use tidegate_types::time::UnixMillis;

/// Numbers above this are seconds since 1970, others seconds from now: as a wait it is 31 years.
const EPOCH_MIN: u64 = 1_000_000_000;

/// How long the server asks to be left alone: by `Retry-After`, else because a quota is used up.
#[must_use]
pub fn wait(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    retry_after(headers, now).or_else(|| quota(headers, now))
}

/// `Retry-After`: seconds, or a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let millis = u64::try_from(date.as_millisecond()).unwrap_or(0);
    Some(UnixMillis(millis).since(now))
}

/// Until a quota that is used up is filled again.
fn quota(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    if let Some(wait) = text(headers, "ratelimit").and_then(used_up) {
        return Some(wait);
    }
    let pairs = [
        ("ratelimit-remaining", "ratelimit-reset"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ];
    let used = pairs
        .iter()
        .find(|(remaining, _)| text(headers, remaining).is_some_and(|text| text.trim() == "0"))?;
    let reset: u64 = text(headers, used.1)?.trim().parse().ok()?;
    Some(if reset >= EPOCH_MIN {
        UnixMillis(reset.saturating_mul(1000)).since(now)
    } else {
        Duration::from_secs(reset)
    })
}

/// `"default";r=0;t=30`: several policies in a list, each with what remains and when it is filled. The
/// longest wait of those that are used up.
fn used_up(list: &str) -> Option<Duration> {
    let waits = list.split(',').filter_map(|policy| {
        let parameter = |name: &str| {
            let mut parameters = policy.split(';').skip(1);
            parameters.find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let wait = parameter("t")?.parse().ok().map(Duration::from_secs);
        (parameter("r")? == "0").then_some(wait?)
    });
    waits.max()
}

fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Option<&'h str> {
    headers.get(HeaderName::from_static(name))?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn waits(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let pairs = pairs.iter();
        let headers = pairs.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        wait(&headers.collect(), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates() {
        for (text, expected) in [
            ("120", Some(120)),
            // The example of RFC 9110, section 5.6.7.
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("+5", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(waits(&[("retry-after", text)]), expected, "{text}");
        }
    }

    #[test]
    fn quotas_that_are_used_up() {
        for (pairs, expected) in [
            (
                vec![
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "784111800"),
                ],
                Some(784_111_800),
            ),
            (
                vec![("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")],
                None,
            ),
            (
                vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "30")],
                Some(30),
            ),
            (
                vec![(
                    "ratelimit",
                    "\"a\";r=0;t=12, \"b\";r=0;t=60, \"c\";r=9;t=99",
                )],
                Some(60),
            ),
            (vec![("ratelimit", "\"a\";r=5;t=12")], None),
            (
                vec![
                    ("retry-after", "3"),
                    ("ratelimit-remaining", "0"),
                    ("ratelimit-reset", "30"),
                ],
                Some(3),
            ),
        ] {
            assert_eq!(waits(&pairs), expected, "{pairs:?}");
        }
        // 2026-11-21T10:00:00Z, seen from 1994.
        let far = waits(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795255200"),
        ]);
        assert_eq!(far, Some(1_795_255_200 - 784_111_740));
    }
}

//! The question for frames, as a query string.
//!
//! ```text
//! from=REGION&origin=REGION&incarnation=HEX&after=FRAME&hash=HEX&max=BYTES&wait=MILLISECONDS
//! ```
//!
//! `from` says who asks. `origin` is whose log is meant, the own one of who is asked if it is left out. Without
//! `incarnation` only the lives of the log are answered.

use std::fmt::Write as _;
use std::time::Duration;

use tidegate_core::log::FrameHash;
use tidegate_core::mirror::Ask;
use tidegate_types::name::is_name;
use tidegate_types::position::{FrameNumber, Incarnation};

/// The longest time a question may wait: well below what proxies and firewalls allow a silent connection.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(20);

/// The most bytes of frames one answer holds, but for its last frame.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// A question that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) from: String,
    /// Whose log; `None`: the own one.
    pub(super) origin: Option<String>,
    pub(super) incarnation: Option<Incarnation>,
    pub(super) after: FrameNumber,
    pub(super) hash: Option<FrameHash>,
    pub(super) bytes_max: usize,
    pub(super) wait: Duration,
}

/// A parameter is missing or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} is missing or malformed")]
pub(super) struct Malformed(pub(super) &'static str);

impl Asked {
    /// Reads a query string. Parameters of a later version are left alone.
    pub(super) fn parse(query: &str) -> Result<Self, Malformed> {
        let mut from = None;
        let mut asked = Self {
            from: String::new(),
            origin: None,
            incarnation: None,
            after: FrameNumber(0),
            hash: None,
            bytes_max: BYTES_MAX,
            wait: Duration::ZERO,
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = |name| value.parse::<u64>().map_err(|_| Malformed(name));
            match name {
                "from" => from = Some(region(value).ok_or(Malformed("from"))?),
                "origin" => asked.origin = Some(region(value).ok_or(Malformed("origin"))?),
                "incarnation" => {
                    let life = u64::from_str_radix(value, 16);
                    let life = life.map_err(|_| Malformed("incarnation"))?;
                    asked.incarnation = Some(Incarnation(life));
                }
                "after" => asked.after = FrameNumber(number("after")?),
                "hash" => {
                    let hash = hash_of(value).ok_or(Malformed("hash"))?;
                    asked.hash = Some(hash);
                }
                "max" => {
                    let bytes = usize::try_from(number("max")?).unwrap_or(usize::MAX);
                    asked.bytes_max = bytes.min(BYTES_MAX);
                }
                "wait" => asked.wait = Duration::from_millis(number("wait")?).min(WAIT_MAX),
                _ => {}
            }
        }
        asked.from = from.ok_or(Malformed("from"))?;
        Ok(asked)
    }
}

/// The query string of a question of `from`, for the log of `origin` if that is not the one asked.
pub(super) fn query(from: &str, origin: Option<&str>, ask: &Ask) -> String {
    let mut query = format!("from={from}&after={}", ask.after);
    // Writing to a String cannot fail.
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        write!(query, "&{name}={value}").unwrap_or_default();
    };
    if let Some(origin) = origin {
        add("origin", &origin);
    }
    if let Some(incarnation) = ask.incarnation {
        add("incarnation", &incarnation);
    }
    add("max", &ask.bytes_max);
    add("wait", &ask.wait.as_millis());
    if let Some(hash) = ask.hash {
        query.push_str("&hash=");
        for byte in hash {
            write!(query, "{byte:02x}").unwrap_or_default();
        }
    }
    query
}

fn region(value: &str) -> Option<String> {
    is_name(value).then(|| value.to_owned())
}

fn hash_of(text: &str) -> Option<FrameHash> {
    let mut hash = FrameHash::default();
    let digits = text.as_bytes();
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let (Some(high), Some(low)) = (digit(pair.first()?), digit(pair.get(1)?)) else {
            return None;
        };
        *byte = high << 4 | low;
    }
    Some(hash)
}

fn digit(byte: &u8) -> Option<u8> {
    let value = char::from(*byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_asked_arrives(
            incarnation: Option<u64>,
            after: u64,
            hash: Option<[u8; 32]>,
            bytes_max in 0_usize..BYTES_MAX,
            wait in 0_u64..20_000,
            origin in prop::option::of("[a-z]{1,9}"),
        ) {
            let ask = Ask {
                incarnation: incarnation.map(Incarnation),
                after: FrameNumber(after),
                hash,
                bytes_max,
                wait: Duration::from_millis(wait),
                until: Duration::ZERO,
            };
            let query = query("us-west-2", origin.as_deref(), &ask);
            let asked = Asked {
                from: "us-west-2".to_owned(),
                origin,
                incarnation: ask.incarnation,
                after: ask.after,
                hash,
                bytes_max,
                wait: ask.wait,
            };
            prop_assert_eq!(Asked::parse(&query), Ok(asked));
        }

        #[test]
        fn no_query_panics(query in ".{0,200}") {
            Asked::parse(&query).ok();
        }
    }

    #[test]
    fn what_is_asked_too_much_is_cut_and_what_is_wrong_refused() {
        let asked = Asked::parse("from=a&max=99999999999&wait=99999999&later=1").unwrap();
        assert_eq!((asked.bytes_max, asked.wait), (BYTES_MAX, WAIT_MAX));
        for (query, wrong) in [
            ("", "from"),
            ("from=A", "from"),
            ("from=a&after=x", "after"),
            ("from=a&hash=12", "hash"),
            ("from=a&incarnation=", "incarnation"),
            ("from=a&origin=../x", "origin"),
        ] {
            assert_eq!(Asked::parse(query), Err(Malformed(wrong)), "{query}");
        }
    }
}

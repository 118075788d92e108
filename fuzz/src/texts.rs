//! Short texts from queries and files: cursors, ids, times, durations, sizes, forms. What was read is
//! written and read again, and must be the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use tidegate_config::SecretRef;
use tidegate_config::units::{parse_bytes, parse_duration, show_bytes, show_duration};
use tidegate_types::id::EventId;
use tidegate_types::name::{is_name, kind_matches};
use tidegate_types::position::Position;
use tidegate_types::time::UnixMillis;
use tidegate_wire::form;

use crate::input::piece;

/// The text.
pub fn run(data: &[u8]) {
    pairs(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    again::<Position>(text);
    again::<EventId>(text);
    again::<UnixMillis>(text);
    if let Some(duration) = parse_duration(text) {
        assert_eq!(
            parse_duration(&show_duration(duration)),
            Some(duration),
            "a duration changes"
        );
    }
    if let Some(bytes) = parse_bytes(text) {
        assert_eq!(
            parse_bytes(&show_bytes(bytes)),
            Some(bytes),
            "a size changes"
        );
    }
    if let Some(secret) = SecretRef::parse(text) {
        assert_eq!(
            SecretRef::parse(&secret.to_string()),
            Some(secret),
            "a reference changes"
        );
    }
    let (pattern, kind) = piece(data, b' ');
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let _matches = (
        is_name(text(pattern)),
        kind_matches(text(pattern), text(kind)),
    );
}

fn again<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().ok();
        assert_eq!(
            again,
            Some(value),
            "a value changes when it is written again"
        );
    }
}

fn pairs(data: &[u8]) {
    let Ok(pairs) = form::parse(data) else { return };
    let written = form::write(
        pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref())),
    );
    assert_eq!(
        form::parse(written.as_bytes()).as_ref().ok(),
        Some(&pairs),
        "a form changes"
    );
}

/// One text of each kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "local/19a9c2f0b1d/17/3",
        "575e3057-2fde-5998-8fc9-771348a07783",
        "2026-11-21T11:00:00.123+01:00",
        "1h30m",
        "64MiB",
        "${env:GITHUB_SECRET}",
        "a=1&b=%20x+y&c",
        "order.* order.created",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

//! Which events a caller wants.

use serde::Deserialize;
use tidegate_core::log::entry::Entry;
use tidegate_types::event::Event;
use tidegate_types::name::kind_matches;
use utoipa::IntoParams;

use super::params;
use crate::problem::Refusal;

/// Conditions that hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    kind: Option<String>,
    flow: Option<String>,
    key: Option<String>,
    text: Option<String>,
}

/// The conditions as they are written in a query.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterParams {
    /// The event type, or its beginning followed by `*`: `order.*`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    pub(super) kind: Option<String>,
    /// The flow, or `services/NAME`.
    pub(super) flow: Option<String>,
    /// The partition key.
    pub(super) key: Option<String>,
    /// Text that stands in the payload or in the original body, as it is written there.
    pub(super) text: Option<String>,
}

impl Filter {
    pub(super) fn new(params: FilterParams) -> Result<Self, Refusal> {
        Ok(Self {
            kind: params::text("type", params.kind)?,
            flow: params::text("flow", params.flow)?,
            key: params::text("key", params.key)?,
            text: params::text("text", params.text)?.filter(|text| !text.is_empty()),
        })
    }

    /// Whether an entry is an event that is wanted.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        matches!(entry, Entry::Event(entry) if self.holds(&entry.event))
    }

    fn holds(&self, event: &Event) -> bool {
        self.kind
            .as_deref()
            .is_none_or(|kind| kind_matches(kind, &event.kind))
            && self.flow.as_deref().is_none_or(|flow| flow == event.flow)
            && self.key.as_deref().is_none_or(|key| key == event.key)
            && self.text.as_deref().is_none_or(|text| {
                let raw = event.raw.as_ref().map(|raw| raw.body.as_ref());
                stands_in(&event.data, text) || raw.is_some_and(|body| stands_in(body, text))
            })
    }
}

fn stands_in(haystack: &[u8], needle: &str) -> bool {
    match std::str::from_utf8(haystack) {
        Ok(text) => text.contains(needle),
        Err(_) => haystack
            .windows(needle.len())
            .any(|window| window == needle.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_text_and_in_bytes() {
        assert!(stands_in(b"a pear tree", "pear"));
        assert!(!stands_in(b"a pear tree", "Pear"));
        assert!(stands_in(b"\xff\xfepear", "pear"));
        assert!(!stands_in(b"\xff", "pear"));
        assert!(!stands_in(b"", "pear"));
    }
}

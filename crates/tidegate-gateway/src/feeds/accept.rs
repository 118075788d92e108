//! Which form of a feed a reader takes (RFC 9110, section 12.5.1).

use http::{HeaderMap, HeaderValue, header};

/// A form of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A page, as a batch of CloudEvents.
    Batch,
    /// The same bytes, for readers that know no other name for JSON.
    Json,
    /// Server-sent events.
    Stream,
}

impl Format {
    pub(super) const fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Batch => "application/cloudevents-batch+json",
            Self::Json => "application/json",
            Self::Stream => "text/event-stream",
        })
    }

    /// How specifically a media range names it, from 1 on; `None` if it does not.
    fn named_by(self, range: &str) -> Option<u8> {
        let own = self.media_type();
        let own = own.to_str().unwrap_or_default();
        let main = own.split('/').next().unwrap_or_default();
        if range.eq_ignore_ascii_case(own) {
            return Some(3);
        }
        match range.split_once('/') {
            Some((given, "*")) if given.eq_ignore_ascii_case(main) => Some(2),
            Some(("*", "*")) => Some(1),
            _ => None,
        }
    }
}

/// The form the reader likes best, of equals the first; `None` if it takes none.
pub(super) fn negotiate(headers: &HeaderMap, streams: bool) -> Option<Format> {
    let values = headers.get_all(header::ACCEPT).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return Some(Format::Batch);
    }
    let ranges: Vec<(&str, u16)> = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(range)
        .collect();
    let mut best: Option<(u16, Format)> = None;
    for format in [Format::Batch, Format::Json, Format::Stream] {
        if format == Format::Stream && !streams {
            continue;
        }
        let named = ranges
            .iter()
            .filter_map(|(range, quality)| Some((format.named_by(range)?, *quality)));
        let quality = named.max_by_key(|(specific, _)| *specific);
        let quality = quality.map_or(0, |(_, quality)| quality);
        if quality > best.map_or(0, |(best, _)| best) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format)
}

/// A media range and its quality in thousandths.
fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality =
        parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range first; a value that is no number becomes 0"
    )]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    (name, thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_accept_header() {
        let batch = "application/cloudevents-batch+json";
        for (accept, expected) in [
            ("*/*", Some(Format::Batch)),
            (batch, Some(Format::Batch)),
            ("application/*", Some(Format::Batch)),
            ("application/json", Some(Format::Json)),
            ("text/event-stream", Some(Format::Stream)),
            ("TEXT/Event-Stream", Some(Format::Stream)),
            ("text/event-stream, */*;q=0.1", Some(Format::Stream)),
            (
                "text/event-stream;q=0.2, application/json",
                Some(Format::Json),
            ),
            (
                "application/cloudevents-batch+json;q=0, */*",
                Some(Format::Json),
            ),
            ("text/html", None),
            ("text/event-stream;q=0", None),
            ("application/json;q=nan", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(negotiate(&headers, true), expected, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new(), true), Some(Format::Batch));
    }

    #[test]
    fn where_there_is_no_stream_none_is_given() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        assert_eq!(negotiate(&headers, false), None);
    }
}

//! The original of an event, as it is kept: without what would let a reader pose as the sender.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use tidegate_types::event::Raw;
use tidegate_wire::form;

use crate::generation::ReceiveFlow;

/// Credentials whatever the scheme is.
const NEVER_KEPT: [HeaderName; 3] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
];

/// The original of a request to `flow`.
pub(crate) fn original(flow: &ReceiveFlow, headers: &HeaderMap, query: &str, body: Bytes) -> Raw {
    let query = match &flow.secret_parameter {
        Some(name) => form::without(query, name),
        None => query.to_owned(),
    };
    Raw {
        headers: kept_headers(headers, &flow.secret_headers),
        query,
        body,
    }
}

fn kept_headers(headers: &HeaderMap, secret: &[HeaderName]) -> Vec<(String, String)> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !NEVER_KEPT.contains(name) && !secret.contains(name));
    // A header value is bytes by the letter; what is not UTF-8 is kept as far as it can be read.
    kept.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn credentials_are_left_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("cookie", "a=b"),
            ("x-api-key", "secret"),
            ("x-github-event", "push"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let kept = kept_headers(&headers, &[HeaderName::from_static("x-api-key")]);
        assert_eq!(kept, [("x-github-event".to_owned(), "push".to_owned())]);
    }
}

//! Names of things that the operator chooses: regions, flows, systems, services, subscriptions.

/// The longest name, in bytes. Names stand in metrics, file names and URLs.
pub const NAME_BYTES_MAX: usize = 63;

/// Whether `text` is a name: lower-case letters, digits and inner hyphens, 1 to 63 characters
/// (the DNS label rule of RFC 1123, so that a name fits in a host name, a label and a path).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    !bytes.is_empty()
        && bytes.len() <= NAME_BYTES_MAX
        && bytes.iter().all(inner)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

/// Whether the event type `kind` matches `pattern`: equal, or a prefix followed by `*`
/// (`order.*` matches `order.created`; `*` matches everything).
#[must_use]
pub fn kind_matches(pattern: &str, kind: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == kind, |prefix| kind.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "github-events", "us-east-1", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn kinds_match_exactly_or_by_prefix() {
        assert!(kind_matches("order.*", "order.created"));
        assert!(kind_matches("*", "anything"));
        assert!(kind_matches("order.created", "order.created"));
        assert!(!kind_matches("order.*", "orders"));
        assert!(!kind_matches("order.created", "order.created.v2"));
    }
}

//! The OPTIONS handshake.

use super::*;

fn answer(
    pairs: &[(&str, &str)],
    origins: AllowedOrigins,
    rate_per_minute: Option<u32>,
) -> Result<Vec<(String, String)>, HandshakeRefusal> {
    let policy = HandshakePolicy {
        origins,
        rate_per_minute,
    };
    let answer = handshake(&headers(pairs), &policy)?;
    let text = |(name, value): (HeaderName, HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    Ok(answer.into_iter().map(text).collect())
}

/// The examples of "HTTP 1.1 Web Hooks for Event Delivery", section 4.
const ORIGIN: (&str, &str) = ("webhook-request-origin", "eventemitter.example.com");
const RATE: (&str, &str) = ("webhook-request-rate", "120");

#[track_caller]
fn check(
    pairs: &[(&str, &str)],
    origins: AllowedOrigins,
    rate: Option<u32>,
    (origin, granted): (&str, &str),
) {
    let expected = [
        ("allow", "OPTIONS, POST"),
        ("webhook-allowed-origin", origin),
        ("webhook-allowed-rate", granted),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer(pairs, origins, rate), Ok(expected.to_vec()));
}

fn listed() -> AllowedOrigins {
    AllowedOrigins::Listed(vec!["EventEmitter.example.com".to_owned()])
}

#[test]
fn consent_names_origin_and_rate() {
    check(
        &[ORIGIN, RATE],
        listed(),
        Some(100),
        ("eventemitter.example.com", "100"),
    );
    check(
        &[ORIGIN, RATE],
        listed(),
        Some(200),
        ("eventemitter.example.com", "120"),
    );
    check(&[ORIGIN, RATE], AllowedOrigins::Any, None, ("*", "120"));
    check(&[ORIGIN], AllowedOrigins::Any, Some(100), ("*", "100"));
    check(&[ORIGIN], AllowedOrigins::Any, None, ("*", "*"));
}

#[test]
fn no_consent_without_right_and_form() {
    let refusal = |pairs: &[(&str, &str)]| answer(pairs, listed(), None).unwrap_err();
    assert_eq!(refusal(&[RATE]), HandshakeRefusal::NotHandshake);
    let other = ("webhook-request-origin", "evil.example");
    assert_eq!(
        refusal(&[other]),
        HandshakeRefusal::OriginNotAllowed("evil.example".to_owned())
    );
    for rate in ["0", "-1", "", "many", "99999999999"] {
        let refused = refusal(&[ORIGIN, ("webhook-request-rate", rate)]);
        assert!(matches!(refused, HandshakeRefusal::Malformed(_)), "{rate}");
    }
    let empty = refusal(&[("webhook-request-origin", " ")]);
    assert!(matches!(empty, HandshakeRefusal::Malformed(_)));
}

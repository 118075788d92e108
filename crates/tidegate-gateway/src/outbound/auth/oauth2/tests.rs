//! Answers of token endpoints, good and bad.

use super::*;

fn answer(status: u16, body: &str) -> Result<Token, Failure> {
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        body_end: BodyEnd::Whole,
        remote: ([127, 0, 0, 1], 1).into(),
    };
    read(&answer, Instant::now())
}

#[test]
fn a_token_is_read_and_not_shown() {
    let token = answer(
        200,
        r#"{"access_token": "the-token", "token_type": "BEARER", "expires_in": 100}"#,
    );
    let token = token.unwrap();
    assert_eq!(token.header, "Bearer the-token");
    assert!(!format!("{token:?}").contains("the-token"));
}

#[test]
fn answers_without_a_usable_token() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"access_token": 1}"#,
        r#"{"access_token": ""}"#,
        r#"{"access_token": "a b"}"#,
        r#"{"access_token": "a\r\nx: y"}"#,
        r#"{"access_token": "a", "token_type": "mac"}"#,
        "access_token=a",
    ] {
        assert_eq!(
            answer(200, body).unwrap_err().kind,
            FailureKind::TokenUnavailable,
            "{body}"
        );
    }
    let long = format!(
        r#"{{"access_token": "{}"}}"#,
        "a".repeat(TOKEN_BYTES_MAX + 1)
    );
    assert!(answer(200, &long).is_err());
}

#[test]
fn whose_fault_it_is() {
    let refused = answer(
        401,
        r#"{"error": "invalid_client", "error_description": "secret s3cr3t"}"#,
    )
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no token is issued to us: invalid_client"
    );
    assert_eq!(
        answer(503, "").unwrap_err().kind,
        FailureKind::TokenUnavailable
    );
    assert_eq!(
        answer(302, "").unwrap_err().kind,
        FailureKind::TokenUnavailable
    );
}

#[test]
fn how_long_a_token_is_kept() {
    let kept = |json: &str| kept_for(serde_json::from_str(json).ok().as_ref()).as_secs();
    assert_eq!(kept("100"), 90);
    assert_eq!(kept("3600"), 3540);
    assert_eq!(kept("\"3600\""), 3540);
    assert_eq!((kept("0"), kept("1")), (1, 1));
    assert_eq!(kept("-1"), 270);
    assert_eq!(kept("1e400"), 270);
    assert_eq!(kept("18446744073709551615"), 86_400 - 60);
}

#[test]
fn id_and_secret_are_encoded_before_they_are_joined() {
    let value = basic("a:b", "c d+é").unwrap();
    let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(text).unwrap(), b"a%3Ab:c%20d%2B%C3%A9");
}

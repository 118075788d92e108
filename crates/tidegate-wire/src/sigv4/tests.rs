//! The worked example of the IAM User Guide, and what must be refused or stay unsigned. The whole
//! suite of vectors is run by `tests/interop/aws`.

use http::HeaderMap;

use super::*;

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    }
}

fn scope() -> Scope {
    Scope {
        region: "us-east-1".to_owned(),
        service: "service".to_owned(),
    }
}

fn signer() -> Signer {
    Signer::new(credentials(), scope(), Style::default()).unwrap()
}

fn host() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("example.amazonaws.com"));
    headers
}

fn request<'a>(path: &'a str, query: &'a str, headers: &'a HeaderMap) -> Request<'a> {
    Request {
        method: "GET",
        path,
        query,
        headers,
        body: b"",
    }
}

/// 2015-08-30T12:36:00Z.
const THEN: UnixMillis = UnixMillis(1_440_938_160_000);

fn authorization(signer: &Signer, now: UnixMillis, headers: &HeaderMap) -> String {
    let added = signer.sign(now, &request("/", "", headers)).unwrap();
    let (_, value) = added
        .iter()
        .find(|(name, _)| name == AUTHORIZATION)
        .unwrap();
    value.to_str().unwrap().to_owned()
}

#[test]
fn the_plainest_vector() {
    // `get-vanilla` of AWS's suite.
    assert_eq!(
        authorization(&signer(), THEN, &host()),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn the_key_of_another_day_is_another_one_and_the_first_comes_back() {
    let signer = signer();
    let first = authorization(&signer, THEN, &host());
    let tomorrow = UnixMillis(THEN.0 + 86_400_000);
    let second = authorization(&signer, tomorrow, &host());
    assert_ne!(first, second);
    let fresh = self::signer();
    assert_eq!(authorization(&fresh, tomorrow, &host()), second);
    assert_eq!(authorization(&signer, THEN, &host()), first);
}

#[test]
fn headers_that_change_on_the_way_are_not_signed_and_old_signatures_are_replaced() {
    let bare = authorization(&signer(), THEN, &host());
    let mut headers = host();
    for (name, value) in [
        ("user-agent", "x"),
        ("connection", "keep-alive"),
        ("authorization", "old"),
        ("x-amz-date", "old"),
        ("x-amzn-trace-id", "Root=1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(authorization(&signer(), THEN, &headers), bare);
    headers.insert("x-own", HeaderValue::from_static("y"));
    assert_ne!(authorization(&signer(), THEN, &headers), bare);
}

#[test]
fn a_request_without_host_and_a_time_without_four_digit_year_are_refused() {
    let headers = HeaderMap::new();
    assert_eq!(
        signer().sign(THEN, &request("/", "", &headers)),
        Err(SignError::NoHost)
    );
    let headers = host();
    let never = signer().sign(UnixMillis(u64::MAX), &request("/", "", &headers));
    assert_eq!(never, Err(SignError::Time));
}

#[test]
fn credentials_that_would_break_the_header_are_refused() {
    let made = |change: fn(&mut Credentials, &mut Scope)| {
        let (mut credentials, mut scope) = (credentials(), scope());
        change(&mut credentials, &mut scope);
        Signer::new(credentials, scope, Style::default()).err()
    };
    assert_eq!(
        made(|key, _| key.access_key_id = "a/b, c".to_owned()),
        Some(CredentialsError::Name("the access key id"))
    );
    assert_eq!(
        made(|_, scope| scope.region = String::new()),
        Some(CredentialsError::Name("the region"))
    );
    assert_eq!(
        made(|key, _| key.secret_access_key = Secret::new("")),
        Some(CredentialsError::NoSecret)
    );
    assert_eq!(
        made(|key, _| key.session_token = Some(Secret::new("a\r\nb: c"))),
        Some(CredentialsError::SessionToken)
    );
}

#[test]
fn nothing_secret_is_shown() {
    let mut credentials = credentials();
    credentials.session_token = Some(Secret::new("the-session-token"));
    let signer = Signer::new(credentials, scope(), Style::default()).unwrap();
    let headers = host();
    let added = signer.sign(THEN, &request("/", "", &headers)).unwrap();
    let shown = format!("{signer:?} {added:?}");
    for secret in ["wJalr", "the-session-token", "Signature="] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[track_caller]
fn check_path(sent: &str, normalize_path: bool, canonical: &str) {
    let headers = host();
    let style = Style {
        normalize_path,
        body_header: false,
    };
    let made = canonical::Canonical::new(&request(sent, "", &headers), &[], "", style);
    assert_eq!(made.text().lines().nth(1), Some(canonical));
}

#[test]
fn paths() {
    // `double-url-encode` and `double-encode-path` of AWS's suite.
    check_path("/functions/arn%3Aaws", true, "/functions/arn%253Aaws");
    check_path(
        "/test/@connections/JBD%3D",
        true,
        "/test/%40connections/JBD%253D",
    );
    check_path("//a/./b/../c//", true, "/a/c/");
    check_path("//a/./b/../c//", false, "//a/./b/../c//");
    check_path("/../..", true, "/");
    check_path("", true, "/");
}

#[test]
fn queries() {
    let headers = host();
    let sent = request("/", "b=2&a=%7e&a=1&=&c&d=+", &headers);
    let made = canonical::Canonical::new(&sent, &[], "", Style::default());
    assert_eq!(made.text().lines().nth(2), Some("=&a=1&a=~&b=2&c=&d=%2B"));
}

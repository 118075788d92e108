//! What specs are refused, what headers are, and what a spec says of itself.

use super::*;

/// A generic scheme in `x-signature`, SHA-256 in hexadecimal.
pub(super) fn generic(template: &str) -> HmacSpec {
    HmacSpec {
        header: HeaderName::from_static("x-signature"),
        keys: vec![secret("a key of enough bytes")],
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: String::new(),
        template: template.to_owned(),
        timestamp: None,
        tolerance: MINUTES_5,
        id: None,
        list: None,
    }
}

#[track_caller]
fn refused(spec: &Spec) -> SpecError {
    Verifier::new(spec).expect_err("the spec is unusable")
}

#[test]
fn keys_are_checked_for_every_scheme() {
    let with = |keys: Vec<&str>| {
        let keys: Vec<_> = keys.into_iter().map(secret).collect();
        let tolerance = MINUTES_5;
        let place = KeyPlace::Query("key".into());
        let basic = |password| Credentials {
            user: "u".to_owned(),
            password,
        };
        [
            Spec::StandardWebhooks {
                keys: keys.clone(),
                tolerance,
            },
            Spec::Svix {
                keys: keys.clone(),
                tolerance,
            },
            Spec::Github { keys: keys.clone() },
            Spec::Stripe {
                keys: keys.clone(),
                tolerance,
            },
            Spec::Shopify { keys: keys.clone() },
            Spec::Slack {
                keys: keys.clone(),
                tolerance,
            },
            Spec::Hmac(HmacSpec {
                keys: keys.clone(),
                ..generic("{body}")
            }),
            Spec::Basic {
                credentials: keys.iter().cloned().map(basic).collect(),
            },
            Spec::Bearer {
                tokens: keys.clone(),
            },
            Spec::ApiKey { place, keys },
        ]
    };
    for spec in with(vec![]) {
        assert_eq!(refused(&spec), SpecError::NoKeys, "{}", spec.scheme());
    }
    for spec in with(vec!["aaaa", ""]) {
        assert_eq!(refused(&spec), SpecError::EmptyKey(2), "{}", spec.scheme());
    }
    for spec in with(vec!["aaaa"; KEYS_MAX + 1]) {
        assert_eq!(
            refused(&spec),
            SpecError::TooManyKeys(11),
            "{}",
            spec.scheme()
        );
    }
    for spec in with(vec!["aaaa"; KEYS_MAX]) {
        assert!(Verifier::new(&spec).is_ok(), "{}", spec.scheme());
    }
}

#[test]
fn templates_are_checked() {
    let name = HeaderName::from_static;
    let header = Some(TimestampSource::Header(name("x-time")));
    let list = Some(TimestampSource::ListKey("t".to_owned()));
    let cases = [
        (
            generic("{nonce}"),
            SpecError::UnknownPlaceholder("nonce".to_owned()),
        ),
        (
            generic("{header:ä}"),
            SpecError::UnknownPlaceholder("header:ä".to_owned()),
        ),
        (generic("{body"), SpecError::OpenBrace),
        (generic(&"x".repeat(513)), SpecError::TemplateLength(512)),
        (generic("{timestamp}.{body}"), SpecError::TimestampUnplaced),
        (
            HmacSpec {
                timestamp: header,
                ..generic("{body}")
            },
            SpecError::TimestampUnsigned,
        ),
        (
            HmacSpec {
                timestamp: list,
                ..generic("{timestamp}{body}")
            },
            SpecError::TimestampWithoutList("t".to_owned()),
        ),
        (generic("{id}{body}"), SpecError::IdUnplaced),
        (
            HmacSpec {
                id: Some(name("x-id")),
                ..generic("{body}")
            },
            SpecError::IdUnsigned,
        ),
    ];
    for (spec, error) in cases {
        assert_eq!(refused(&Spec::Hmac(spec)), error);
    }
}

#[test]
fn other_spec_errors() {
    let credentials = vec![Credentials {
        user: "a:b".to_owned(),
        password: secret("p"),
    }];
    assert_eq!(
        refused(&Spec::Basic { credentials }),
        SpecError::UserColon(1)
    );
    let tokens = vec![secret("good"), secret("line\nbreak")];
    assert_eq!(
        refused(&Spec::Bearer { tokens }),
        SpecError::KeyCharacters(2)
    );
    let public = vec![secret("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")];
    let spec = Spec::StandardWebhooks {
        keys: public,
        tolerance: MINUTES_5,
    };
    assert!(Verifier::new(&spec).is_ok());
    assert_eq!(Signer::new(&spec).unwrap_err(), SpecError::CannotSign(1));
}

#[test]
fn refusals_by_kind() {
    let spec = Spec::StandardWebhooks {
        keys: vec![secret("whsec_c2VjcmV0")],
        tolerance: MINUTES_5,
    };
    let zeros = format!("v1,{}=", "A".repeat(43));
    let code = |id: &str, timestamp: &str, signature: &str| {
        let pairs = [
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ];
        verify(&spec, NOW, &pairs, b"").expect_err("refused").code()
    };
    assert_eq!(code("a", "1614265330", &zeros), "mismatch");
    assert_eq!(code("", "1614265330", &zeros), "missing");
    assert_eq!(code("a.b", "1614265330", &zeros), "malformed");
    assert_eq!(code("a", "+1614265330", &zeros), "malformed");
    assert_eq!(code("a", "99999999999999999999", &zeros), "malformed");
    assert_eq!(code("a", "1614265330", "v1"), "malformed");
    assert_eq!(code("a", "1614265330", "v1,AAAA"), "malformed");
    assert_eq!(code("a", "1614265330", "v2,x"), "unsupported");
    assert_eq!(
        code("a", "1614265330", &format!("v1a,{}==", "A".repeat(86))),
        "unsupported"
    );
    let list = |count| vec![zeros.as_str(); count].join(" ");
    assert_eq!(code("a", "1614265330", &list(SIGNATURES_MAX)), "mismatch");
    assert_eq!(
        code("a", "1614265330", &list(SIGNATURES_MAX + 1)),
        "oversized"
    );
    assert_eq!(
        code(&"a".repeat(ID_BYTES_MAX + 1), "1614265330", &zeros),
        "oversized"
    );
    let missing = verify(&spec, NOW, &[], b"").expect_err("refused");
    assert_eq!(missing.to_string(), "header webhook-signature is missing");
}

#[test]
fn a_header_that_comes_twice_is_refused() {
    let spec = Spec::Github {
        keys: vec![secret("k")],
    };
    let one = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let pairs = [("x-hub-signature-256", one), ("x-hub-signature-256", one)];
    assert_eq!(
        verify(&spec, NOW, &pairs, b"").expect_err("refused").code(),
        "malformed"
    );
}

#[test]
fn lists_are_bounded_and_need_their_parts() {
    let spec = Spec::Stripe {
        keys: vec![secret("whsec_x")],
        tolerance: MINUTES_5,
    };
    let zeros = "0".repeat(64);
    let code = |value: &str| {
        verify(&spec, NOW, &[("stripe-signature", value)], b"")
            .expect_err("refused")
            .code()
    };
    assert_eq!(code(&format!("t=1614265330,v1={zeros}")), "mismatch");
    assert_eq!(code(&format!("v1={zeros}")), "malformed");
    assert_eq!(code(&format!("t=1,t=2,v1={zeros}")), "malformed");
    assert_eq!(code("t=1614265330,v0=00"), "unsupported");
    assert_eq!(code("t=1614265330,v1"), "malformed");
    assert_eq!(code(&"a=b,".repeat(40)), "oversized");
}

#[test]
fn api_keys_in_header_and_query() {
    let keys = vec![secret("old"), secret("n&w")];
    let spec = Spec::ApiKey {
        place: KeyPlace::Query("key".into()),
        keys: keys.clone(),
    };
    let verifier = Verifier::new(&spec).unwrap();
    let none = HeaderMap::new();
    let verify_query = |query| {
        let request = Request {
            query,
            ..post(&none, b"")
        };
        verifier
            .verify(NOW, &request)
            .map(|verified| verified.key_index)
    };
    assert_eq!(verify_query("a=1&key=n%26w"), Ok(1));
    assert_eq!(verify_query("key=x"), Err(Refusal::Mismatch));
    assert_eq!(
        verify_query("").expect_err("refused").to_string(),
        "query parameter key is missing"
    );
    assert_eq!(
        verify_query("key=old&key=old").expect_err("refused").code(),
        "malformed"
    );
    assert_eq!(spec.secret_query_parameter(), Some("key"));

    let name = HeaderName::from_static("x-api-key");
    let spec = Spec::ApiKey {
        place: KeyPlace::Header(name.clone()),
        keys,
    };
    assert_eq!(
        verify(&spec, NOW, &[("x-api-key", "old")], b""),
        Ok((0, None))
    );
    assert_eq!(
        verify(&spec, NOW, &[("x-api-key", "ol")], b""),
        Err(Refusal::Mismatch)
    );
    assert_eq!(spec.secret_headers(), [name]);
}

#[test]
fn weak_specs_are_cautioned() {
    let cautions = |spec: Spec| spec.cautions();
    assert_eq!(cautions(Spec::DangerNone), [Caution::NotVerified]);
    assert_eq!(
        cautions(Spec::Github {
            keys: vec![secret("sixteen bytes ok"), secret("short")]
        }),
        [Caution::ShortKey { key: 2, bytes: 5 }]
    );
    let weak = HmacSpec {
        algorithm: Algorithm::Sha1,
        timestamp: Some(TimestampSource::Header(HeaderName::from_static("x-time"))),
        tolerance: Duration::from_secs(86_400),
        ..generic("{timestamp}")
    };
    let day = Duration::from_secs(86_400);
    let expected = [
        Caution::Sha1,
        Caution::BodyUnsigned,
        Caution::LongTolerance(day),
    ];
    assert_eq!(cautions(Spec::Hmac(weak)), expected);
    assert_eq!(cautions(Spec::Hmac(generic("{timestamp}.{body}"))), []);
}

#[test]
fn nothing_secret_is_shown() {
    let spec = Spec::Bearer {
        tokens: vec![secret("hunter2")],
    };
    let signed = Signer::new(&spec).unwrap();
    let place = KeyPlace::Query("key".into());
    let query = Signer::new(&Spec::ApiKey {
        place,
        keys: vec![secret("hunter2")],
    })
    .unwrap();
    let verifier = Verifier::new(&spec).unwrap();
    let shown = format!("{spec:?} {signed:?} {query:?} {verifier:?}");
    let digest = ring::digest::digest(&ring::digest::SHA256, b"hunter2");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains(&hex::encode(digest)), "{shown}");
}

#[test]
fn slack_challenges_are_answered_once_verified() {
    let proof = Verified {
        key_index: 0,
        external_id: None,
        timestamp: None,
    };
    let body = br#"{"token":"t","challenge":"3eZb\"w1","type":"url_verification"}"#;
    assert_eq!(slack::challenge(&proof, body), Some("3eZb\"w1".to_owned()));
    for other in [
        &br#"{"type":"event_callback","challenge":"x"}"#[..],
        b"{}",
        b"payload=1",
        b"",
    ] {
        assert_eq!(slack::challenge(&proof, other), None);
    }
}

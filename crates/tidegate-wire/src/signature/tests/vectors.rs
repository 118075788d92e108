//! Vectors that others published.

use super::*;

/// The example in the test suites of the Standard Webhooks libraries.
const STANDARD_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_HEADERS: [(&str, &str); 3] = [
    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    ("webhook-timestamp", "1614265330"),
    (
        "webhook-signature",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
];
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;

fn standard(keys: &[&str]) -> Spec {
    let keys = keys.iter().copied().map(secret).collect();
    Spec::StandardWebhooks {
        keys,
        tolerance: MINUTES_5,
    }
}

#[test]
fn standard_webhooks_example() {
    let id = Some("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
    let spec = standard(&[STANDARD_KEY]);
    assert_eq!(
        verify(&spec, NOW, &STANDARD_HEADERS, STANDARD_BODY),
        Ok((0, id.clone()))
    );
    let unprefixed = standard(&[
        "bm90IHRoaXMga2V5IGF0IGFsbA==",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ]);
    assert_eq!(
        verify(&unprefixed, NOW, &STANDARD_HEADERS, STANDARD_BODY),
        Ok((1, id.clone()))
    );
    let svix = Spec::Svix {
        keys: vec![secret(STANDARD_KEY)],
        tolerance: MINUTES_5,
    };
    assert_eq!(
        verify(&svix, NOW, &STANDARD_HEADERS, STANDARD_BODY),
        Ok((0, id))
    );
    assert_eq!(
        verify(&spec, NOW, &STANDARD_HEADERS, b"{}"),
        Err(Refusal::Mismatch)
    );
}

#[test]
fn the_window_is_open_both_ways_and_told_apart_from_forgery() {
    let spec = standard(&[STANDARD_KEY]);
    let at = |now| verify(&spec, now, &STANDARD_HEADERS, STANDARD_BODY);
    assert!(at(NOW.plus(MINUTES_5)).is_ok());
    assert!(at(NOW.minus(MINUTES_5)).is_ok());
    let more = MINUTES_5 + Duration::from_millis(1);
    assert_eq!(
        at(NOW.plus(more)),
        Err(Refusal::TooOld {
            age: more,
            tolerance: MINUTES_5
        })
    );
    assert_eq!(
        at(NOW.minus(more)),
        Err(Refusal::TooNew {
            ahead: more,
            tolerance: MINUTES_5
        })
    );
    let forged = verify(&spec, NOW.plus(more), &STANDARD_HEADERS, b"{}");
    assert_eq!(forged, Err(Refusal::Mismatch));
}

#[test]
fn signing_gives_the_example() {
    let signer = Signer::new(&standard(&[STANDARD_KEY])).unwrap();
    let none = HeaderMap::new();
    let signed = signer.sign(
        NOW,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        &post(&none, STANDARD_BODY),
    );
    let signed = signed.unwrap();
    let plain: Vec<(&str, &str)> = signed
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
        .collect();
    assert_eq!(plain, STANDARD_HEADERS);
}

#[test]
fn github_documented_example() {
    let spec = Spec::Github {
        keys: vec![secret("It's a Secret to Everybody")],
    };
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let header = [("x-hub-signature-256", signature)];
    assert_eq!(verify(&spec, NOW, &header, b"Hello, World!"), Ok((0, None)));
    assert_eq!(
        verify(&spec, NOW, &header, b"Hello, World?"),
        Err(Refusal::Mismatch)
    );
}

#[test]
fn slack_documented_example() {
    let keys = vec![secret("8f742231b10e8888abcd99yyyzzz85a5")];
    let spec = Spec::Slack {
        keys,
        tolerance: MINUTES_5,
    };
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = [
        ("x-slack-request-timestamp", "1531420618"),
        (
            "x-slack-signature",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ),
    ];
    let then = UnixMillis(1_531_420_618_000);
    assert_eq!(verify(&spec, then, &headers, body), Ok((0, None)));
    let later = verify(&spec, NOW, &headers, body);
    assert!(matches!(later, Err(Refusal::TooOld { .. })), "{later:?}");
}

const LARGE: &[u8] = b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.";

/// Hash, key, data and HMAC in hexadecimal: RFC 4231 (cases 1, 2, 3, 7) and RFC 2202 (SHA-1, case 2).
const HMAC_VECTORS: [(Algorithm, &[u8], &[u8], &str); 8] = [
    (
        Algorithm::Sha256,
        &[0x0b; 20],
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        Algorithm::Sha512,
        &[0x0b; 20],
        b"Hi There",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ),
    (
        Algorithm::Sha256,
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        Algorithm::Sha512,
        b"Jefe",
        b"what do ya want for nothing?",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
    (
        Algorithm::Sha256,
        &[0xaa; 20],
        &[0xdd; 50],
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        Algorithm::Sha256,
        &[0xaa; 131],
        LARGE,
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
    (
        Algorithm::Sha512,
        &[0xaa; 131],
        LARGE,
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
    ),
    (
        Algorithm::Sha1,
        b"Jefe",
        b"what do ya want for nothing?",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),
];

#[test]
fn hmac_vectors_of_the_rfcs() {
    for (algorithm, key, data, signature) in HMAC_VECTORS {
        let keys = vec![tidegate_types::secret::Secret::new(key)];
        let spec = Spec::Hmac(HmacSpec {
            algorithm,
            keys,
            ..specs::generic("{body}")
        });
        assert_eq!(
            verify(&spec, NOW, &[("x-signature", signature)], data),
            Ok((0, None))
        );
        let upper = signature.to_uppercase();
        assert_eq!(
            verify(&spec, NOW, &[("x-signature", &upper)], data),
            Ok((0, None))
        );
        let data = [data, b"."].concat();
        let refused = verify(&spec, NOW, &[("x-signature", signature)], &data);
        assert_eq!(refused, Err(Refusal::Mismatch));
    }
}

#[test]
fn basic_example_of_rfc_7617() {
    let credentials = vec![Credentials {
        user: "Aladdin".to_owned(),
        password: secret("open sesame"),
    }];
    let spec = Spec::Basic { credentials };
    for value in [
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    ] {
        assert_eq!(
            verify(&spec, NOW, &[("authorization", value)], b""),
            Ok((0, None))
        );
    }
    let wrong = verify(
        &spec,
        NOW,
        &[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE=")],
        b"",
    );
    assert_eq!(wrong, Err(Refusal::Mismatch));
}

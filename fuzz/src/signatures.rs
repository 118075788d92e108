//! Requests against every signature scheme. What a signer signs is verified; with another body it is not.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{
    Algorithm, Credentials, DEFAULT_TOLERANCE, Encoding, HmacSpec, KeyPlace, Request, Signer, Spec,
    TimestampSource, Verifier, slack,
};

use crate::input::{byte, message, piece};

const NOW: UnixMillis = UnixMillis(1_795_255_200_123);

/// `scheme byte, query, line break, headers, empty line, body`.
pub fn run(data: &[u8]) {
    let (scheme, rest) = byte(data);
    let (query, rest) = piece(rest, b'\n');
    let (headers, body) = message(rest);
    let spec = spec(scheme);
    let query = String::from_utf8_lossy(query);
    let request = Request {
        method: "POST",
        path: "/in",
        query: &query,
        headers: &headers,
        body: &body,
    };
    let Ok(verifier) = Verifier::new(&spec) else {
        return;
    };
    if let Ok(verified) = verifier.verify(NOW, &request) {
        let _challenge = slack::challenge(&verified, &body);
    }
    let _query = tidegate_wire::form::without(&query, "api_key");
    signed(&spec, &verifier, &request);
}

fn signed(spec: &Spec, verifier: &Verifier, request: &Request<'_>) {
    let Ok(signer) = Signer::new(spec) else {
        return;
    };
    let Ok(signed) = signer.sign(NOW, "msg_1", request) else {
        return;
    };
    let mut headers: HeaderMap = request.headers.clone();
    for (name, value) in signed.headers {
        headers.insert(name, value);
    }
    let query = signed.query.unwrap_or_else(|| request.query.to_owned());
    let genuine = Request {
        headers: &headers,
        query: &query,
        ..*request
    };
    if matches!(spec, Spec::Hmac(_)) && headers.get_all("x-signature").iter().count() > 1 {
        return;
    }
    let verdict = verifier.verify(NOW, &genuine);
    assert!(
        verdict.is_ok(),
        "{}: what was signed is refused: {verdict:?}",
        spec.scheme()
    );
    let mut other = request.body.to_vec();
    other.push(b'!');
    let forged = Request {
        body: &other,
        ..genuine
    };
    let bound = !matches!(
        spec,
        Spec::Basic { .. } | Spec::Bearer { .. } | Spec::ApiKey { .. } | Spec::DangerNone
    );
    assert!(
        !bound || verifier.verify(NOW, &forged).is_err(),
        "{}: a forged body passes",
        spec.scheme()
    );
}

fn spec(scheme: u8) -> Spec {
    let keys = || vec![Secret::new("a new secret"), Secret::new("an old secret")];
    let standard = || vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let tolerance = DEFAULT_TOLERANCE;
    match scheme % 12 {
        0 => Spec::StandardWebhooks {
            keys: standard(),
            tolerance,
        },
        1 => Spec::Svix {
            keys: standard(),
            tolerance,
        },
        2 => Spec::Github { keys: keys() },
        3 => Spec::Stripe {
            keys: keys(),
            tolerance,
        },
        4 => Spec::Shopify { keys: keys() },
        5 => Spec::Slack {
            keys: keys(),
            tolerance,
        },
        6 => Spec::Hmac(hmac("{id}.{timestamp}.{body}", None)),
        7 => Spec::Hmac(hmac(
            "{method} {path}?{query} {header:x-more} {timestamp} {body}",
            Some("v1"),
        )),
        8 => Spec::Basic {
            credentials: vec![Credentials {
                user: "partner".to_owned(),
                password: Secret::new("p:w"),
            }],
        },
        9 => Spec::Bearer { tokens: keys() },
        10 => Spec::ApiKey {
            place: KeyPlace::Header(HeaderName::from_static("x-api-key")),
            keys: keys(),
        },
        _ => Spec::ApiKey {
            place: KeyPlace::Query("api_key".into()),
            keys: keys(),
        },
    }
}

fn hmac(template: &str, list: Option<&str>) -> HmacSpec {
    HmacSpec {
        header: HeaderName::from_static("x-signature"),
        keys: vec![Secret::new("a secret of some length")],
        algorithm: Algorithm::Sha512,
        encoding: Encoding::Base64,
        prefix: "v1:".to_owned(),
        template: template.to_owned(),
        timestamp: Some(match list {
            Some(_) => TimestampSource::ListKey("t".to_owned()),
            None => TimestampSource::Header(HeaderName::from_static("x-timestamp")),
        }),
        tolerance: Duration::from_secs(300),
        id: Some(HeaderName::from_static("x-id")),
        list: list.map(str::to_owned),
    }
}

/// One message signed under each scheme.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let body = b"{\"type\":\"order.created\"}";
    let seed = |scheme: u8| {
        let mut headers = HeaderMap::new();
        headers.insert("x-more", http::HeaderValue::from_static("more"));
        let request = Request {
            method: "POST",
            path: "/in",
            query: "a=b",
            headers: &headers,
            body,
        };
        let signed = Signer::new(&spec(scheme))
            .ok()?
            .sign(NOW, "msg_1", &request)
            .ok()?;
        let mut seed = vec![scheme];
        seed.extend_from_slice(signed.query.as_deref().unwrap_or("a=b").as_bytes());
        seed.extend_from_slice(b"\nx-more:more\n");
        for (name, value) in signed.headers {
            seed.extend_from_slice(name.as_str().as_bytes());
            seed.push(b':');
            seed.extend_from_slice(value.as_bytes());
            seed.push(b'\n');
        }
        seed.push(b'\n');
        seed.extend_from_slice(body);
        Some(seed)
    };
    (0..12).filter_map(seed).collect()
}

//! Every scheme both ways, and whatever a stranger may send.

use proptest::prelude::*;
use proptest::sample::Index;
use tidegate_types::secret::Secret;

use super::*;

/// One spec per scheme, each with two keys, and variants of the generic one.
fn schemes() -> Vec<Spec> {
    let standard = || {
        vec![
            secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            secret("whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="),
        ]
    };
    let tolerance = MINUTES_5;
    let credential = |password| Credentials {
        user: "u".to_owned(),
        password,
    };
    let tokens = vec![secret("first-token"), secret("second-token")];
    let header = KeyPlace::Header(HeaderName::from_static("x-api-key"));
    let mut specs = vec![
        Spec::StandardWebhooks {
            keys: standard(),
            tolerance,
        },
        Spec::Svix {
            keys: standard(),
            tolerance,
        },
        Spec::Github { keys: keys() },
        Spec::Stripe {
            keys: keys(),
            tolerance,
        },
        Spec::Shopify { keys: keys() },
        Spec::Slack {
            keys: keys(),
            tolerance,
        },
        Spec::Basic {
            credentials: keys().into_iter().map(credential).collect(),
        },
        Spec::Bearer {
            tokens: tokens.clone(),
        },
        Spec::ApiKey {
            place: header,
            keys: tokens.clone(),
        },
        Spec::ApiKey {
            place: KeyPlace::Query("key".into()),
            keys: tokens,
        },
    ];
    specs.extend(generic_schemes().map(Spec::Hmac));
    specs
}

fn keys() -> Vec<Secret> {
    vec![
        secret("first key, long enough"),
        secret("second key, long enough"),
    ]
}

fn generic_schemes() -> [HmacSpec; 3] {
    let name = HeaderName::from_static;
    [
        HmacSpec {
            keys: keys(),
            encoding: Encoding::Base64,
            ..specs::generic("{body}")
        },
        HmacSpec {
            keys: keys(),
            algorithm: Algorithm::Sha512,
            prefix: "sig:".to_owned(),
            timestamp: Some(TimestampSource::Header(name("x-time"))),
            id: Some(name("x-id")),
            ..specs::generic("{method} {path}?{query} {timestamp} {id} {header:host}\n{body}")
        },
        HmacSpec {
            algorithm: Algorithm::Sha1,
            timestamp: Some(TimestampSource::ListKey("ts".to_owned())),
            list: Some("s".to_owned()),
            ..specs::generic("{timestamp}/{body}")
        },
    ]
}

fn signs_body(spec: &Spec) -> bool {
    !matches!(
        spec,
        Spec::Basic { .. } | Spec::Bearer { .. } | Spec::ApiKey { .. }
    )
}

/// A signed request, owned, so that it can be altered.
struct Sent {
    headers: HeaderMap,
    query: String,
    body: Vec<u8>,
}

impl Sent {
    fn signed(spec: &Spec, now: UnixMillis, body: &[u8]) -> Self {
        let mut headers = headers(&[("host", "tidegate.example")]);
        let query = "a=1";
        let request = Request {
            query,
            ..post(&headers, body)
        };
        let signed = Signer::new(spec)
            .unwrap()
            .sign(now, "msg-1", &request)
            .unwrap();
        headers.extend(signed.headers);
        let query = signed.query.unwrap_or_else(|| query.to_owned());
        Self {
            headers,
            query,
            body: body.to_vec(),
        }
    }

    fn verify(&self, spec: &Spec, now: UnixMillis) -> Result<usize, Refusal> {
        let request = Request {
            query: &self.query,
            ..post(&self.headers, &self.body)
        };
        let verified = Verifier::new(spec).unwrap().verify(now, &request)?;
        if spec.signs_id() {
            assert_eq!(verified.external_id, Some("msg-1"));
        }
        Ok(verified.key_index)
    }

    /// Replaces one byte of one header with another one a header may carry.
    fn alter_header(&mut self, which: Index, at: Index, with: u8) -> Option<(u8, u8)> {
        let names: Vec<HeaderName> = self
            .headers
            .keys()
            .filter(|name| *name != "host")
            .cloned()
            .collect();
        let name = (!names.is_empty()).then(|| which.get(&names))?;
        let mut value = self.headers.get(name)?.as_bytes().to_vec();
        let at = at.index(value.len());
        let before = std::mem::replace(&mut value[at], with);
        self.headers
            .insert(name, HeaderValue::from_bytes(&value).unwrap());
        Some((before, with))
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(body in prop::collection::vec(any::<u8>(), 0..300), seconds in 0_u64..99_999_999_999) {
        for spec in schemes() {
            let now = UnixMillis(seconds * 1000);
            let sent = Sent::signed(&spec, now, &body);
            prop_assert_eq!(sent.verify(&spec, now), Ok(0), "{}", spec.scheme());
            if spec.tolerance().is_some() {
                let late = sent.verify(&spec, now.plus(Duration::from_secs(302)));
                prop_assert!(matches!(late, Err(Refusal::TooOld { .. })), "{} {late:?}", spec.scheme());
            }
        }
    }

    #[test]
    fn an_altered_body_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..300),
        at: Index,
        bit in 0_u8..8,
    ) {
        for spec in schemes().into_iter().filter(signs_body) {
            let mut sent = Sent::signed(&spec, NOW, &body);
            let at = at.index(body.len());
            sent.body[at] ^= 1 << bit;
            prop_assert_eq!(sent.verify(&spec, NOW), Err(Refusal::Mismatch), "{}", spec.scheme());
        }
    }

    #[test]
    fn an_altered_header_is_refused(which: Index, at: Index, with in 0x21_u8..0x7f) {
        for spec in schemes() {
            // One signature only, since of several one may be altered without harm.
            let spec = only_first_key(spec);
            let mut sent = Sent::signed(&spec, NOW, b"{}");
            let Some((before, with)) = sent.alter_header(which, at, with) else { continue };
            // Case means nothing in hexadecimal and in the names of authentication schemes.
            if !before.eq_ignore_ascii_case(&with) {
                let verdict = sent.verify(&spec, NOW);
                prop_assert!(verdict.is_err(), "{} {:?}", spec.scheme(), sent.headers);
            }
        }
    }

    #[test]
    fn another_key_is_refused_and_a_rotated_one_is_found(body in prop::collection::vec(any::<u8>(), 0..100)) {
        for spec in schemes() {
            let first = only_first_key(spec.clone());
            let sent = Sent::signed(&first, NOW, &body);
            prop_assert_eq!(sent.verify(&rotated(spec.clone()), NOW), Ok(1), "{}", spec.scheme());
            let other = only_first_key(rotated(spec));
            prop_assert!(sent.verify(&other, NOW).is_err(), "{}", other.scheme());
        }
    }

    #[test]
    fn hostile_headers_are_refused_without_panic(
        values in prop::collection::vec("[ -~]{0,60}|(v1,|t=|sha256=|v0=|Basic |Bearer )[ -~]{0,90}|[0-9]{1,25}", 1..12),
        raw in prop::collection::vec(prop::collection::vec(0x80_u8..=0xff, 0..10), 0..3),
        query in "[ -~]{0,40}",
    ) {
        for spec in schemes() {
            let genuine = Sent::signed(&spec, NOW, b"");
            let mut headers = HeaderMap::new();
            for (index, name) in genuine.headers.keys().enumerate() {
                let value = HeaderValue::from_str(&values[index % values.len()]).unwrap();
                headers.insert(name, value);
                if let Some(bytes) = raw.get(index) {
                    headers.append(name, HeaderValue::from_bytes(bytes).unwrap());
                }
            }
            let hostile = Sent { headers, query: query.clone(), body: Vec::new() };
            let refusal = hostile.verify(&spec, NOW).expect_err("nothing of it is signed");
            prop_assert!(Refusal::CODES.contains(&refusal.code()));
        }
    }
}

/// Applies `change` to the list of keys, whatever the scheme calls it.
fn with_keys(mut spec: Spec, change: impl Fn(&mut Vec<Secret>)) -> Spec {
    match &mut spec {
        Spec::StandardWebhooks { keys, .. }
        | Spec::Svix { keys, .. }
        | Spec::Github { keys }
        | Spec::Stripe { keys, .. }
        | Spec::Shopify { keys }
        | Spec::Slack { keys, .. }
        | Spec::Hmac(HmacSpec { keys, .. })
        | Spec::Bearer { tokens: keys }
        | Spec::ApiKey { keys, .. } => change(keys),
        Spec::Basic { credentials } => {
            let mut passwords: Vec<_> =
                credentials.iter().map(|one| one.password.clone()).collect();
            change(&mut passwords);
            let user = |password| Credentials {
                user: "u".to_owned(),
                password,
            };
            *credentials = passwords.into_iter().map(user).collect();
        }
        Spec::DangerNone => {}
    }
    spec
}

fn only_first_key(spec: Spec) -> Spec {
    with_keys(spec, |keys| keys.truncate(1))
}

/// The first key moved behind a new one.
fn rotated(spec: Spec) -> Spec {
    with_keys(spec, |keys| {
        keys.truncate(1);
        keys.insert(0, secret("whsec_bmV3IGtleSBmb3IgdGhlIHJvdGF0aW9u"));
    })
}

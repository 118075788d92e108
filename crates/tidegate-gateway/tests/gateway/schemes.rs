//! Every scheme of the configuration: what is genuine is kept, anything else is 401 and leaves no trace but a count.

use std::time::Duration;

use http::HeaderValue;
use tidegate_hub::clock::now;
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{Credentials, Spec};

use crate::call::{Call, assert_problem, assert_status, json};
use crate::site::{ED25519_PRIVATE, Site};

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  standard:
    system: partner
    receive: { path: /in/standard, verify: { scheme: standard-webhooks, secrets: ["${env:WHSEC_NEW}", "${env:WHSEC_OLD}"] } }
    event: { type: '"partner." + .body.kind' }
  asymmetric:
    system: partner
    receive: { path: /in/asymmetric, verify: { scheme: standard-webhooks, secrets: ["${env:ED25519}", "${env:WHSEC_OLD}"] } }
    event: { type: '"partner." + .body.kind' }
  svix:
    system: partner
    receive: { path: /in/svix, verify: { scheme: svix, secrets: ["${env:WHSEC_NEW}", "${env:WHSEC_OLD}"] } }
    event: { type: '"partner." + .body.kind' }
  github:
    system: partner
    receive: { path: /in/github, verify: { scheme: github, secrets: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: '.headers["x-id"]', type: '"partner." + .body.kind' }
  stripe:
    system: partner
    receive: { path: /in/stripe, verify: { scheme: stripe, secrets: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  shopify:
    system: partner
    receive: { path: /in/shopify, verify: { scheme: shopify, secrets: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: '.headers["x-id"]', type: '"partner." + .body.kind' }
  slack:
    system: partner
    receive: { path: /in/slack, verify: { scheme: slack, secrets: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  hmac:
    system: partner
    receive:
      path: /in/hmac
      verify:
        scheme: hmac
        header: x-signature
        algorithm: sha512
        encoding: base64
        prefix: v1=
        template: '{method} {path} {timestamp} {id} {body}'
        timestamp-header: x-signed-at
        id-header: x-message
        tolerance: 60s
        secrets: ["${env:NEW}", "${env:OLD}"]
    event: { type: '"partner." + .body.kind' }
  hmac-list:
    system: partner
    receive:
      path: /in/hmac-list
      verify: { scheme: hmac, header: x-signature, list-key: s, timestamp-key: t, template: '{timestamp}:{body}', secrets: ["${env:NEW}", "${env:OLD}"] }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  basic:
    system: partner
    receive: { path: /in/basic, verify: { scheme: basic, user: partner, passwords: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  bearer:
    system: partner
    receive: { path: /in/bearer, verify: { scheme: bearer, tokens: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  key-header:
    system: partner
    receive: { path: /in/key-header, verify: { scheme: api-key, header: x-api-key, keys: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
  key-query:
    system: partner
    receive: { path: /in/key-query, verify: { scheme: api-key, query: api_key, keys: ["${env:NEW}", "${env:OLD}"] } }
    event: { id: .body.id, type: '"partner." + .body.kind' }
"#;

/// Which keys a sender has.
type Pick = fn(&[Secret]) -> Vec<Secret>;

/// What of `spec` the sender has: all keys, or one of them only.
fn sender(spec: &Spec, pick: Pick) -> Spec {
    let mut spec = spec.clone();
    match &mut spec {
        Spec::StandardWebhooks { keys, .. } => {
            let private = keys
                .iter_mut()
                .filter(|key| key.expose().starts_with(b"whpk_"));
            private.for_each(|key| *key = Secret::new(ED25519_PRIVATE));
            *keys = pick(keys);
        }
        Spec::Svix { keys, .. }
        | Spec::Github { keys }
        | Spec::Stripe { keys, .. }
        | Spec::Shopify { keys }
        | Spec::Slack { keys, .. }
        | Spec::Bearer { tokens: keys }
        | Spec::ApiKey { keys, .. } => *keys = pick(keys),
        Spec::Hmac(hmac) => hmac.keys = pick(&hmac.keys),
        Spec::Basic { credentials } => {
            let passwords: Vec<_> = credentials.iter().map(|it| it.password.clone()).collect();
            let user = credentials[0].user.clone();
            let pair = |password| Credentials {
                user: user.clone(),
                password,
            };
            *credentials = pick(&passwords).into_iter().map(pair).collect();
        }
        Spec::DangerNone => {}
    }
    spec
}

fn new_key(keys: &[Secret]) -> Vec<Secret> {
    keys[..1].to_vec()
}

fn old_key(keys: &[Secret]) -> Vec<Secret> {
    keys[1..].to_vec()
}

/// A key of the same form that the gateway does not have.
fn wrong_key(keys: &[Secret]) -> Vec<Secret> {
    let wrong: &[u8] = match keys[1].expose() {
        key if key.starts_with(b"whsec_") => b"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        _ => b"WRONG-0123456789abcdef0123456789abcdef",
    };
    vec![Secret::new(wrong)]
}

fn call(site: &Site, flow: &str, id: &str, spec: &Spec, at: UnixMillis) -> Call {
    let body = format!(r#"{{"id":"{id}","kind":"created"}}"#);
    let headers = [("content-type", "application/json"), ("x-id", id)];
    Call::new(&site.path(flow), &headers, body).signed(spec, id, at)
}

fn flows(site: &Site) -> Vec<(String, Spec)> {
    let flows = site.config.flows.iter();
    flows
        .map(|flow| (flow.name.clone(), flow.verify.clone()))
        .collect()
}

#[tokio::test]
async fn genuine_requests_are_kept_whichever_key_signed_them() {
    let site = Site::start(FLOWS).await;
    for (flow, spec) in flows(&site) {
        let keys: [(&str, Pick); 3] = [
            ("both", <[Secret]>::to_vec),
            ("new", new_key),
            ("old", old_key),
        ];
        for (id, pick) in keys {
            let answer = site
                .send(&call(&site, &flow, id, &sender(&spec, pick), now()))
                .await;
            assert_status(&answer, 200);
            assert!(
                json(&answer).get("repeat").is_none(),
                "{flow} {id} {answer:?}"
            );
        }
        assert_eq!(site.flow(&flow).kept, 3, "{flow}");
    }
    let events = site.events();
    assert_eq!(events.len(), 3 * site.config.flows.len());
    for entry in events {
        assert_eq!(entry.event.kind, "partner.created");
        assert!(
            ["both", "new", "old"].contains(&entry.event.external_id.as_str()),
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn wrong_keys_and_times_are_refused_without_a_trace() {
    let site = Site::start(FLOWS).await;
    let head = site.head();
    let outside = Duration::from_secs(3600);
    for (flow, spec) in flows(&site) {
        let wrong = call(&site, &flow, "1", &sender(&spec, wrong_key), now());
        assert_problem(&site.send(&wrong).await, 401, "unverified");
        let mut refused = 1;
        if spec.tolerance().is_some() {
            let genuine = sender(&spec, new_key);
            for (at, reason) in [
                (now().minus(outside), "too-old"),
                (now().plus(outside), "too-new"),
            ] {
                let answer = site.send(&call(&site, &flow, "1", &genuine, at)).await;
                assert_problem(&answer, 401, "unverified");
                assert!(
                    !answer.body.windows(3).any(|it| it == b"too"),
                    "a forger learns why: {answer:?}"
                );
                let labels = [("flow", flow.as_str()), ("reason", reason)];
                assert!(
                    (site.metric("tidegate_requests_unverified_total", &labels) - 1.0).abs() < 0.1
                );
            }
            refused += 2;
        }
        let bare = Call::new(&site.path(&flow), &[], "{}");
        assert_problem(&site.send(&bare).await, 401, "unverified");
        assert_eq!(site.flow(&flow).unverified, refused + 1, "{flow}");
    }
    assert_eq!(site.head(), head);
}

/// The call with one bit of one byte altered at a time: in the body, if that is signed, and in the
/// headers and the query that the scheme adds; and with each of those missing and repeated.
fn altered(genuine: &Call, body_is_signed: bool) -> Vec<Call> {
    let mut altered = Vec::new();
    for at in 0..if body_is_signed {
        genuine.body.len()
    } else {
        0
    } {
        let mut call = genuine.clone();
        let mut body = genuine.body.to_vec();
        body[at] ^= 1;
        call.body = body.into();
        altered.push(call);
    }
    let added = genuine.headers.iter();
    for (name, value) in added.filter(|(name, _)| *name != "content-type" && *name != "x-id") {
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] ^= 1;
            let mut call = genuine.clone();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                call.headers.insert(name, value);
                altered.push(call);
            }
        }
        let mut twice = genuine.clone();
        twice.headers.append(name, value.clone());
        altered.push(twice);
        let mut without = genuine.clone();
        without.headers.remove(name);
        altered.push(without);
    }
    if let Some((path, query)) = genuine.path.split_once('?') {
        let (name, key) = query.split_once('=').unwrap();
        for query in [
            format!("{name}={key}x"),
            format!("{query}&{query}"),
            format!("x{query}"),
            format!("{name}="),
        ] {
            let path = format!("{path}?{query}");
            altered.push(Call {
                path,
                ..genuine.clone()
            });
        }
    }
    altered
}

#[tokio::test]
async fn one_altered_byte_is_refused() {
    let site = Site::start(FLOWS).await;
    let head = site.head();
    for (flow, spec) in flows(&site) {
        let genuine = call(&site, &flow, "1", &sender(&spec, new_key), now());
        let body_is_signed = !matches!(
            spec,
            Spec::Basic { .. } | Spec::Bearer { .. } | Spec::ApiKey { .. }
        );
        let altered = altered(&genuine, body_is_signed);
        for call in &altered {
            let answer = site.send(call).await;
            assert_eq!(answer.status, 401, "{flow}: {call:?} {answer:?}");
        }
        assert_eq!(site.flow(&flow).unverified, altered.len() as u64, "{flow}");
    }
    assert_eq!(site.head(), head);
}

#[tokio::test]
async fn the_address_check_of_slack_is_answered_when_it_is_genuine() {
    let site = Site::start(FLOWS).await;
    let head = site.head();
    let body = r#"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let bare = Call::new("/in/slack", &[("content-type", "application/json")], body);
    assert_problem(&site.send(&bare).await, 401, "unverified");
    let answer = site
        .send(&bare.signed(&site.scheme("slack"), "", now()))
        .await;
    assert_status(&answer, 200);
    assert_eq!(
        answer.body,
        "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    );
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(site.head(), head);
}

#[tokio::test]
async fn credentials_ask_for_themselves_in_their_scheme() {
    let site = Site::start(FLOWS).await;
    for (path, challenge) in [
        ("/in/basic", Some("Basic")),
        ("/in/bearer", Some("Bearer")),
        ("/in/github", None),
    ] {
        let answer = site.send(&Call::new(path, &[], "{}")).await;
        let asked = answer
            .headers
            .get("www-authenticate")
            .map(|it| it.to_str().unwrap());
        let scheme = asked.map(|it| it.split(' ').next().unwrap());
        assert_eq!(scheme, challenge, "{path}");
    }
    // RFC 9110, section 11.1: the name of the scheme is compared without regard to case.
    let mut call = Call::genuine(&site, "bearer", "1");
    let value = call.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("Bearer", "bEARER");
    call.headers
        .insert("authorization", HeaderValue::try_from(value).unwrap());
    assert_status(&site.send(&call).await, 200);
}

//! `send` in every scheme the gateway verifies.

use crate::node::{Place, documents};

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  github:
    system: partner
    receive: { path: /in/github, verify: { scheme: github, secret: "${env:TEST_SECRET}" } }
    event: { id: '.headers["x-github-delivery"]', type: '"github." + .headers["x-github-event"]' }
  stripe:
    system: partner
    receive: { path: /in/stripe, verify: { scheme: stripe, secret: "${env:TEST_SECRET}" } }
    event: { id: .body.id, type: '"stripe." + .body.type' }
  shopify:
    system: partner
    receive: { path: /in/shopify, verify: { scheme: shopify, secret: "${env:TEST_SECRET}" } }
    event: { id: '.headers["x-shopify-webhook-id"]', type: '.headers["x-shopify-topic"]' }
  slack:
    system: partner
    receive: { path: /in/slack, verify: { scheme: slack, secret: "${env:TEST_SECRET}" } }
    event: { id: .body.event_id, type: '"slack." + .body.event.type' }
  standard:
    system: partner
    receive: { path: /in/standard, verify: { scheme: standard-webhooks, secret: "${env:TEST_WHSEC}" } }
    event: { type: .body.type }
  svix:
    system: partner
    receive: { path: /in/svix, verify: { scheme: svix, secret: "${env:TEST_WHSEC}" } }
    event: { type: .body.type }
  hmac:
    system: partner
    receive:
      path: /in/hmac
      verify:
        scheme: hmac
        secret: "${env:TEST_SECRET}"
        header: x-signature
        template: '{id}.{timestamp}.{body}'
        timestamp-header: x-timestamp
        id-header: x-event-id
    event: { type: .body.type }
  basic:
    system: partner
    receive: { path: /in/basic, verify: { scheme: basic, user: partner, password: "${env:TEST_SECRET}" } }
    event: { id: .body.id, type: .body.type }
  bearer:
    system: partner
    receive: { path: /in/bearer, verify: { scheme: bearer, token: "${env:TEST_SECRET}" } }
    event: { id: .body.id, type: .body.type }
  api-key:
    system: partner
    receive: { path: /in/api-key, verify: { scheme: api-key, header: x-api-key, key: "${env:TEST_SECRET}" } }
    event: { id: .body.id, type: .body.type }
  api-key-query:
    system: partner
    receive: { path: /in/api-key-query, verify: { scheme: api-key, query: key, key: "${env:TEST_SECRET}" } }
    event: { id: .body.id, type: .body.type }
  none:
    system: partner
    receive: { path: /in/none, verify: none }
    event: { id: .body.id, type: .body.type }
  cloudevents:
    system: partner
    receive: { path: /in/cloudevents, format: cloudevents, verify: { scheme: bearer, token: "${env:TEST_SECRET}" } }
"#;

#[test]
fn a_sample_is_kept_in_every_scheme_and_its_repeat_is_recognised() {
    let place = Place::new(FLOWS);
    let node = place.start();
    let status = node.json(&["status"]);
    let flows = status[0]["flows"].as_array().unwrap().clone();
    assert_eq!(flows.len(), 13);
    for flow in flows {
        let name = flow["flow"].as_str().unwrap();
        let first = node.sends(&[name, "--id", "id-1"], "kept");
        assert_eq!(
            node.sends(&[name, "--id", "id-1"], "repeat"),
            first,
            "{name}"
        );
        let other = node.sends(&[name], "kept");
        assert_ne!(first, other, "{name}");
    }
}

#[test]
fn headers_bodies_folders_and_counts() {
    let place = Place::new(FLOWS);
    let node = place.start();
    let folder = tempfile::tempdir().unwrap();
    for name in ["pull_request.opened.json", "push.json", "ignored.txt"] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    let folder = folder.path().to_str().unwrap();
    let sent = documents(&node.send(&["github", "--dir", folder]));
    assert_eq!(sent.len(), 2);
    let event = &node.json(&["events", "get", sent[0]["id"].as_str().unwrap()])[0];
    assert_eq!(event["type"], "github.pull_request");
    assert_eq!(event["raw"]["body"], "{}");

    let custom = [
        "none",
        "--data",
        r#"{"id":7,"type":"a.b"}"#,
        "--header",
        "x-trace: of {id}",
        "--id",
        "t1",
    ];
    let id = node.sends(&custom, "kept");
    let event = &node.json(&["events", "get", &id])[0];
    let headers = event["raw"]["headers"].as_array().unwrap();
    assert!(
        headers
            .iter()
            .any(|it| it[0] == "x-trace" && it[1] == "of t1"),
        "{headers:?}"
    );

    let many = documents(&node.send(&["github", "--count", "5", "--rate", "1000"]));
    assert_eq!(many.len(), 5);
    let failed = node.send(&[
        "none",
        "--to",
        &format!("http://{}/elsewhere", node.public()),
    ]);
    assert!(!failed.status.success());
}

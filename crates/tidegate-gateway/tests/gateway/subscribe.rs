//! Subscribe: in order, at least once, with a cursor that the server keeps.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tidegate_core::log::entry::Entry;
use tidegate_gateway::http::{Answer, Client};

use crate::call::{Call, assert_problem, assert_status, header_map, json};
use crate::site::{PATIENCE, Site, until};

const CONFIG: &str = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: none, body-max: 8MiB }
    event: { id: .body.id, type: .body.type, key: .body.key }
services:
  billing:
    token: "${env:BILLING}"
    subscribe:
      all: ["*"]
      rare: [rare.*]
      dear: { on: [order.*], when: .data.total > 10 }
  stranger:
    token: "${env:STRANGER}"
    subscribe: { own: ["*"] }
"#;

const BILLING: &str = "Bearer BILLING-0123456789abcdef0123456789abcdef";
const STRANGER: &str = "Bearer STRANGER-0123456789abcdef0123456789abcdef";

fn token(token: &str) -> HeaderMap {
    header_map(&[("authorization", token)])
}

async fn event(site: &Site, id: u32, kind: &str) {
    let body = format!(r#"{{"id":{id},"type":"{kind}","key":"k","total":{id}}}"#);
    let call = Call::new("/in/orders", &[("content-type", "application/json")], body);
    assert_status(&site.send(&call).await, 200);
}

async fn get(site: &Site, path: &str) -> Answer {
    site.request(Method::GET, path, token(BILLING), "").await
}

/// A page: the ids the sender gave, and the cursor behind them.
async fn page(site: &Site, subscription: &str, query: &str) -> (Vec<u64>, String) {
    let answer = get(site, &format!("/v1/subscriptions/{subscription}{query}")).await;
    read(&answer)
}

#[track_caller]
fn read(answer: &Answer) -> (Vec<u64>, String) {
    assert_status(answer, 200);
    assert_eq!(
        answer.headers["content-type"],
        "application/cloudevents-batch+json"
    );
    let ids = json(answer)
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["data"]["id"].as_u64().unwrap())
        .collect();
    let cursor = answer
        .headers
        .get("tidegate-cursor")
        .map(|it| it.to_str().unwrap().to_owned());
    (ids, cursor.unwrap_or_default())
}

async fn acknowledge(site: &Site, subscription: &str, body: impl Into<String>) -> Answer {
    let path = format!("/v1/subscriptions/{subscription}/cursor");
    site.request(Method::PUT, &path, token(BILLING), body.into())
        .await
}

async fn position(site: &Site, subscription: &str) -> Value {
    json(&get(site, &format!("/v1/subscriptions/{subscription}/cursor")).await)["cursor"].clone()
}

#[tokio::test]
async fn events_come_in_order_until_they_are_acknowledged() {
    let mut site = Site::start(CONFIG).await;
    for id in 1..=5 {
        event(&site, id, "order.created").await;
    }
    let (first, cursor) = page(&site, "all", "?limit=2").await;
    assert_eq!(first, [1, 2]);
    assert_eq!(
        page(&site, "all", "?limit=2").await,
        (first, cursor.clone())
    );
    assert_eq!(position(&site, "all").await, Value::Null);
    for (round, cursor) in [
        cursor.clone(),
        json!({"cursor": cursor}).to_string(),
        json!(cursor).to_string(),
    ]
    .into_iter()
    .enumerate()
    {
        assert_status(&acknowledge(&site, "all", cursor).await, 200);
        assert_eq!(page(&site, "all", "").await.0, [3, 4, 5], "{round}");
    }
    site = site.restart().await;
    assert_eq!(position(&site, "all").await, json!(cursor));
    let (rest, end) = page(&site, "all", "").await;
    assert_eq!(rest, [3, 4, 5]);
    assert_status(&acknowledge(&site, "all", end.clone()).await, 200);
    assert_eq!(page(&site, "all", "").await.0, [0; 0]);
    // An older cursor moves nothing back.
    assert_status(&acknowledge(&site, "all", cursor).await, 200);
    assert_eq!(position(&site, "all").await, json!(end));
    assert_eq!(page(&site, "all", "").await.0, [0; 0]);
}

#[tokio::test]
async fn an_event_is_shown_as_a_cloudevent() {
    let site = Site::start(CONFIG).await;
    event(&site, 1, "order.created").await;
    let answer = get(&site, "/v1/subscriptions/all").await;
    let event = &json(&answer)[0];
    let kept = &site.events()[0].event;
    assert_eq!(event["id"], kept.id.to_string());
    assert_eq!(event["time"], kept.time.to_string());
    let fixed = [
        "specversion",
        "source",
        "type",
        "datacontenttype",
        "partitionkey",
        "data",
    ]
    .map(|name| event[name].clone());
    let data = json!({"id": 1, "type": "order.created", "key": "k", "total": 1});
    assert_eq!(
        fixed,
        [
            json!("1.0"),
            json!("/orders/orders"),
            json!("order.created"),
            json!("application/json"),
            json!("k"),
            data
        ]
    );
}

/// Whoever acknowledges and reads again gets what follows, however soon it asks.
#[tokio::test]
async fn what_was_acknowledged_does_not_come_again() {
    let site = Site::start(CONFIG).await;
    for id in 0..100 {
        event(&site, id, "order.created").await;
        let (ids, cursor) = page(&site, "all", "").await;
        assert_eq!(ids, [u64::from(id)]);
        assert_status(&acknowledge(&site, "all", cursor.clone()).await, 200);
        assert_eq!(position(&site, "all").await, json!(cursor));
    }
}

#[tokio::test]
async fn a_reader_may_read_ahead() {
    let site = Site::start(CONFIG).await;
    for id in 1..=4 {
        event(&site, id, "order.created").await;
    }
    let (_, first) = page(&site, "all", "?limit=2").await;
    let (ids, second) = page(&site, "all", &format!("?after={first}")).await;
    assert_eq!(ids, [3, 4]);
    assert_eq!(
        page(
            &site,
            "all",
            &format!("?after={}", second.replace('/', "%2F"))
        )
        .await
        .0,
        [0; 0]
    );
    assert_eq!(page(&site, "all", "").await.0, [1, 2, 3, 4]);
}

#[tokio::test]
async fn only_events_that_are_wanted_come() {
    let site = Site::start(CONFIG).await;
    for (id, kind) in [
        (5, "order.created"),
        (20, "payment.made"),
        (30, "order.created"),
        (40, "rare.one"),
    ] {
        event(&site, id, kind).await;
    }
    assert_eq!(page(&site, "dear", "").await.0, [30]);
    assert_eq!(page(&site, "rare", "").await.0, [40]);
    assert_eq!(page(&site, "all", "").await.0, [5, 20, 30, 40]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_how_to_ask() {
    let site = Site::start(CONFIG).await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "wait=31",
        "wait=1.5",
        "wait=18446744073709551616",
        "after=",
        "after=x",
        "cursor=1",
        "limit=1&limit=0",
        "%ff=1",
    ] {
        let answer = get(&site, &format!("/v1/subscriptions/all?{query}")).await;
        assert_problem(&answer, 400, "invalid-parameter");
    }
    assert_problem(
        &get(&site, "/v1/subscriptions/other").await,
        404,
        "unknown-subscription",
    );
    assert_problem(
        &get(&site, "/v1/subscriptions/all/").await,
        404,
        "unknown-path",
    );
    for path in ["all", "all/cursor", "own", "own/cursor"] {
        let theirs = format!("/v1/subscriptions/{path}");
        let (who, status) = if path.starts_with("all") {
            (STRANGER, 404)
        } else {
            (BILLING, 404)
        };
        assert_status(
            &site.request(Method::GET, &theirs, token(who), "").await,
            status,
        );
    }
    let answer = site
        .request(
            Method::DELETE,
            "/v1/subscriptions/all/cursor",
            token(BILLING),
            "",
        )
        .await;
    assert_status(&answer, 405);
    let large = acknowledge(&site, "all", "x".repeat(1025)).await;
    assert_problem(&large, 413, "body");
}

#[tokio::test]
async fn a_cursor_of_another_log_is_refused() {
    let site = Site::start(CONFIG).await;
    event(&site, 1, "order.created").await;
    let (_, cursor) = page(&site, "all", "").await;
    let parts: Vec<&str> = cursor.split('/').collect();
    let [origin, incarnation, frame, index] = parts[..] else {
        panic!("{cursor}")
    };
    let later = u64::from_str_radix(incarnation, 16).unwrap() + 1;
    let malformed = [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        "7".to_owned(),
        format!("{cursor}/0"),
        format!("{origin}/{incarnation}/{frame}"),
        format!("elsewhere/{incarnation}/{frame}/{index}"),
        format!("{origin}/{incarnation}/-1/0"),
        "\u{0}".to_owned(),
    ];
    for cursor in malformed {
        assert_problem(
            &acknowledge(&site, "all", cursor.clone()).await,
            400,
            "invalid-cursor",
        );
    }
    let foreign = [
        format!("{origin}/{later:x}/{frame}/{index}"),
        format!("{origin}/1/{frame}/{index}"),
        format!("{origin}/{incarnation}/999999/0"),
        format!("{origin}/{incarnation}/18446744073709551615/4294967295"),
    ];
    for cursor in foreign {
        assert_problem(
            &acknowledge(&site, "all", cursor.clone()).await,
            409,
            "unknown-cursor",
        );
        let ahead = get(&site, &format!("/v1/subscriptions/all?after={cursor}")).await;
        assert_problem(&ahead, 409, "unknown-cursor");
    }
    assert_eq!(page(&site, "all", "").await.0, [1]);
}

fn long_poll(client: Client, subscription: &str) -> tokio::task::JoinHandle<Answer> {
    let path = format!("/v1/subscriptions/{subscription}?wait=30");
    tokio::spawn(async move {
        let call = Call {
            method: Method::GET,
            path,
            headers: token(BILLING),
            body: "".into(),
        };
        call.send(&client).await
    })
}

async fn until_waiting(site: &Site, readers: f64) {
    until("the reader to wait", || {
        site.metric("tidegate_http_requests_in_flight", &[]) > readers - 0.5
    })
    .await;
}

#[tokio::test]
async fn a_long_poll_wakes_up_for_what_it_wants() {
    let site = Site::start(CONFIG).await;
    let (all, rare) = (
        long_poll(site.client(), "all"),
        long_poll(site.client(), "rare"),
    );
    until_waiting(&site, 2.0).await;
    event(&site, 1, "order.created").await;
    let answer = tokio::time::timeout(Duration::from_secs(10), all)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read(&answer).0, [1]);
    event(&site, 2, "rare.one").await;
    let answer = tokio::time::timeout(Duration::from_secs(10), rare)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read(&answer).0, [2]);
}

#[tokio::test]
async fn a_long_poll_ends_when_the_node_goes_down() {
    let site = Site::start(CONFIG).await;
    let poll = long_poll(site.client(), "all");
    until_waiting(&site, 1.0).await;
    let drained = tokio::time::timeout(Duration::from_secs(10), site.gateway().drain(PATIENCE))
        .await
        .unwrap();
    assert_eq!(drained.requests_cut, 0);
    assert_eq!(read(&poll.await.unwrap()).0, [0; 0]);
}

/// A subscription to rare events moves on by itself, so that it does not hold the log; but never past
/// an event that its reader has not acknowledged.
#[tokio::test]
async fn a_long_stretch_of_nothing_is_passed() {
    let site = Site::start(CONFIG).await;
    event(&site, 0, "rare.one").await;
    let (ids, ahead) = page(&site, "rare", "").await;
    assert_eq!(ids, [0]);
    for id in 1..=1100 {
        event(&site, id, "order.created").await;
    }
    assert_eq!(
        page(&site, "rare", &format!("?after={ahead}")).await.0,
        [0; 0]
    );
    assert_eq!(position(&site, "rare").await, Value::Null);
    assert_eq!(page(&site, "rare", "").await.0, [0]);
    assert_status(&acknowledge(&site, "rare", ahead.clone()).await, 200);
    assert_eq!(page(&site, "rare", "").await.0, [0; 0]);
    assert_ne!(position(&site, "rare").await, json!(ahead));
    event(&site, 2000, "rare.two").await;
    assert_eq!(page(&site, "rare", "").await.0, [2000]);
}

/// One page looks through so many bytes only. Few large events exhaust that sooner than many frames do,
/// and the reader must still get past them.
#[tokio::test]
async fn large_events_of_others_hold_nobody_up() {
    let site = Site::start(&format!("log: {{ segment: 32MiB }}{CONFIG}")).await;
    for id in 1..=12 {
        let body = format!(
            r#"{{"id":{id},"type":"order.created","text":"{}"}}"#,
            "x".repeat(7 << 20)
        );
        assert_status(
            &site
                .send(&Call::new(
                    "/in/orders",
                    &[("content-type", "application/json")],
                    body,
                ))
                .await,
            200,
        );
    }
    event(&site, 99, "rare.one").await;
    for _ in 0..10 {
        if page(&site, "rare", "").await.0 == [99] {
            return;
        }
    }
    panic!("the reader never gets there");
}

/// Writing outruns the trim, which looks at the log ten times a second.
async fn send_when_there_is_room(site: &Site, body: String) {
    let call = Call::new("/in/orders", &[("content-type", "application/json")], body);
    while site.send(&call).await.status == 503 {
        until("room", || site.gateway().readiness().ready).await;
    }
}

#[tokio::test]
async fn a_subscription_that_was_passed_goes_on_with_what_there_is() {
    let site = Site::start_with(CONFIG, |config| {
        config.log.size_max = 6 << 20;
        for subscription in &mut config
            .services
            .iter_mut()
            .flat_map(|it| &mut it.subscriptions)
        {
            subscription.max_lag = Duration::ZERO;
        }
    })
    .await;
    event(&site, 0, "rare.one").await;
    let (_, cursor) = page(&site, "rare", "").await;
    assert_status(&acknowledge(&site, "rare", cursor.clone()).await, 200);
    let mut sent = 0;
    while site.hub().reader().bounds().first.0 <= 1 {
        sent += 1;
        assert!(sent < 500, "nothing is trimmed");
        let body = format!(
            r#"{{"id":{sent},"type":"order.created","text":"{}"}}"#,
            "x".repeat(200_000)
        );
        send_when_there_is_room(&site, body).await;
    }
    // The first segment that goes need not make enough room.
    let rare = r#"{"id":1000,"type":"rare.two","key":"k","total":1000}"#;
    send_when_there_is_room(&site, rare.to_owned()).await;
    assert_eq!(page(&site, "rare", "").await.0, [1000]);
    assert_eq!(
        page(&site, "rare", &format!("?after={cursor}")).await.0,
        [1000]
    );
    let passed = site
        .entries()
        .into_iter()
        .any(|entry| matches!(entry, Entry::System(event) if event.kind == "subscription-passed"));
    assert!(passed);
}

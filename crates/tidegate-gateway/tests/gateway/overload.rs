//! No room: 503 with `Retry-After`, the sender keeps the event, and afterwards everything goes on.

use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::call::{Call, assert_problem, assert_status, header_map};
use crate::site::{PATIENCE, Site, until};

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: none }
    event: { id: .body.id, type: '"order.created"' }
  events:
    system: partner
    receive: { path: /in/events, format: cloudevents, verify: none }
services:
  billing:
    token: "${env:BILLING}"
    subscribe: { all: ["*"] }
"#;

const BILLING: (&str, &str) = (
    "authorization",
    "Bearer BILLING-0123456789abcdef0123456789abcdef",
);

fn order(id: u32, bytes: usize) -> Call {
    let body = format!(r#"{{"id":"{id}","text":"{}"}}"#, "x".repeat(bytes));
    Call::new("/in/orders", &[("content-type", "application/json")], body)
}

/// A request whose body is not all there.
async fn unfinished(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(site.gateway().address()).await.unwrap();
    let head = "POST /in/orders HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{\"id\":";
    stream.write_all(head.as_bytes()).await.unwrap();
    until("the request to be under way", || {
        site.metric("tidegate_http_requests_in_flight", &[]) > 0.5
    })
    .await;
    stream
}

async fn finish(mut stream: TcpStream) -> String {
    stream.write_all(b"\"1\"}").await.unwrap();
    let mut answer = String::new();
    let rest = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, rest).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn too_many_requests_under_way() {
    let site = Site::start_with(FLOWS, |config| config.limits.in_flight_max = 1).await;
    let first = unfinished(&site).await;
    let refused = site.send(&order(2, 0)).await;
    assert_problem(&refused, 503, "overload");
    assert_eq!(refused.headers["retry-after"], "1");
    assert!((site.metric("tidegate_requests_shed_total", &[]) - 1.0).abs() < 0.1);
    assert!(finish(first).await.starts_with("HTTP/1.1 200 "));
    assert_status(&site.send(&order(2, 0)).await, 200);
    assert_eq!(site.events().len(), 2);
}

#[tokio::test]
async fn too_much_waits_to_be_written() {
    // One offer is taken whatever its size, so of a thousand at once the next is too much.
    let site = Site::start_with(FLOWS, |config| config.limits.queue_bytes_max = 1).await;
    let event = |n: u32| format!(r#"{{"specversion":"1.0","id":"{n}","source":"/s","type":"t"}}"#);
    let batch: Vec<String> = (0..1000).map(event).collect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let batch = Call::new("/in/events", &headers, format!("[{}]", batch.join(",")));
    let refused = site.send(&batch).await;
    assert_problem(&refused, 503, "overload");
    assert_eq!(refused.headers["retry-after"], "1");
    let status = site.flow("events");
    assert_eq!(status.kept + status.refused, 1000);
    assert!(status.refused > 0);
    // What was kept of the refused batch is there, and one at a time all pass.
    assert_eq!(site.events().len() as u64, status.kept);
    assert_status(&site.send(&order(1, 1000)).await, 200);
}

#[tokio::test]
async fn a_full_log_refuses_until_there_is_room() {
    let site = Site::start_with(FLOWS, |config| {
        // Lower than a file may ask for; an unread subscription holds what is there.
        config.log.size_max = 3 << 20;
    })
    .await;
    let mut kept = 0;
    let refused = loop {
        let answer = site.send(&order(kept, 400_000)).await;
        if answer.status != 200 {
            break answer;
        }
        kept += 1;
        assert!(kept < 1000, "it is never full");
    };
    assert_problem(&refused, 503, "full");
    assert_eq!(refused.headers["retry-after"], "30");
    until("it to be noticed", || !site.gateway().readiness().ready).await;
    assert_eq!(site.events().len(), kept as usize);
    let labels = [("flow", "orders"), ("reason", "full")];
    assert!(site.metric("tidegate_events_refused_total", &labels) > 0.5);
    // The reader catches up: old segments go, and there is room again.
    loop {
        let page = site
            .request(
                Method::GET,
                "/v1/subscriptions/all",
                header_map(&[BILLING]),
                "",
            )
            .await;
        assert_status(&page, 200);
        if page.body == "[]" {
            break;
        }
        let cursor = page.headers["tidegate-cursor"].to_str().unwrap().to_owned();
        let noted = site
            .request(
                Method::PUT,
                "/v1/subscriptions/all/cursor",
                header_map(&[BILLING]),
                cursor,
            )
            .await;
        assert_status(&noted, 200);
    }
    until("old segments to go", || site.gateway().readiness().ready).await;
    assert_status(&site.send(&order(kept, 400_000)).await, 200);
}

#[tokio::test]
async fn what_is_under_way_when_the_node_goes_down_is_finished() {
    let site = Site::start(FLOWS).await;
    let first = unfinished(&site).await;
    let drained = {
        let drain = site.gateway().drain(PATIENCE);
        let (drained, answer) = tokio::join!(drain, async {
            until("the node to be going down", || {
                !site.gateway().readiness().ready
            })
            .await;
            finish(first).await
        });
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        drained
    };
    assert_eq!((drained.requests_cut, site.events().len()), (0, 1));
    assert!(TcpStream::connect(site.gateway().address()).await.is_err());
}

#[tokio::test]
async fn a_closed_log_is_503() {
    let site = Site::start(FLOWS).await;
    site.hub().close();
    let refused = site.send(&order(1, 0)).await;
    assert_problem(&refused, 503, "closing");
    assert_eq!(refused.headers["retry-after"], "1");
    let page = site
        .request(Method::GET, "/v1/subscriptions/all", HeaderMap::new(), "")
        .await;
    assert_problem(&page, 401, "unknown-service");
}

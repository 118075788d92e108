//! Following the log: by long poll and as a stream.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::world::{World, column};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_tail_begins_at_the_end_or_some_events_back() {
    let world = World::open();
    for name in ["a", "b", "c"] {
        world.keep(name, "order.created", "").await;
    }
    let (_, page) = world.get("/api/v1/events/tail").await;
    assert_eq!(page["events"].as_array().map(Vec::len), Some(0));
    let next = page["next"].as_str().unwrap().to_owned();
    world.keep("d", "order.created", "").await;
    let (_, page) = world
        .get(&format!("/api/v1/events/tail?after={next}"))
        .await;
    assert_eq!(column(&page["events"], "external_id"), ["d"]);
    let (_, page) = world.get("/api/v1/events/tail?last=2").await;
    assert_eq!(column(&page["events"], "external_id"), ["c", "d"]);
    let (_, page) = world.get("/api/v1/events/tail?last=1000").await;
    assert_eq!(column(&page["events"], "external_id"), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_long_poll_waits_for_what_is_wanted() {
    let world = World::open();
    let (_, page) = world.get("/api/v1/events/tail").await;
    let path = format!(
        "/api/v1/events/tail?type=order.*&wait=30&after={}",
        page["next"].as_str().unwrap()
    );
    let poll = world.get(&path);
    let traffic = async {
        world.keep("ignored", "stock.changed", "").await;
        world.keep("wanted", "order.created", "").await;
    };
    let ((_, page), ()) = timeout(PATIENCE, async { tokio::join!(poll, traffic) })
        .await
        .unwrap();
    assert_eq!(column(&page["events"], "external_id"), ["wanted"]);
}

#[tokio::test]
async fn a_long_poll_ends_when_the_node_stops() {
    let world = World::open();
    let poll = world.get("/api/v1/events/tail?wait=30");
    let stop = async {
        tokio::task::yield_now().await;
        world.admin.stop();
    };
    let (answer, ()) = timeout(PATIENCE, async { tokio::join!(poll, stop) })
        .await
        .unwrap();
    // Whichever of both was first: nothing came, or the poll was not begun.
    assert!(matches!(
        answer.0,
        StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE
    ));
}

#[tokio::test]
async fn waiters_are_bounded() {
    let world = World::open();
    let mut streams = Vec::new();
    for _ in 0..tidegate_console::limits::WAITERS_MAX {
        streams.push(world.send(stream(None)).await);
    }
    let (status, problem) = world.get("/api/v1/events/tail").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("TG-0607"))
    );
    drop(streams);
    let again = async {
        while world.get("/api/v1/events/tail").await.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again)
        .await
        .expect("a reader that left frees its place");
}

fn stream(resumed: Option<&str>) -> Request<Body> {
    let request =
        Request::get("/api/v1/events/tail?last=1000").header(header::ACCEPT, "text/event-stream");
    let request = resumed
        .into_iter()
        .fold(request, |it, position| it.header("last-event-id", position));
    request.body(Body::empty()).unwrap()
}

/// Reads a stream until `count` messages with data have come.
async fn messages(body: &mut Body, count: usize) -> Vec<(String, serde_json::Value)> {
    let mut text = String::new();
    let mut found = Vec::new();
    while found.len() < count {
        let frame = timeout(PATIENCE, body.frame())
            .await
            .expect("in time")
            .expect("more")
            .unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        while let Some((message, rest)) = text.split_once("\n\n") {
            if let Some((id, data)) = message.split_once("\ndata: ") {
                let id = id.strip_prefix("id: ").unwrap().to_owned();
                found.push((id, serde_json::from_str(data).unwrap()));
            }
            text = rest.to_owned();
        }
    }
    found
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off_and_ends_with_the_node() {
    let world = World::open();
    world.keep("a", "order.created", "").await;
    world.keep("b", "order.created", "").await;
    let mut body = world.send(stream(None)).await.into_body();
    let first = messages(&mut body, 2).await;
    assert_eq!(first[0].1["external_id"], "a");
    assert_eq!(first[0].0, first[0].1["position"]);
    world.keep("c", "order.created", "").await;
    assert_eq!(messages(&mut body, 1).await[0].1["external_id"], "c");
    drop(body);

    let mut body = world.send(stream(Some(&first[0].0))).await.into_body();
    let resumed = messages(&mut body, 2).await;
    assert_eq!(resumed[0].1["external_id"], "b");
    assert_eq!(resumed[1].1["external_id"], "c");
    world.admin.stop();
    let rest = timeout(PATIENCE, body.collect())
        .await
        .expect("the stream ends");
    assert!(rest.is_ok(), "it ends well");
}

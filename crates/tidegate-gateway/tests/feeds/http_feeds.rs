//! The path of an origin, for clients of HTTP feeds.

use crate::site::{OPEN, Site, events, ids, next, numbered, problem};

#[tokio::test]
async fn ids_of_events_are_positions() {
    let site = Site::start(OPEN).await;
    let empty = site.get("/out/stock/local").await;
    assert_eq!(empty.body, "[]");
    assert_eq!(next(&empty), "/out/stock/local?lastEventId=null");
    site.publish_many("stock.changed", 7).await;
    let all = site.get(&(next(&empty) + "&timeout=5000")).await;
    let listed = events(&all);
    assert_eq!(ids(&all), numbered("stock.changed", 0..7));
    for (number, event) in listed.iter().enumerate() {
        let id = event["id"].as_str().unwrap();
        let rest = site
            .get(&format!("/out/stock/local?lastEventId={id}"))
            .await;
        assert_eq!(ids(&rest), numbered("stock.changed", number + 1..7));
    }
    let read = site.read_all("/out/stock/local?limit=3", &[]).await;
    assert_eq!(read, numbered("stock.changed", 0..7));
}

#[tokio::test]
async fn an_event_is_a_position_the_moment_it_was_given() {
    // The ledger is behind the log now and then; a client asks again at once.
    let site = Site::start(OPEN).await;
    let mut last = "null".to_owned();
    for number in 0..50 {
        let path = format!("/out/stock/local?timeout=30000&lastEventId={last}");
        let number = number.to_string();
        let (page, id) = tokio::join!(site.get(&path), site.publish("stock.changed", &number));
        assert_eq!(ids(&page), [number]);
        assert_eq!(next(&page), format!("/out/stock/local?lastEventId={id}"));
        last = id;
    }
}

#[tokio::test]
async fn the_position_of_an_event_that_is_not_given_counts_and_the_end_is_empty() {
    let site = Site::start(OPEN).await;
    site.publish("stock.changed", "1").await;
    let other = site.publish("order.created", "left out").await;
    site.publish("stock.changed", "2").await;
    let rest = site
        .get(&format!("/out/stock/local?lastEventId={other}"))
        .await;
    assert_eq!(ids(&rest), ["2"]);
    let end = site.get(&next(&rest)).await;
    assert_eq!(end.body, "[]");
    assert_eq!(next(&end), next(&rest));
    // Quiet for long: what was searched is not searched again, and nothing new is missed.
    for _ in 0..3 {
        site.publish("order.created", "left out").await;
        assert_eq!(site.get(&next(&end)).await.body, "[]");
    }
    site.publish("stock.changed", "3").await;
    assert_eq!(ids(&site.get(&next(&end)).await), ["3"]);
}

#[tokio::test]
async fn unknown_positions_are_refused() {
    let site = Site::start(OPEN).await;
    site.publish("stock.changed", "1").await;
    let unknown = "/out/stock/local?lastEventId=6f1e3c0a-52c5-5f6b-9b35-0d2a1f7f1c55";
    let told = problem(&site.get(unknown).await, 410, "event-gone");
    let anew = site.get(told["href"].as_str().unwrap()).await;
    assert_eq!(ids(&anew), ["1"]);
    let no_id = site.get("/out/stock/local?lastEventId=abc").await;
    problem(&no_id, 400, "invalid-event-id");
    let cursor = site.get("/out/stock/local?cursor=abc").await;
    problem(&cursor, 400, "invalid-parameter");
    let stream = [("accept", "text/event-stream")];
    let stream = site.get_with("/out/stock/local", &stream).await;
    problem(&stream, 406, "accept");
}

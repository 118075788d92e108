//! Pages and their cursors.

use std::time::{Duration, Instant};

use http::Method;

use crate::site::{OPEN, Site, cursor, events, ids, next, numbered, problem};

#[tokio::test]
async fn a_feed_is_read_page_by_page_to_its_end_and_on() {
    let site = Site::start(OPEN).await;
    let empty = site.get("/out/stock").await;
    assert_eq!(empty.body, "[]");
    assert_eq!(
        empty.headers["content-type"],
        "application/cloudevents-batch+json"
    );
    // Also an empty page has a cursor, and nothing that comes later is missed from there.
    let start = cursor(&empty);
    site.publish_many("stock.changed", 25).await;
    site.publish("order.created", "not of the feed").await;

    let first = site
        .get(&format!("/out/stock?cursor={start}&limit=10"))
        .await;
    assert_eq!(ids(&first), numbered("stock.changed", 0..10));
    assert!(next(&first).ends_with("&limit=10"), "{}", next(&first));
    assert_eq!(first.headers["cache-control"], "private, max-age=3600");
    let all = site.read_all("/out/stock?limit=10", &[]).await;
    assert_eq!(all, numbered("stock.changed", 0..25));

    // The cursor moves over what is not wanted, and goes on from the end.
    let end = site.get("/out/stock").await;
    assert_eq!(end.headers["cache-control"], "no-store");
    let later = site.get(&next(&end)).await;
    assert_eq!(later.body, "[]");
    site.publish("stock.changed", "new").await;
    assert_eq!(ids(&site.get(&next(&later)).await), ["new"]);
}

#[tokio::test]
async fn every_event_carries_the_cursor_behind_it() {
    let site = Site::start(OPEN).await;
    site.publish_many("stock.changed", 4).await;
    let page = events(&site.get("/out/stock").await);
    for (number, event) in page.iter().enumerate() {
        // The sender's own attribute of that name does not survive.
        let cursor = event["cursor"].as_str().unwrap();
        assert!(cursor.len() > 40, "{event}");
        let rest = site.get(&format!("/out/stock?lastEventId={cursor}")).await;
        assert_eq!(ids(&rest), numbered("stock.changed", number + 1..4));
    }
}

#[tokio::test]
async fn cursors_survive_a_restart() {
    let site = Site::start(OPEN).await;
    site.publish_many("stock.changed", 6).await;
    let page = site.get("/out/stock?limit=4").await;
    let key = std::fs::read(site.data().join("feeds.key")).unwrap();
    let site = site.restart().await;
    assert_eq!(
        ids(&site.get(&next(&page)).await),
        numbered("stock.changed", 4..6)
    );
    assert_eq!(std::fs::read(site.data().join("feeds.key")).unwrap(), key);
}

#[tokio::test]
async fn what_is_no_cursor_of_this_feed_is_refused_with_its_own_reason() {
    const TWO: &str = "flows:
  stock: { system: shop, serve: { path: /out/stock, on: [stock.*] } }
  other: { system: shop, serve: { path: /out/other, on: [stock.*] } }
";
    let mut site = Site::start(TWO).await;
    let id = site.publish("stock.changed", "1").await;
    site.publish("stock.changed", "2").await;
    let first = site.get("/out/stock?limit=1").await;
    let good = cursor(&first);
    let ask = |cursor: &str| format!("/out/stock?cursor={cursor}");
    let mut altered = good.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    problem(&site.get(&ask(&altered)).await, 400, "cursor-tampered");
    problem(&site.get(&ask("AAAA")).await, 400, "cursor-version");
    problem(&site.get(&ask("%20")).await, 400, "cursor-malformed");
    problem(&site.get(&ask(&id)).await, 400, "event-id");
    let other = site.get(&format!("/out/other?cursor={good}")).await;
    let told = problem(&other, 400, "cursor-feed");
    assert_eq!(told["href"], "/out/other");
    problem(
        &site.get("/out/stock?limit=0").await,
        400,
        "invalid-parameter",
    );
    problem(
        &site.get("/out/stock?colour=red").await,
        400,
        "invalid-parameter",
    );

    // Another filter: the way out goes on at the same position.
    site.reload(
        &TWO.replace(
            "/out/stock, on: [stock.*]",
            "/out/stock, on: [stock.changed]",
        ),
        |_| {},
    );
    let told = problem(&site.get(&ask(&good)).await, 409, "cursor-filter");
    let on = site.get(told["href"].as_str().unwrap()).await;
    assert_eq!(ids(&on), ["2"]);
    assert_eq!(
        site.metric(
            "tidegate_feed_requests_refused_total",
            "flow=\"stock\",system=\"shop\",reason=\"filter\""
        ),
        Some(1.0)
    );
    assert_eq!(
        site.metric(
            "tidegate_feed_requests_refused_total",
            "flow=\"stock\",system=\"shop\",reason=\"cursor\""
        ),
        Some(4.0)
    );
}

#[tokio::test]
async fn a_position_behind_the_retention_is_gone_with_the_way_out() {
    let mut site = Site::start(OPEN).await;
    site.publish_many("stock.changed", 3).await;
    let first = site.get("/out/stock?limit=1").await;
    let last = events(&site.get("/out/stock").await);
    let last = last.last().unwrap()["id"].as_str().unwrap().to_owned();
    let end = site.get("/out/stock").await;
    site.reload(OPEN, |config| config.feeds[0].retention = Duration::ZERO);
    let told = problem(&site.get(&next(&first)).await, 410, "cursor-gone");
    let out = site.get(told["href"].as_str().unwrap()).await;
    assert_eq!(out.body, "[]");
    // Whoever has read everything has missed nothing, however old that is: by cursor and by id.
    assert_eq!(site.get(&next(&end)).await.body, "[]");
    assert_eq!(
        site.get(&format!("/out/stock/local?lastEventId={last}"))
            .await
            .body,
        "[]"
    );
    let early = events(&first)[0]["id"].as_str().unwrap().to_owned();
    let plain = site
        .get(&format!("/out/stock/local?lastEventId={early}"))
        .await;
    problem(&plain, 410, "event-gone");
}

#[tokio::test]
async fn a_long_poll_is_answered_by_the_event_by_its_end_and_by_a_drain() {
    let site = Site::start(OPEN).await;
    let begun = Instant::now();
    assert_eq!(site.get("/out/stock?wait=1").await.body, "[]");
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let path = format!(
        "/out/stock?wait=30&cursor={}",
        cursor(&site.get("/out/stock").await)
    );
    let (woken, _) = tokio::join!(site.get(&path), site.publish("stock.changed", "1"));
    assert_eq!(ids(&woken), ["1"]);

    let path = next(&woken) + "&wait=30";
    let reading = site.get(&path);
    let drain = async {
        // The long poll is under way once it has presented its position.
        let lag = || site.metric("tidegate_feed_lag_frames", "consumer=\"stock/anyone\"");
        while lag() != Some(0.0) {
            tokio::task::yield_now().await;
        }
        site.gateway().drain(crate::site::PATIENCE).await
    };
    let begun = Instant::now();
    let (ended, drained) = tokio::join!(reading, drain);
    assert_eq!(ended.body, "[]");
    assert_eq!(drained.requests_cut, 0);
    assert!(begun.elapsed() < Duration::from_secs(29));
}

#[tokio::test]
async fn methods_and_forms() {
    let site = Site::start(OPEN).await;
    site.publish("stock.changed", "1").await;
    let head = site.request(Method::HEAD, "/out/stock", &[]).await;
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert!(head.headers.contains_key("tidegate-cursor"));
    let post = site.request(Method::POST, "/out/stock", &[]).await;
    problem(&post, 405, "method");
    assert_eq!(post.headers["allow"], "GET, HEAD");
    let json = site
        .get_with("/out/stock", &[("accept", "application/json")])
        .await;
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(ids(&json), ["1"]);
    let html = site
        .get_with("/out/stock", &[("accept", "text/html")])
        .await;
    problem(&html, 406, "accept");
    problem(&site.get("/out/stock/mars").await, 404, "unknown-origin");
    problem(&site.get("/out/stock/").await, 404, "unknown-origin");
    problem(&site.get("/out").await, 404, "unknown-path");
    problem(&site.get("/out/stock/local/x").await, 404, "unknown-path");
}

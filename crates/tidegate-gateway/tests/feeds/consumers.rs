//! Who gets what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::site::{Site, cursor, ids, numbered, problem};

const TWO: &str = "flows:
  stock:
    system: shop
    serve:
      path: /out/stock
      on: [stock.*]
      when: '.data.id != \"hidden\"'
      consumers:
        north: { token: \"${env:NORTH}\" }
        south: { tokens: [\"${env:SOUTH}\", \"${env:SOUTH_NEW}\"], on: [stock.south.*], when: '.data.id | startswith(\"stock\")' }
";

const NORTH: &[(&str, &str)] = &[("authorization", "Bearer NORTH-0123456789abcdef")];
const SOUTH: &[(&str, &str)] = &[("authorization", "bearer SOUTH_NEW-0123456789abcdef")];

#[tokio::test]
async fn a_token_tells_who_reads_and_what() {
    let site = Site::start(TWO).await;
    site.publish_many("stock.north.in", 3).await;
    site.publish_many("stock.south.in", 2).await;
    site.publish("stock.south.in", "hidden").await;
    site.publish("stock.south.in", "other").await;
    let mut all = numbered("stock.north.in", 0..3);
    all.extend(numbered("stock.south.in", 0..2));
    all.push("other".to_owned());
    assert_eq!(site.read_all("/out/stock?limit=2", NORTH).await, all);
    let south = site.read_all("/out/stock?limit=1", SOUTH).await;
    assert_eq!(south, numbered("stock.south.in", 0..2));

    // A cursor does not carry over to a consumer that gets other events.
    let page = site.get_with("/out/stock", NORTH).await;
    let path = format!("/out/stock?cursor={}", cursor(&page));
    problem(&site.get_with(&path, SOUTH).await, 409, "cursor-filter");
}

#[tokio::test]
async fn without_a_token_of_the_feed_nobody_reads() {
    let site = Site::start(TWO).await;
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let good = basic("anybody:NORTH-0123456789abcdef");
    assert_eq!(
        ids(&site
            .get_with("/out/stock", &[("authorization", &good)])
            .await)
        .len(),
        0
    );
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer NORTH-0123456789abcde",
        "Bearer WAREHOUSE-0123456789abcdef",
        "NORTH-0123456789abcdef",
        "Basic !",
        &basic("NORTH-0123456789abcdef"),
        &basic("NORTH-0123456789abcdef:"),
    ] {
        for path in ["/out/stock", "/out/stock/local", "/out/stock/mars"] {
            let answer = site.get_with(path, &[("authorization", wrong)]).await;
            problem(&answer, 401, "unknown-consumer");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    problem(&site.get("/out/stock").await, 401, "unknown-consumer");
    let refused = site.metric("tidegate_feed_requests_refused_total", "reason=\"token\"");
    assert_eq!(refused, Some(28.0));
}

#[tokio::test]
async fn an_event_a_condition_fails_on_is_withheld_and_counted() {
    const FAILS: &str = "flows: { stock: { system: shop, serve: { path: /out/stock, on: [\"*\"], when: '.data.id.deeper' } } }
";
    let site = Site::start(FAILS).await;
    site.publish("stock.changed", "1").await;
    assert_eq!(site.get("/out/stock").await.body, "[]");
    let unjudged = site.metric("tidegate_feed_events_unjudged_total", "consumer=\"anyone\"");
    assert_eq!(unjudged, Some(1.0));
}

#[tokio::test]
async fn what_is_given_and_how_far_each_is_behind_is_told() {
    let site = Site::start(TWO).await;
    site.publish_many("stock.north.in", 3).await;
    let page = site.get_with("/out/stock?limit=2", NORTH).await;
    assert_eq!(ids(&page).len(), 2);
    let lag = |site: &Site| site.metric("tidegate_feed_lag_frames", "consumer=\"stock/north\"");
    let before = lag(&site).unwrap();
    let path = format!("/out/stock?cursor={}", cursor(&page));
    assert_eq!(ids(&site.get_with(&path, NORTH).await).len(), 1);
    assert!(lag(&site).unwrap() < before, "{before}");
    let feeds = site.gateway().feeds();
    assert_eq!(
        (feeds[0].feed.as_str(), feeds[0].path.as_str()),
        ("stock", "/out/stock")
    );
    let north = &feeds[0].consumers[0];
    assert_eq!(
        (north.consumer.as_str(), north.pages, north.events),
        ("north", 2, 3)
    );
    let events = site.metric("tidegate_feed_events_total", "consumer=\"north\"");
    assert_eq!(events, Some(3.0));
    assert_eq!(
        site.metric("tidegate_feed_pages_total", "consumer=\"south\""),
        Some(0.0)
    );
}

//! Sources that fail, lie, and go in circles.

use std::time::{Duration, Instant};

use serde_json::json;

use super::site::Site;
use super::source::{Reply, Source};

const EVENT: &str = "event: { id: .body.id, type: '\"a\"' }";

fn flow(poll: &str) -> String {
    format!("  list:\n    system: erp\n    poll: {{ every: 1s, {poll} }}\n    {EVENT}")
}

const CURSOR: &str = "request: '/l?c={cursor}', items: '.i[]', next: .n";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_page_is_asked_for_again() {
    let page = |id: &str, next: &str| json!({ "i": [{ "id": id }], "n": next });
    let source = Source::start(move |before, asked| {
        let good = match asked.parameter("c").as_deref() {
            None => Reply::json(&page("one", "a")),
            Some("a") => Reply::json(&page("two", "b")),
            Some(_) => Reply::json(&json!({ "i": [], "n": "b" })),
        };
        match before {
            1 => Reply::status(500),
            2 => good.cut(5),
            3 => Reply::status(200).body("<html>"),
            4 => Reply::status(200).body("{\"i\": 7}"),
            5 => Reply::status(302).header("location", "http://127.0.0.1:1/"),
            _ => good,
        }
    })
    .await;
    let poll = format!("{CURSOR}, backoff-max: 1s");
    let site = Site::start(&source.url(), &flow(&poll)).await;
    site.until("both items", |site| site.ids().len() == 2).await;
    assert_eq!(site.ids(), ["one", "two"]);
    let asked = source.asked();
    // After the first page the same one is asked for until it comes.
    assert!(
        asked[1..=6].iter().all(|it| it.target == "/l?c=a"),
        "{asked:?}"
    );
    site.until("a note of it", |site| {
        site.noted().iter().any(|kind| kind == "poll-recovered")
    })
    .await;
    assert!(site.noted().iter().any(|kind| kind == "poll-failing"));
    let text = site.gateway.metrics_text();
    for blame in ["us", "them"] {
        let series = format!("outcome=\"failed\",blame=\"{blame}\"");
        assert!(text.contains(&series), "{series}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed() {
    let source = Source::start(|before, _| match before {
        0 => Reply::status(429).header("retry-after", "3"),
        _ => Reply::json(&json!({ "i": [{ "id": "one" }], "n": null })),
    })
    .await;
    let begun = Instant::now();
    let site = Site::start(&source.url(), &flow(CURSOR)).await;
    site.until("the item", |site| site.ids().len() == 1).await;
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(source.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_does_not_advance_is_one_fault_and_no_loop() {
    let source =
        Source::start(|_, _| Reply::json(&json!({ "i": [{ "id": "one" }], "n": "a" }))).await;
    let site = Site::start(&source.url(), &flow(CURSOR)).await;
    site.until("some tries", |_| source.asked().len() >= 6)
        .await;
    let faults = site.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].cause.name(), faults[0].blame.name()),
        ("stuck", "them")
    );
    assert_eq!(&faults[0].raw.body[..], br#"{"i":[{"id":"one"}],"n":"a"}"#);
    assert_eq!(site.ids(), ["one"]);
    assert_eq!(site.gateway.polls()[0].state, "stuck");
    assert_eq!(
        site.noted()
            .iter()
            .filter(|kind| *kind == "poll-stuck")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_leads_us_elsewhere() {
    let source = Source::start(|_, asked| {
        assert!(asked.target.starts_with("/l"), "{asked:?}");
        let next = "http://elsewhere.example/l";
        Reply::json(&json!({ "i": [{ "id": "one" }], "n": next }))
    })
    .await;
    let site = Site::start(
        &source.url(),
        &flow("request: /l, items: '.i[]', next: { url: .n }"),
    )
    .await;
    let failed = |site: &Site| site.gateway.polls()[0].last_failure.is_some();
    site.until("a failure", failed).await;
    let (_, text) = site.gateway.polls()[0].last_failure.clone().unwrap();
    assert!(text.contains("another origin"), "{text}");
    assert_eq!(site.ids(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_the_limits_is_not_passed_over() {
    let source = Source::start(|_, asked| match asked.target.as_str() {
        "/many" => Reply::json(&json!([{ "id": "1" }, { "id": "2" }, { "id": "3" }])),
        _ => Reply::json(&json!([{ "id": "1", "text": "x".repeat(3000) }])),
    })
    .await;
    let flows = format!(
        "  many:\n    system: erp\n    poll: {{ every: 1s, request: /many, items: '.[]', page-max: 2 }}\n    {EVENT}\n  large:\n    system: erp\n    poll: {{ every: 1s, request: /large, items: '.[]', body-max: 2KiB }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flows).await;
    site.until("failures", |site| {
        site.gateway.polls().iter().all(|it| it.failures > 0)
    })
    .await;
    let polls = site.gateway.polls();
    let told = |at: usize| polls[at].last_failure.clone().unwrap().1;
    assert!(
        told(0).contains("body-max") && told(1).contains("page-max"),
        "{polls:?}"
    );
    assert!(site.ids().is_empty() && site.polled().is_empty());
}

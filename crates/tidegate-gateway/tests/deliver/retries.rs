//! Retries, order, the breaker.

use std::collections::{BTreeMap, BTreeSet};

use crate::sink::{Does, Got, Sink};
use crate::site::{QUICK, Site, one_flow};

fn ids(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::id).collect()
}

#[tokio::test]
async fn whatever_an_endpoint_does_every_event_arrives_in_order() {
    let sink = Sink::start().await;
    sink.script([
        Does::Status(500),
        Does::Resets,
        Does::Garbage,
        Does::Says(503, "retry-after: 0\r\n"),
        Does::Status(301),
        Does::Status(404),
    ]);
    let site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    site.publish_many("e", 40, 4).await;
    let all: BTreeSet<String> = (0..40).map(|number| format!("e-{number}")).collect();
    site.flow_when(|it| it.delivered == 40).await;
    let got = sink.got();
    assert_eq!(ids(&got).into_iter().collect::<BTreeSet<_>>(), all);
    // Of each key the first arrivals are in the order of the log.
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &got {
        let key = one.json()["key"].as_str().unwrap().to_owned();
        let of_key = seen.entry(key).or_default();
        if !of_key.contains(&one.id()) {
            of_key.push(one.id());
        }
    }
    for (key, ids) in seen {
        let numbers: Vec<usize> = ids
            .iter()
            .map(|id| id.rsplit('-').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    // A repeat has the key of its first attempt.
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &got {
        let key = one.header("idempotency-key").unwrap().to_owned();
        keys.entry(one.id()).or_default().insert(key);
    }
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");
}

#[tokio::test]
async fn a_successor_waits_and_another_key_does_not() {
    let sink = Sink::start().await;
    sink.rule(|got| (got.id() == "a1").then_some(Does::Hangs));
    let site = Site::start(&one_flow(&sink.url(), "concurrency: 4")).await;
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        site.publish("order.created", id, key).await;
    }
    site.flow_when(|it| it.delivered == 2).await;
    assert!(!ids(&sink.got()).contains(&"a2".to_owned()));
    sink.rule(|_| None);
    sink.release();
    site.flow_when(|it| it.delivered == 4).await;
    assert_eq!(ids(&sink.got()).last().unwrap(), "a2");
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "concurrency: 3, order: none")).await;
    sink.rule(|_| Some(Does::Hangs));
    site.publish_many("e", 20, 20).await;
    sink.wait_for(3).await;
    site.flow_when(|it| it.under_way == 3).await;
    sink.release();
    site.flow_when(|it| it.delivered == 20).await;
    assert_eq!(sink.most_under_way(), 3);
}

#[tokio::test]
async fn a_dead_endpoint_opens_the_breaker_uses_up_no_attempts_and_holds_up_nobody() {
    let (dead, alive) = (Sink::start().await, Sink::start().await);
    dead.rule(|_| Some(Does::Status(503)));
    let flows = format!(
        "systems:
  a: {{ url: \"{}\", private-ranges: [127.0.0.1] }}
  b: {{ url: \"{}\", private-ranges: [127.0.0.1] }}
flows:
  dead: {{ system: a, deliver: {{ on: [\"*\"], {QUICK} }} }}
  fine: {{ system: b, deliver: {{ on: [\"*\"] }} }}
",
        dead.url(),
        alive.url()
    );
    let site = Site::start(&flows).await;
    site.publish_many("e", 50, 50).await;
    alive.wait_for(50).await;
    let opened =
        |text: &str| text.contains("deliver_breaker_open{") && text.contains("flow=\"dead\"} 1");
    let text = site.gateway().metrics_text();
    assert!(opened(&text), "{text}");
    // Probes go on; none of them counts, since none was about an event.
    let before = dead.got().len();
    dead.wait_for(before + 5).await;
    assert!(site.faults().await.is_empty());
    dead.rule(|_| None);
    let begun = std::time::Instant::now();
    loop {
        let all = site.gateway().deliveries();
        if all.iter().all(|it| it.delivered == 50) {
            break;
        }
        assert!(begun.elapsed() < crate::site::PATIENCE, "{all:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(site.faults().await.is_empty());
}

#[tokio::test]
async fn what_was_not_confirmed_is_sent_again_after_a_crash_and_nothing_else() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "concurrency: 1")).await;
    site.publish_many("e", 10, 1).await;
    site.flow_when(|it| it.delivered == 10 && it.lag_frames == 0)
        .await;
    sink.rule(|_| Some(Does::Hangs));
    site.publish_many("f", 3, 1).await;
    sink.wait_for(11).await;
    let site = site.crash().await;
    sink.rule(|_| None);
    sink.release();
    site.flow_when(|it| it.delivered == 3 && it.lag_frames == 0)
        .await;
    let ids = ids(&sink.got());
    let count = |id: &str| ids.iter().filter(|it| *it == id).count();
    for number in 0..10 {
        assert_eq!(count(&format!("e-{number}")), 1, "{ids:?}");
    }
    assert_eq!(count("f-0"), 2, "{ids:?}");
    assert_eq!((count("f-1"), count("f-2")), (1, 1), "{ids:?}");
}

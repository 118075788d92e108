//! A flow whose endpoint stays away while the log is trimmed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_types::position::FrameNumber;
use tokio::net::TcpListener;

use crate::sink::{Got, Sink};
use crate::site::{PATIENCE, Site};

/// The log is trimmed at three quarters of it.
const LOG_BYTES: u64 = 8 << 20;
const EVENTS: usize = 600;
const CRASH_AT: usize = 450;
const KEYS: usize = 5;

fn flow(address: std::net::SocketAddr, more: &str) -> String {
    format!(
        "systems: {{ crm: {{ url: \"http://{address}\", private-ranges: [127.0.0.0/8] }} }}
flows: {{ orders: {{ system: crm, deliver: {{ on: [order.*], breaker: {{ open-min: 100ms, open-max: 100ms }}{more} }} }} }}
"
    )
}

/// A listener at an address of loopback where nobody else listens, so that the port stays free when it is given up.
async fn listener() -> TcpListener {
    TcpListener::bind("127.86.2.1:0").await.unwrap()
}

/// Publishes the event with this number, and one the flow does not want, when the log has room.
async fn publish(site: &Site, number: usize) {
    let begun = Instant::now();
    while site.hub().status().bytes > LOG_BYTES - (1 << 20) {
        assert!(begun.elapsed() < PATIENCE, "the log is held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for kind in ["order.created", "other"] {
        let key = format!("k{}", number % KEYS);
        let id = format!("{kind}-{number}");
        site.send(json!({
            "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "partitionkey": key,
            "datacontenttype": "application/json",
            "data": { "id": id, "key": key, "number": number, "filling": "x".repeat(12_000) },
        }))
        .await;
    }
}

/// The numbers that came, by key, in their order.
fn arrived(got: &[Got]) -> BTreeMap<String, Vec<usize>> {
    let mut keys: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for got in got {
        let data = got.json();
        let key = data["key"].as_str().unwrap().to_owned();
        let number = usize::try_from(data["number"].as_u64().unwrap()).unwrap();
        keys.entry(key).or_default().push(number);
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_gets_everything_once_and_in_order_from_the_park() {
    let nobody = listener().await;
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut site = Site::with_log_of(LOG_BYTES, &flow(address, "")).await;
    for number in 0..EVENTS {
        publish(&site, number).await;
        if number % 50 == 0 {
            let [received, delivered, filtered, .., pending] = site.numbers().await;
            assert_eq!((filtered + pending, delivered), (received, 0));
            // Followed, the books count what is trimmed meanwhile; begun anew, no hour that lacks its beginning.
            if number <= CRASH_AT {
                assert_eq!(received, 2 * number as u64 + 2);
            }
        }
        if number == CRASH_AT {
            assert!(site.hub().reader().bounds().first > FrameNumber(1));
            site = site.crash().await;
        }
    }
    let park = site.hub().parks().remove(0);
    assert!(park.status.events > 50 && !park.full, "{park:?}");
    let site = site.restart().await;

    let sink = Sink::on(TcpListener::bind(address).await.unwrap());
    sink.wait_for(EVENTS).await;
    site.flow_when(|it| it.delivered == EVENTS as u64).await;
    let expected: BTreeMap<String, Vec<usize>> = (0..KEYS)
        .map(|key| (format!("k{key}"), (key..EVENTS).step_by(KEYS).collect()))
        .collect();
    assert_eq!(arrived(&sink.got()), expected);
    // One more behind everything, so that the flow has dealt with all that stands before.
    publish(&site, EVENTS).await;
    sink.wait_for(EVENTS + 1).await;
    site.numbers().await;
    assert_eq!(site.faults().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_park_gives_up_is_counted_and_never_sent() {
    let nobody = listener().await;
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    // The least quota that a file may say: it holds somewhat more than a thousand such events.
    let more = ", park: { quota: 16MiB, on-full: discard }";
    let site = Site::with_log_of(LOG_BYTES, &flow(address, more)).await;
    let events = 3 * EVENTS;
    for number in 0..events {
        publish(&site, number).await;
        if number % 50 == 0 {
            let [received, delivered, filtered, _, _, discarded, pending] = site.numbers().await;
            assert_eq!(delivered, 0);
            assert_eq!(filtered + discarded + pending, received);
        }
    }
    let park = site.hub().parks().remove(0);
    assert!(park.discarded > 50 && park.full && !park.holds, "{park:?}");

    let sink = Sink::on(TcpListener::bind(address).await.unwrap());
    publish(&site, events).await;
    sink.until(|got| got.iter().any(|it| it.json()["number"] == json!(events)))
        .await;
    let discarded = site.hub().parks().remove(0).discarded;
    let all = 2 * events as u64 + 2;
    let delivered = events as u64 + 1 - discarded;
    // The last one of those that are not wanted is not passed over before something follows it.
    let begun = Instant::now();
    loop {
        let [received, sent, filtered, _, _, given_up, pending] = site.numbers().await;
        assert_eq!((received, given_up), (all, discarded));
        if sent == delivered && filtered + pending == events as u64 + 1 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{sent} of {delivered}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let got = sink.got();
    assert_eq!(got.len() as u64, delivered, "each once");
    for numbers in arrived(&got).values() {
        assert!(numbers.is_sorted_by(|a, b| a < b), "each once, in order");
    }
}

//! A feed whose reader goes from region to region with its cursor.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tidegate_config::{Config, SecretSource};
use tidegate_core::mirror::MirrorSettings;
use tidegate_gateway::gateway::{Gateway, hub_settings};
use tidegate_gateway::http::{Answer, Client, ClientSettings, ListenerSettings};
use tidegate_gateway::peer::{PeerRegion, PeerSettings, Peers};
use tidegate_hub::hub::Hub;

use crate::proxy::Proxy;
use crate::region::{PATIENCE, until};

const FILE: &str = "subsystem: orders
regions: { east: {}, west: {} }
listen: { public: 127.0.0.1:0, admin: 127.0.0.1:0 }
log: { segment: 1MiB }
systems: { shop: {} }
services: { warehouse: { token: \"${env:WAREHOUSE}\", publish: [\"*\"] } }
flows: { stock: { system: shop, serve: { path: /out/stock, on: [stock.*], cursor-key: \"${env:CURSORS}\" } } }
";

struct Secrets;

impl SecretSource for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        Some(format!("{name}-0123456789abcdef"))
    }

    fn file(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A region with a gateway in front of its hub.
struct Site {
    name: &'static str,
    hub: Arc<Hub>,
    gateway: Gateway,
    peers: Peers,
    client: Client,
}

impl Site {
    async fn start(name: &'static str, folder: &std::path::Path, other: (&str, &Proxy)) -> Self {
        let text = format!("{FILE}data: {}\n", folder.join(name).display());
        let loaded = tidegate_config::load("tidegate.yaml", &text, Some(name), &Secrets);
        let config: Arc<Config> = match loaded.config {
            Some(config) => Arc::new(config),
            None => panic!("{}", loaded.report.render(false)),
        };
        let hub = Arc::new(Hub::open(&hub_settings(&config), |_, _| {}).unwrap().0);
        let gateway = Gateway::start(config, folder, Arc::clone(&hub))
            .await
            .unwrap();
        let peers = Peers::start(
            PeerSettings {
                region: name.to_owned(),
                listener: Some(ListenerSettings::new("127.0.0.1:0".parse().unwrap())),
                regions: vec![PeerRegion {
                    name: other.0.to_owned(),
                    url: format!("http://{}", other.1.address()),
                }],
                identity: None,
                mirror: MirrorSettings::default(),
            },
            &hub,
        );
        let peers = peers.await.unwrap();
        let settings = ClientSettings {
            answer_timeout: PATIENCE,
            ..ClientSettings::default()
        };
        let client = Client::new(&format!("http://{}", gateway.address()), settings).unwrap();
        Self {
            name,
            hub,
            gateway,
            peers,
            client,
        }
    }

    async fn publish(&self, id: &str) {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/warehouse", "type": "stock.changed",
            "datacontenttype": "application/json", "data": { "id": id },
        });
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_static("Bearer WAREHOUSE-0123456789abcdef");
        headers.insert(http::header::AUTHORIZATION, token);
        let kind = HeaderValue::from_static("application/cloudevents+json");
        headers.insert(http::header::CONTENT_TYPE, kind);
        let body = bytes::Bytes::from(event.to_string());
        let sent = self
            .client
            .request(Method::POST, "/v1/events", headers, body);
        assert_eq!(sent.await.unwrap().status, 200);
    }

    async fn page(&self, path: &str) -> Page {
        let answer: Answer = self.client.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let link = answer.headers["link"].to_str().unwrap();
        let next = link.strip_prefix('<').unwrap();
        let next = next.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        let events: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        let id = |event: &Value| event["data"]["id"].as_str().unwrap().to_owned();
        Page {
            ids: events.iter().map(id).collect(),
            next,
        }
    }

    async fn stop(self) {
        self.peers.stop(PATIENCE).await;
        self.gateway.drain(PATIENCE).await;
        self.hub.close();
    }
}

struct Page {
    ids: Vec<String>,
    next: String,
}

/// Each event once, and those of a region in the order they were published.
#[track_caller]
fn assert_complete(read: &[String], count: usize) {
    let mut by_region: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for id in read {
        let (region, number) = id.split_once('-').unwrap();
        by_region
            .entry(region)
            .or_default()
            .push(number.parse().unwrap());
    }
    let all: Vec<usize> = (0..count).collect();
    assert_eq!(by_region["east"], all);
    assert_eq!(by_region["west"], all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_hops_from_region_to_region_loses_and_repeats_nothing() {
    const COUNT: usize = 120;
    let folder = tempfile::TempDir::new().unwrap();
    let (line_east, line_west) = (Proxy::start().await, Proxy::start().await);
    let east = Site::start("east", folder.path(), ("west", &line_west)).await;
    let west = Site::start("west", folder.path(), ("east", &line_east)).await;
    line_east.lead_to(east.peers.address());
    line_west.lead_to(west.peers.address());

    let mut path = "/out/stock?limit=7".to_owned();
    let mut read = Vec::new();
    for number in 0..COUNT {
        for site in [&east, &west] {
            site.publish(&format!("{}-{number}", site.name)).await;
        }
        // Now and then a line is down, so that the regions know different things.
        match number % 40 {
            10 => line_east.cut(),
            20 => {
                line_east.heal();
                line_west.cut();
            }
            30 => line_west.heal(),
            _ => {}
        }
        let site = if number % 3 == 0 { &east } else { &west };
        let page = site.page(&path).await;
        read.extend(page.ids);
        path = page.next;
    }
    let mut turn = 0;
    let begun = std::time::Instant::now();
    while read.len() < 2 * COUNT && begun.elapsed() < PATIENCE {
        turn += 1;
        let site = if turn % 2 == 0 { &east } else { &west };
        let page = site.page(&format!("{path}&timeout=200")).await;
        read.extend(page.ids);
        path = page.next;
    }
    assert_complete(&read, COUNT);
    // And nothing more comes.
    for site in [&east, &west] {
        assert!(site.page(&path).await.ids.is_empty());
    }
    east.stop().await;
    west.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_is_told_of_what_comes_from_elsewhere() {
    let folder = tempfile::TempDir::new().unwrap();
    let (line_east, line_west) = (Proxy::start().await, Proxy::start().await);
    let east = Site::start("east", folder.path(), ("west", &line_west)).await;
    let west = Site::start("west", folder.path(), ("east", &line_east)).await;
    line_east.lead_to(east.peers.address());
    line_west.lead_to(west.peers.address());
    east.publish("east-0").await;
    let first = until_page(&west, "/out/stock").await;
    assert_eq!(first.ids, ["east-0"]);
    // It asks before there is anything, and is answered when there is.
    let path = format!("{}&timeout=20000", first.next);
    let waiting = west.page(&path);
    let publishing = async {
        tokio::task::yield_now().await;
        east.publish("east-1").await;
    };
    let begun = std::time::Instant::now();
    let (page, ()) = tokio::join!(waiting, publishing);
    assert_eq!(page.ids, ["east-1"]);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    // What was taken in elsewhere is not in the list of this region alone.
    let own = west.client.get("/out/stock/west").await.unwrap();
    let own: Vec<Value> = serde_json::from_slice(&own.body).unwrap();
    assert!(own.is_empty(), "{own:?}");
    east.stop().await;
    west.stop().await;
}

/// The first page that holds something.
async fn until_page(site: &Site, path: &str) -> Page {
    let mut changes = site.hub.mirrors().changes();
    let begun = std::time::Instant::now();
    loop {
        let page = site.page(path).await;
        if !page.ids.is_empty() {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::timeout(PATIENCE, changes.changed())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_of_a_gateway_have_their_series() {
    let folder = tempfile::TempDir::new().unwrap();
    let (line_east, line_west) = (Proxy::start().await, Proxy::start().await);
    let east = Site::start("east", folder.path(), ("west", &line_west)).await;
    let west = Site::start("west", folder.path(), ("east", &line_east)).await;
    line_east.lead_to(east.peers.address());
    line_west.lead_to(west.peers.address());
    let shown = |name: &str, label: &str| {
        let text = west.gateway.metrics_text();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    until("east is followed", || {
        let following = shown("tidegate_mirror_following", "origin=\"east\"")?;
        (following > 0.0).then_some(())
    })
    .await;
    for name in [
        "tidegate_mirror_lag_seconds",
        "tidegate_mirror_behind_frames",
        "tidegate_mirror_head_frame",
        "tidegate_mirror_bytes",
    ] {
        assert!(shown(name, "origin=\"east\"").is_some(), "{name}");
    }
    until("east confirms what it has", || {
        let behind = shown("tidegate_copy_behind_frames", "region=\"east\"")?;
        (behind < 1.0).then_some(())
    })
    .await;
    east.stop().await;
    west.stop().await;
}

//! A gateway with feeds, and readers of them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_config::{Config, SecretSource};
use tidegate_gateway::gateway::{Gateway, hub_settings};
use tidegate_gateway::http::{Answer, Client, ClientSettings};
use tidegate_hub::disk::DiskError;
use tidegate_hub::hub::{Hub, HubError};

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const HEAD: &str = "subsystem: orders
listen: { public: 127.0.0.1:0, admin: 127.0.0.1:0 }
systems: { shop: {} }
services: { warehouse: { token: \"${env:WAREHOUSE}\", publish: [\"*\"] } }
";

/// One feed that everybody may read.
pub(crate) const OPEN: &str =
    "flows: { stock: { system: shop, serve: { path: /out/stock, on: [stock.*] } } }
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

#[track_caller]
fn config(folder: &Path, rest: &str) -> Config {
    let data = folder.join("data");
    let text = format!(
        "{HEAD}data: {}\nlog: {{ segment: 1MiB }}\n{rest}",
        data.display()
    );
    let loaded = tidegate_config::load("tidegate.yaml", &text, None, &Secrets);
    match loaded.config {
        Some(config) => config,
        None => panic!("{}\n{text}", loaded.report.render(false)),
    }
}

/// A running gateway on a log of its own.
pub(crate) struct Site {
    folder: TempDir,
    config: Arc<Config>,
    hub: Arc<Hub>,
    gateway: Gateway,
    client: Client,
}

impl Site {
    pub(crate) async fn start(rest: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path(), rest);
        Self::open(folder, Arc::new(config)).await
    }

    async fn open(folder: TempDir, config: Arc<Config>) -> Self {
        let hub = Arc::new(open_hub(&config));
        let gateway = Gateway::start(Arc::clone(&config), folder.path(), Arc::clone(&hub));
        let gateway = gateway.await.unwrap();
        let settings = ClientSettings {
            answer_timeout: PATIENCE,
            ..ClientSettings::default()
        };
        let client = Client::new(&format!("http://{}", gateway.address()), settings).unwrap();
        Self {
            folder,
            config,
            hub,
            gateway,
            client,
        }
    }

    /// Stops in good order and starts again on what is on disk.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            folder,
            config,
            hub,
            gateway,
            client,
        } = self;
        gateway.drain(PATIENCE).await;
        hub.close();
        drop((gateway, hub, client));
        Self::open(folder, config).await
    }

    /// Puts other feeds into force, after a change of what no file may say.
    pub(crate) fn reload(&mut self, rest: &str, change: impl FnOnce(&mut Config)) {
        let mut config = config(self.folder.path(), rest);
        change(&mut config);
        self.config = Arc::new(config);
        self.gateway.reload(&self.config).unwrap();
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Publishes an event with this id, and gives its identity.
    pub(crate) async fn publish(&self, kind: &str, id: &str) -> String {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/warehouse", "type": kind,
            "datacontenttype": "application/json", "cursor": "of the sender", "data": { "id": id },
        });
        self.publish_as_it_is(event.to_string()).await
    }

    /// Publishes these bytes, and gives the identity of the event in them.
    pub(crate) async fn publish_as_it_is(&self, event: String) -> String {
        let headers = [
            ("authorization", "Bearer WAREHOUSE-0123456789abcdef"),
            ("content-type", "application/cloudevents+json"),
        ];
        let sent = self.client.request(
            Method::POST,
            "/v1/events",
            header_map(&headers),
            event.into(),
        );
        let answer = sent.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.headers["tidegate-event-id"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn publish_many(&self, kind: &str, count: usize) {
        for number in 0..count {
            self.publish(kind, &format!("{kind}-{number}")).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, path, headers).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let sent = self
            .client
            .request(method, path, header_map(headers), bytes::Bytes::new());
        sent.await.unwrap()
    }

    /// Reads a feed to its end, page by page, and gives the external ids of its events.
    pub(crate) async fn read_all(&self, from: &str, headers: &[(&str, &str)]) -> Vec<String> {
        let mut path = from.to_owned();
        let mut read = Vec::new();
        loop {
            let answer = self.get_with(&path, headers).await;
            let page = ids(&answer);
            if page.is_empty() {
                return read;
            }
            read.extend(page);
            path = next(&answer);
        }
    }

    /// The value of a metric whose labels hold this text.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let text = self.gateway.metrics_text();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        line?.rsplit(' ').next()?.parse().ok()
    }
}

fn open_hub(config: &Config) -> Hub {
    let begun = Instant::now();
    loop {
        match Hub::open(&hub_settings(config), |_, _| {}) {
            Ok((hub, _)) => return hub,
            // The threads of a gateway that was dropped a moment ago may still hold its folder.
            Err(HubError::Disk(DiskError::Lock(_))) if begun.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}: {error:?}"),
        }
    }
}

pub(crate) fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

#[track_caller]
pub(crate) fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// What the publisher called the events of a page.
#[track_caller]
pub(crate) fn ids(answer: &Answer) -> Vec<String> {
    let events = events(answer).into_iter();
    events
        .map(|event| event["data"]["id"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
pub(crate) fn cursor(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.headers["tidegate-cursor"]
        .to_str()
        .unwrap()
        .to_owned()
}

/// The address of the next page.
#[track_caller]
pub(crate) fn next(answer: &Answer) -> String {
    let link = answer.headers["link"].to_str().unwrap();
    let path = link.strip_prefix('<').unwrap();
    path.strip_suffix(">; rel=\"next\"").unwrap().to_owned()
}

/// The status and the code of a problem; gives the problem.
#[track_caller]
pub(crate) fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    problem
}

pub(crate) fn numbered(kind: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{kind}-{number}")).collect()
}

//! A gateway that delivers to sinks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tempfile::TempDir;
use tidegate_config::{Config, SecretSource};
use tidegate_core::deliver::{Discard, FaultRefusal};
use tidegate_core::log::entry::Fault;
use tidegate_core::view::FaultSummary;
use tidegate_gateway::gateway::{
    CommandError, DeliverStatus, Gateway, ResubmitRequest, Resubmitted, hub_settings,
};
use tidegate_gateway::http::{Client, ClientSettings};
use tidegate_hub::disk::DiskError;
use tidegate_hub::hub::{Hub, HubError};

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Every secret of a configuration.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Secrets;

impl SecretSource for Secrets {
    fn env(&self, _: &str) -> Option<String> {
        Some(SECRET.to_owned())
    }

    fn file(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[track_caller]
fn config(folder: &Path, rest: &str) -> Arc<Config> {
    let data = folder.join("data");
    let text = format!(
        "subsystem: orders
listen: {{ public: 127.0.0.1:0, admin: 127.0.0.1:0 }}
services: {{ shop: {{ token: \"${{env:SHOP}}\", publish: [\"*\"] }} }}
data: {}
log: {{ segment: 1MiB }}
{rest}",
        data.display()
    );
    let loaded = tidegate_config::load("tidegate.yaml", &text, None, &Secrets);
    match loaded.config {
        Some(config) => Arc::new(config),
        None => panic!("{}\n{text}", loaded.report.render(false)),
    }
}

/// The systems and flows of a configuration: one flow `orders` to `url`, with more lines in `deliver`.
pub(crate) fn one_flow(url: &str, deliver: &str) -> String {
    format!(
        "systems: {{ crm: {{ url: \"{url}\", private-ranges: [127.0.0.1] }} }}
flows: {{ orders: {{ system: crm, deliver: {{ on: [order.*], {deliver} }} }} }}
"
    )
}

/// Retries at once, so that tests need not wait.
pub(crate) const QUICK: &str =
    "retry: { schedule: [0s, 1ms, 1ms] }, breaker: { open-min: 100ms, open-max: 100ms }";

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
        Self::open(folder, config).await
    }

    /// With a log that is trimmed at this size, which no file may say.
    pub(crate) async fn with_log_of(size_max: u64, rest: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = Config::clone(&config(folder.path(), rest));
        config.log.size_max = size_max;
        Self::open(folder, Arc::new(config)).await
    }

    /// Why such a gateway does not start.
    pub(crate) async fn refused(rest: &str) -> String {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path(), rest);
        let hub = Arc::new(open_hub(&config));
        let started = Gateway::start(config, folder.path(), hub).await;
        let mut text = String::new();
        let error = started.unwrap_err();
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = next {
            text = format!("{text}{error}; ");
            next = error.source();
        }
        text
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
        let site = Self {
            folder,
            config,
            hub,
            gateway,
            client,
        };
        site.begun().await;
        site
    }

    /// Waits until every flow knows where it begins.
    pub(crate) async fn begun(&self) {
        self.status_when(|all| all.iter().all(|it| it.state != "starting"))
            .await;
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

    /// Stops as if the process were killed: nothing ends in good order.
    pub(crate) async fn crash(self) -> Self {
        let Self {
            folder,
            config,
            hub,
            gateway,
            client,
        } = self;
        // Nothing is written from here on, whatever still ends.
        hub.close();
        gateway.drain(Duration::ZERO).await;
        drop((gateway, hub, client));
        Self::open(folder, config).await
    }

    pub(crate) async fn reload(&mut self, rest: &str) {
        self.config = config(self.folder.path(), rest);
        self.gateway.reload(&self.config).unwrap();
        self.begun().await;
    }

    /// Gives a fault of `orders` up, as soon as it can be.
    pub(crate) async fn discard(&self, fault: &Discard) {
        settled(|| self.gateway.discard("orders", fault.clone())).await;
    }

    /// Resubmits a fault, as soon as it can be.
    pub(crate) async fn resubmit(&self, request: &ResubmitRequest) -> Resubmitted {
        settled(|| self.gateway.resubmit(request.clone())).await
    }

    pub(crate) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Publishes an event with this id and key.
    pub(crate) async fn publish(&self, kind: &str, id: &str, key: &str) {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "partitionkey": key,
            "datacontenttype": "application/json", "data": { "id": id, "key": key },
        });
        self.send(event).await;
    }

    /// Calls a flow that receives.
    pub(crate) async fn post(&self, path: &str, json: &'static str) {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/json");
        headers.insert("content-type", kind);
        let sent = self
            .client
            .request(Method::POST, path, headers, json.into());
        let answer = sent.await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
    }

    pub(crate) async fn send(&self, event: serde_json::Value) {
        let mut headers = HeaderMap::new();
        let token = HeaderValue::try_from(format!("Bearer {SECRET}")).unwrap();
        headers.insert("authorization", token);
        let kind = HeaderValue::from_static("application/cloudevents+json");
        headers.insert("content-type", kind);
        let sent = self.client.request(
            Method::POST,
            "/v1/events",
            headers,
            event.to_string().into(),
        );
        let answer = sent.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Publishes `count` events under `keys` keys in turn: ids `PREFIX-0`, …
    pub(crate) async fn publish_many(&self, prefix: &str, count: usize, keys: usize) {
        for number in 0..count {
            let key = format!("k{}", number % keys);
            self.publish("order.created", &format!("{prefix}-{number}"), &key)
                .await;
        }
    }

    /// The status of the one flow, as soon as `good`.
    pub(crate) async fn flow_when(&self, good: impl Fn(&DeliverStatus) -> bool) -> DeliverStatus {
        let all = self.status_when(|all| all.first().is_some_and(&good)).await;
        all.into_iter().next().unwrap()
    }

    async fn status_when(&self, good: impl Fn(&[DeliverStatus]) -> bool) -> Vec<DeliverStatus> {
        let begun = Instant::now();
        loop {
            let all = self.gateway.deliveries();
            if good(&all) {
                return all;
            }
            assert!(begun.elapsed() < PATIENCE, "{all:?}");
            // The state has no signal to wait for; it is polled as a status page would.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The open faults, the newest first.
    pub(crate) async fn faults(&self) -> Vec<(FaultSummary, Fault)> {
        let hub = Arc::clone(&self.hub);
        let found = tokio::task::spawn_blocking(move || hub.faults(None, 1000, |_| true));
        found.await.unwrap().unwrap()
    }

    /// The open faults, as soon as there are `count`.
    pub(crate) async fn faults_when(&self, count: usize) -> Vec<(FaultSummary, Fault)> {
        let begun = Instant::now();
        loop {
            let faults = self.faults().await;
            if faults.len() == count {
                return faults;
            }
            assert!(begun.elapsed() < PATIENCE, "{count} wanted: {faults:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Tries until what sets the fault aside is written.
async fn settled<T, F>(mut command: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, CommandError>>,
{
    let begun = Instant::now();
    loop {
        match command().await {
            Err(CommandError::Fault(FaultRefusal::Settling)) => {
                assert!(begun.elapsed() < PATIENCE);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return other.unwrap(),
        }
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

//! A gateway with flows that poll.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tempfile::TempDir;
use tidegate_config::{Config, SecretSource};
use tidegate_core::log::entry::{Entry, EventEntry, Fault, Polled};
use tidegate_gateway::gateway::{Gateway, hub_settings};
use tidegate_gateway::http::{Answer, Client, ClientSettings};
use tidegate_hub::disk::DiskError;
use tidegate_hub::hub::{Hub, HubError};
use tidegate_hub::query::PageLimits;
use tidegate_hub::settings::HubSettings;

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
fn config(folder: &Path, url: &str, flows: &str) -> Arc<Config> {
    let text = format!(
        "subsystem: orders
listen: {{ public: 127.0.0.1:0, admin: 127.0.0.1:0 }}
data: {}
log: {{ segment: 1MiB }}
systems: {{ erp: {{ url: \"{url}\", private-ranges: [127.0.0.0/8], auth: {{ bearer: {{ token: \"${{env:TOKEN}}\" }} }} }}, plain: {{ url: \"{url}\", private-ranges: [127.0.0.0/8] }} }}
flows:
{flows}",
        folder.join("data").display()
    );
    let loaded = tidegate_config::load("tidegate.yaml", &text, None, &Secrets);
    match loaded.config {
        Some(config) => Arc::new(config),
        None => panic!("{}\n{text}", loaded.report.render(false)),
    }
}

/// Opens a log. What was still reading when a gateway was killed holds it until it has read; with a process
/// that would end, too.
fn open(settings: &HubSettings) -> Hub {
    let begun = Instant::now();
    loop {
        match Hub::open(settings, |_, _| {}) {
            Ok((hub, _)) => return hub,
            Err(HubError::Disk(DiskError::Lock(_))) if begun.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A running gateway on a log of its own.
pub(crate) struct Site {
    folder: TempDir,
    url: String,
    pub(crate) gateway: Gateway,
}

impl Site {
    pub(crate) async fn start(url: &str, flows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, url, flows).await
    }

    async fn start_in(folder: TempDir, url: &str, flows: &str) -> Self {
        let config = config(folder.path(), url, flows);
        let settings = hub_settings(&config);
        let hub = tokio::task::spawn_blocking(move || open(&settings)).await;
        let hub = hub.unwrap();
        let gateway = Gateway::start(config, folder.path(), Arc::new(hub))
            .await
            .unwrap();
        let url = url.to_owned();
        Self {
            folder,
            url,
            gateway,
        }
    }

    /// Ends as a process does that is killed: nobody is waited for but the threads of the log.
    pub(crate) async fn killed(self) -> TempDir {
        self.gateway.drain(Duration::ZERO).await;
        let hub = Arc::clone(self.gateway.hub());
        drop(self.gateway);
        tokio::task::spawn_blocking(move || hub.close())
            .await
            .unwrap();
        self.folder
    }

    pub(crate) async fn restarted(self, url: &str, flows: &str) -> Self {
        let folder = self.killed().await;
        Self::start_in(folder, url, flows).await
    }

    pub(crate) fn reload(&self, flows: &str) {
        let config = config(self.folder.path(), &self.url, flows);
        self.gateway.reload(&config).unwrap();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let limits = PageLimits {
            entries: 100_000,
            entry_bytes: 1 << 30,
            scan_bytes: 1 << 40,
        };
        let page = self.gateway.hub().scan(None, limits, |_| true).unwrap();
        page.found.into_iter().map(|found| found.entry).collect()
    }

    pub(crate) fn events(&self) -> Vec<EventEntry> {
        let events = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// The identities that the source gave, in the order of the log.
    pub(crate) fn ids(&self) -> Vec<String> {
        let events = self.events().into_iter();
        events.map(|event| event.event.external_id).collect()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let faults = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::Fault(fault) => Some(*fault),
            _ => None,
        });
        faults.collect()
    }

    pub(crate) fn polled(&self) -> Vec<Polled> {
        let polled = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::Polled(polled) => Some(*polled),
            _ => None,
        });
        polled.collect()
    }

    /// The kinds of the system events.
    pub(crate) fn noted(&self) -> Vec<String> {
        let noted = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::System(system) => Some(system.kind),
            _ => None,
        });
        noted.collect()
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        let base = format!("http://{}", self.gateway.address());
        let client = Client::new(&base, ClientSettings::default()).unwrap();
        let pairs = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let headers: HeaderMap = pairs.collect();
        let body = body.to_owned().into();
        client
            .request(Method::POST, path, headers, body)
            .await
            .unwrap()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {:?} {:?}",
                self.gateway.polls(),
                self.noted()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

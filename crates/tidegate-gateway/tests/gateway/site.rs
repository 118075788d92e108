//! A gateway in a folder of its own, that can be restarted and asked what its log holds.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use tempfile::TempDir;
use tidegate_config::{Config, SecretSource};
use tidegate_core::log::entry::{Entry, EventEntry, Fault};
use tidegate_gateway::gateway::{BooksError, FlowStatus, Gateway, ReloadError, hub_settings};
use tidegate_gateway::http::{Answer, Client, ClientSettings};
use tidegate_hub::disk::DiskError;
use tidegate_hub::hub::{Hub, HubError};
use tidegate_hub::query::PageLimits;
use tidegate_types::position::FrameNumber;
use tidegate_wire::signature::Spec;

use crate::call::Call;

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What every configuration of these tests begins with. Small segments are quick to prepare.
const HEAD: &str = "subsystem: orders
account: acme-prod
stage: prd
";

/// Any free port, unless the test says how to listen.
const LISTEN: &str = "listen: { public: 127.0.0.1:0, admin: 127.0.0.1:0 }\n";

/// Secrets by name: keys in the form their scheme wants for a few names, and for any other name
/// one that is made of it.
#[derive(Debug)]
pub(crate) struct Secrets;

pub(crate) const ED25519_PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// The first test vector of RFC 8032, section 7.1.
pub(crate) const ED25519_PRIVATE: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

impl SecretSource for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        Some(match name {
            "WHSEC_NEW" | "WEBHOOK_SECRET" => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(),
            "WHSEC_OLD" | "SVIX_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            "ED25519" => ED25519_PUBLIC.to_owned(),
            other => format!("{other}-0123456789abcdef0123456789abcdef"),
        })
    }

    fn file(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Reads a configuration that has to be right.
#[track_caller]
pub(crate) fn config(text: &str) -> Config {
    let loaded = tidegate_config::load("tidegate.yaml", text, None, &Secrets);
    match loaded.config {
        Some(config) => config,
        None => panic!("{}\n{text}", loaded.report.render(false)),
    }
}

/// A running gateway on a log of its own.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) config: Arc<Config>,
    hub: Arc<Hub>,
    gateway: Gateway,
    client: Client,
}

impl Site {
    /// With these flows and services.
    #[track_caller]
    pub(crate) fn start(rest: &str) -> impl Future<Output = Self> {
        Self::start_with(rest, |_| {})
    }

    /// With a configuration that is changed before use: to limits lower than a file may ask for.
    #[track_caller]
    pub(crate) fn start_with(
        rest: &str,
        change: impl FnOnce(&mut Config),
    ) -> impl Future<Output = Self> {
        let folder = TempDir::new().unwrap();
        let mut config = config(&text(folder.path(), rest));
        change(&mut config);
        Self::open(folder, Arc::new(config))
    }

    /// In a folder with files in it that the configuration names.
    #[track_caller]
    pub(crate) fn start_in(folder: TempDir, rest: &str) -> impl Future<Output = Self> {
        let config = config(&text(folder.path(), rest));
        Self::open(folder, Arc::new(config))
    }

    async fn open(folder: TempDir, config: Arc<Config>) -> Self {
        let hub = Arc::new(open_hub(&config));
        let gateway = Gateway::start(Arc::clone(&config), folder.path(), Arc::clone(&hub))
            .await
            .unwrap();
        let client = client(&gateway);
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

    /// Puts other flows and services into force.
    pub(crate) fn reload(&mut self, rest: &str) -> Result<(), ReloadError> {
        let config = Arc::new(self.other(rest));
        self.gateway.reload(&config)?;
        self.config = config;
        Ok(())
    }

    /// The configuration of this site with other flows and services.
    pub(crate) fn other(&self, rest: &str) -> Config {
        config(&text(self.folder.path(), rest))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        client(&self.gateway)
    }

    /// How `flow` verifies, and therefore signs.
    pub(crate) fn scheme(&self, flow: &str) -> Spec {
        let flow = self.config.flows.iter().find(|it| it.name == flow).unwrap();
        flow.verify.clone()
    }

    pub(crate) fn path(&self, flow: &str) -> String {
        let flow = self.config.flows.iter().find(|it| it.name == flow).unwrap();
        flow.path.clone()
    }

    pub(crate) async fn send(&self, call: &Call) -> Answer {
        call.send(&self.client).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: impl Into<bytes::Bytes>,
    ) -> Answer {
        let request = self.client.request(method, path, headers, body.into());
        request.await.unwrap()
    }

    pub(crate) fn head(&self) -> FrameNumber {
        self.hub.head().borrow().frame
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let all = PageLimits {
            entries: usize::MAX,
            entry_bytes: usize::MAX,
            scan_bytes: u64::MAX,
        };
        let page = self.hub.scan(None, all, |_| true).unwrap();
        page.found.into_iter().map(|found| found.entry).collect()
    }

    pub(crate) fn events(&self) -> Vec<EventEntry> {
        let entries = self.entries().into_iter();
        let events = entries.filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let entries = self.entries().into_iter();
        let faults = entries.filter_map(|entry| match entry {
            Entry::Fault(fault) => Some(*fault),
            _ => None,
        });
        faults.collect()
    }

    pub(crate) fn flow(&self, name: &str) -> FlowStatus {
        let flows = self.gateway.flows();
        flows.into_iter().find(|flow| flow.flow == name).unwrap()
    }

    /// Closes the books, so that their series are there.
    pub(crate) async fn close_books(&self) {
        assert!(self.gateway().hub().settled(Duration::from_secs(30)));
        while let Err(error) = self.gateway().books() {
            assert!(matches!(error, BooksError::Reading), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The sum of the samples of a metric that have all these labels.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.gateway.metrics_text();
        let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
        let samples = of_name.filter(|rest| rest.starts_with(['{', ' ']));
        let wanted = samples.filter(|rest| {
            let has =
                |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
            labels.iter().all(has)
        });
        wanted
            .map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}

fn text(folder: &Path, rest: &str) -> String {
    let data = folder.join("data");
    let unless_given = |key: &str, default: &'static str| {
        if rest.contains(key) { "" } else { default }
    };
    format!(
        "{HEAD}{}data: {}\n{}{rest}",
        unless_given("listen:", LISTEN),
        data.display(),
        unless_given("log:", "log: { segment: 1MiB }\n")
    )
}

fn client(gateway: &Gateway) -> Client {
    let base = format!("http://{}", gateway.address());
    let settings = ClientSettings {
        answer_timeout: PATIENCE,
        ..ClientSettings::default()
    };
    Client::new(&base, settings).unwrap()
}

/// Opens the hub. The threads of a gateway that was dropped a moment ago may still hold its folder.
fn open_hub(config: &Config) -> Hub {
    let begun = Instant::now();
    loop {
        match Hub::open(&hub_settings(config), |_, _| {}) {
            Ok((hub, _)) => return hub,
            Err(HubError::Disk(DiskError::Lock(_))) if begun.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}: {error:?}"),
        }
    }
}

/// Waits until something that is on its way has come about.
#[track_caller]
pub(crate) fn until<'a>(
    what: &'a str,
    mut is: impl FnMut() -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !is() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{place}: waited too long for {what}"
            );
            tokio::task::yield_now().await;
        }
    }
}

//! A running gateway: the public listener on a hub.

mod link;
mod measure;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tidegate_config::Config;
use tidegate_config::config::Tls;
use tidegate_core::deliver::Discard;
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::log::entry::{Closing, Entry, EventEntry, FaultClosed};
use tidegate_core::receive::intake::{Answer, Content, IntakeLimits};
use tidegate_hub::books::Closed;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::post::postman;
use tidegate_hub::settings::{
    HubSettings, OnFull, ParkRetention, Retention, SubscriptionRetention,
};
use tidegate_types::time::UnixMillis;
use tokio::sync::{Semaphore, watch};

use crate::again::again;
use crate::books;
pub use crate::books::BooksError;
pub use crate::deliver::{
    Breaker, CommandError, DeliverStatus, EndpointProblem, ReplayOutcome, ReplayRequest,
    ResubmitRequest, Resubmitted,
};
use crate::deliver::{Deliveries, low_cursor, wants};
pub use crate::feeds::KeyError;
use crate::feeds::{ConsumerDoor, READERS_MAX, STREAMS_MAX, searches};
pub use crate::generation::CompileFailure;
use crate::generation::{Generation, cursor_name};
use crate::http::{
    ClientAuth, Drained, ListenError, Listener, ListenerSettings, Server, TlsError, TlsSettings,
    Workers,
};
use crate::metrics::Metrics;
use crate::offer::Unique;
use crate::peer::{PeerError, Peers};
use crate::poll::{PollStatus, Polls};
use crate::public::Public;
use crate::sample::Sampler;
pub use link::peer_settings;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The threads that serve the public listener; they end with the gateway.
    _workers: Workers,
    public: Arc<Public>,
    server: Mutex<Option<Server>>,
    polls: Arc<Polls>,
    /// The link to the other regions, if there is one.
    peers: Option<Peers>,
    address: std::net::SocketAddr,
    /// The folder that file names in the configuration are relative to.
    folder: PathBuf,
}

/// A gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be put into force.
    #[error(transparent)]
    Compile(#[from] CompileFailure),
    /// The public listener could not be opened.
    #[error("the public listener cannot be opened")]
    Listen(#[from] ListenError),
    /// The link between regions could not be set up.
    #[error("the link to other regions cannot be set up")]
    Peers(#[from] PeerError),
    /// The threads that serve it could not be started.
    #[error("the threads of the public listener cannot be started")]
    Workers(#[source] std::io::Error),
}

/// A reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be put into force.
    #[error(transparent)]
    Compile(#[from] CompileFailure),
    /// The certificates cannot be loaded.
    #[error("the certificates cannot be loaded")]
    Tls(#[from] TlsError),
}

/// Whether the node should get traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it should.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

/// How a flow does, since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// Where it receives.
    pub path: String,
    /// The scheme it verifies by.
    pub scheme: &'static str,
    /// Events kept.
    pub kept: u64,
    /// Events that were there before.
    pub repeats: u64,
    /// Events set aside.
    pub faults: u64,
    /// Events its `when` leaves out.
    pub filtered: u64,
    /// Events not taken for want of room or a failing disk.
    pub refused: u64,
    /// Requests that could not be verified.
    pub unverified: u64,
    /// Its mapping overran and is switched off.
    pub quarantined: bool,
    /// When the last event came.
    pub last_event: Option<UnixMillis>,
}

/// How a feed does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// Its name.
    pub feed: String,
    /// The external system.
    pub system: String,
    /// Where it is fetched.
    pub path: String,
    /// Its consumers.
    pub consumers: Vec<ConsumerStatus>,
}

/// How a consumer of a feed does, since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its name.
    pub consumer: String,
    /// Pages it was given, empty ones included.
    pub pages: u64,
    /// Events it was given.
    pub events: u64,
    /// Frames between the position it presented last and the end of the log.
    pub lag_frames: u64,
}

impl Gateway {
    /// Opens the public listener of `config` in front of `hub`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: Arc<Config>,
        folder: &Path,
        hub: Arc<Hub>,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&config.tags()));
        let generation = Generation::compile(Arc::clone(&config), &metrics, folder, None)?;
        let listener = Listener::bind(public_settings(&config, folder)).await?;
        let address = listener.address();
        let workers = Workers::start(parallelism()).map_err(StartError::Workers)?;
        workers.spawn_on_each(postman);
        let deliveries = Deliveries::new(Arc::clone(&hub), &config.subsystem, workers.handles());
        deliveries.apply(&generation.deliveries);
        let polls = Arc::new(Polls::new(Arc::clone(&hub), workers.handles()));
        let flows = generation.polls.clone();
        let public = Arc::new(Public {
            deliveries,
            generation: ArcSwap::from_pointee(generation),
            unique: Unique::new(hub.origin(), now()),
            reader: hub.reader(),
            hub,
            metrics,
            unverified: Sampler::default(),
            draining: watch::Sender::new(false),
            books: books::Office::default(),
            in_flight: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
            feed_readers: Arc::new(Semaphore::new(READERS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            searches: Arc::new(searches(parallelism())),
        });
        let peers = match peer_settings(&config, folder) {
            Some(settings) => Some(Peers::start(settings, &public.hub).await?),
            None => None,
        };
        let server = listener.serve_on(Arc::clone(&public), &workers);
        let gateway = Self {
            _workers: workers,
            public,
            server: Mutex::new(Some(server)),
            polls,
            peers,
            address,
            folder: folder.to_owned(),
        };
        gateway.measure();
        tokio::spawn(books::keep(Arc::downgrade(&gateway.public)));
        gateway.polls.apply(&flows);
        Ok(gateway)
    }

    /// The address of the public listener, with the port the system chose if it was left open.
    #[must_use]
    pub const fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// The address at which other regions read this one's log.
    #[must_use]
    pub fn peer_address(&self) -> Option<std::net::SocketAddr> {
        self.peers.as_ref().and_then(Peers::address)
    }

    /// The folder that file names in the configuration are relative to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The hub behind it.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.public.hub
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.public.generation.load().config)
    }

    /// Puts another configuration into force: requests under way finish with the old one, the next
    /// ones meet the new one. Certificates are loaded again.
    ///
    /// # Errors
    /// See [`ReloadError`]; nothing has changed then.
    pub fn reload(&self, config: &Arc<Config>) -> Result<(), ReloadError> {
        let applied = self.try_reload(config);
        self.public.metrics.reloaded(applied.is_ok());
        applied
    }

    fn try_reload(&self, config: &Arc<Config>) -> Result<(), ReloadError> {
        let before = self.public.generation.load_full();
        let metrics = &self.public.metrics;
        let generation =
            Generation::compile(Arc::clone(config), metrics, &self.folder, Some(&before))?;
        if let Some(server) = &*self.server() {
            server.reload_certificates()?;
        }
        if let Some(peers) = &self.peers {
            peers.reload_certificates()?;
        }
        self.public.hub.retain(retention(config));
        self.public.deliveries.apply(&generation.deliveries);
        self.polls.apply(&generation.polls);
        self.public.generation.swap(Arc::new(generation)).retire();
        Ok(())
    }

    /// Whether the node should get traffic.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        if *self.public.draining.borrow() {
            reasons.push("the node is going down".to_owned());
        }
        let status = self.public.hub.status();
        if let Some(damage) = &status.damage {
            reasons.push(damage.to_string());
        }
        let size_max = self.config().log.size_max;
        if status.bytes > size_max {
            let bytes = status.bytes;
            reasons.push(format!(
                "the log has {bytes} bytes, more than log.size-max ({size_max})"
            ));
        }
        Readiness {
            ready: reasons.is_empty(),
            reasons,
        }
    }

    /// How the flows do.
    #[must_use]
    pub fn flows(&self) -> Vec<FlowStatus> {
        let generation = self.public.generation.load();
        let flows = generation.flows.iter();
        flows
            .map(|it| {
                let counts = it.metrics.counts();
                FlowStatus {
                    flow: it.flow.name.clone(),
                    system: it.flow.system.clone(),
                    path: it.flow.path.clone(),
                    scheme: it.flow.verify.scheme(),
                    kept: counts.kept,
                    repeats: counts.repeats,
                    faults: counts.faults,
                    filtered: counts.filtered,
                    refused: counts.refused,
                    unverified: counts.unverified,
                    quarantined: it.mapper.as_ref().is_some_and(|it| it.is_quarantined()),
                    last_event: counts.last_event,
                }
            })
            .collect()
    }

    /// How the feeds do.
    #[must_use]
    pub fn feeds(&self) -> Vec<FeedStatus> {
        let generation = self.public.generation.load();
        let head = self.public.hub.head().borrow().frame.0;
        let consumer = |it: &Arc<ConsumerDoor>| {
            let (pages, events) = it.metrics.counts();
            ConsumerStatus {
                consumer: it.name.clone(),
                pages,
                events,
                lag_frames: it.metrics.lag(head),
            }
        };
        let feeds = generation.feeds.iter();
        feeds
            .map(|it| FeedStatus {
                feed: it.feed.name.clone(),
                system: it.feed.system.clone(),
                path: it.feed.path.clone(),
                consumers: it.consumers.iter().map(consumer).collect(),
            })
            .collect()
    }

    /// How the flows that deliver do.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliverStatus> {
        self.public.deliveries.statuses()
    }

    /// Pauses a flow that delivers or polls, or lets it go on. It stays so over restarts.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn pause(&self, flow: &str, paused: bool) -> Result<(), CommandError> {
        match self.public.deliveries.pause(flow, paused).await {
            Err(CommandError::UnknownFlow) => self.polls.pause(flow, paused).await,
            other => other,
        }
    }

    /// Tries again what a flow has set aside: sends the event, or maps the request or item anew and keeps what
    /// comes of it under the same identity.
    ///
    /// # Errors
    /// See [`CommandError`]; the fault stays open.
    pub async fn resubmit(&self, request: ResubmitRequest) -> Result<Resubmitted, CommandError> {
        if request.fault.cause.is_of_delivery() {
            self.public.deliveries.resubmit(request).await?;
            return Ok(Resubmitted::Sending);
        }
        again(&self.public, request).await
    }

    /// Sends a settled event once more, and waits for the end of that. Nothing is written: the books stay as
    /// they are, and a restart forgets it.
    ///
    /// # Errors
    /// See [`CommandError`]; nothing is sent.
    pub async fn replay(&self, request: ReplayRequest) -> Result<ReplayOutcome, CommandError> {
        self.public.deliveries.replay(request).await
    }

    /// Gives up what a flow has set aside; what waits for it goes on.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn discard(&self, flow: &str, fault: Discard) -> Result<(), CommandError> {
        match self.public.deliveries.discard(flow, fault.clone()).await {
            // Nothing waits for it: it is of a flow that receives, or of one that is no longer.
            Err(CommandError::UnknownFlow) => {
                let how = Closing::Discarded {
                    reason: fault.reason,
                };
                let closed = FaultClosed {
                    id: fault.fault,
                    set_aside: fault.set_aside,
                    flow: flow.to_owned(),
                    how,
                    by: fault.by,
                    time: now(),
                };
                close(&self.public.hub, closed).await
            }
            other => other,
        }
    }

    /// Closes the books as they stand. Blocks.
    ///
    /// # Errors
    /// See [`BooksError`].
    pub fn books(&self) -> Result<Arc<Closed>, BooksError> {
        let generation = self.public.generation.load_full();
        let wanted = |flow: &str, event: &EventEntry| generation.wants(flow, event);
        self.public.books.close(&self.public.hub, wanted)
    }

    /// How the flows that poll do.
    #[must_use]
    pub fn polls(&self) -> Vec<PollStatus> {
        self.polls.statuses()
    }

    /// All metrics, as OpenMetrics text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.public.metrics.text()
    }

    /// Takes no more requests, finishes those under way, and cuts what is left after `within`.
    /// Nothing to do the second time.
    pub async fn drain(&self, within: Duration) -> Drained {
        self.public.draining.send_replace(true);
        let server = self.server().take();
        let deadline = Instant::now() + within;
        let drained = async {
            match server {
                Some(server) => server.drain(deadline).await,
                None => Drained {
                    connections_cut: 0,
                    requests_cut: 0,
                },
            }
        };
        let (drained, cut, ()) = tokio::join!(
            drained,
            self.public.deliveries.drain(within),
            self.polls.drain(within)
        );
        if let Some(peers) = &self.peers {
            peers.stop(PEERS_STOP).await;
        }
        if cut > 0 {
            tracing::warn!(
                flows = cut,
                "what was being delivered was cut and will be sent again"
            );
        }
        drained
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes that a fault is closed.
pub(crate) async fn close(hub: &Hub, closed: FaultClosed) -> Result<(), CommandError> {
    let entry = Entry::FaultClosed(Box::new(closed));
    match hub.offer(Content::Plain(Box::new(entry))).await {
        Answer::Refused(refusal) => Err(CommandError::NotKept(refusal)),
        _ => Ok(()),
    }
}

/// One thread per processor serves requests.
fn parallelism() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// What a hub is told by a configuration; `folder` is the one its paths are relative to.
#[must_use]
pub fn hub_settings(config: &Config) -> HubSettings {
    HubSettings {
        origin: config.region.clone(),
        data: PathBuf::from(&config.data),
        segment_bytes: config.log.segment,
        limits: IntakeLimits {
            queue_bytes_max: config.limits.queue_bytes_max,
            ..IntakeLimits::default()
        },
        retention: retention(config),
    }
}

fn retention(config: &Config) -> Retention {
    // What was not delivered is kept however old it gets: in the log, then in the park of the flow.
    let deliveries = config.deliveries.iter().map(|flow| SubscriptionRetention {
        name: low_cursor(&flow.name),
        lag_max: None,
        park: Some(ParkRetention {
            flow: flow.name.clone(),
            quota: flow.park.quota,
            on_full: if flow.park.discards {
                OnFull::Discard
            } else {
                OnFull::Hold
            },
            wants: wants(config, flow),
        }),
    });
    let subscriptions = config.services.iter().flat_map(|service| {
        service
            .subscriptions
            .iter()
            .map(|subscription| SubscriptionRetention {
                name: cursor_name(&service.name, &subscription.name),
                lag_max: Some(subscription.max_lag),
                park: None,
            })
    });
    // Trimming begins below the limit at which events are refused, so that it comes in time.
    let head_room = (config.log.size_max / 10).max(config.log.segment.saturating_mul(2));
    Retention {
        policy: TrimPolicy {
            keep: config.log.keep,
            size_max: config.log.size_max.saturating_sub(head_room),
        },
        size_max: config.log.size_max,
        subscriptions: subscriptions.chain(deliveries).collect(),
    }
}

/// The settings of a listener of `config`, with the limits that all listeners share.
#[must_use]
pub fn listener_settings(
    config: &Config,
    listener: &tidegate_config::config::Listener,
    folder: &Path,
) -> ListenerSettings {
    let limits = &config.limits;
    ListenerSettings {
        tls: listener.tls.as_ref().map(|tls| tls_settings(tls, folder)),
        connections_max: u32::try_from(limits.connections_max).unwrap_or(u32::MAX),
        header_bytes_max: u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX),
        header_read_timeout: limits.header_timeout,
        request_timeout: limits.request_timeout,
        idle_timeout: limits.idle_timeout,
        ..ListenerSettings::new(listener.address)
    }
}

fn public_settings(config: &Config, folder: &Path) -> ListenerSettings {
    // A long poll waits longer than any other request may take.
    let request_timeout = config.limits.request_timeout.max(LONG_POLL_TIMEOUT);
    ListenerSettings {
        request_timeout,
        ..listener_settings(config, &config.listen.public, folder)
    }
}

/// How long what is being stored of other regions may take to be finished.
const PEERS_STOP: Duration = Duration::from_secs(5);

/// A little above the longest wait of a long poll.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(40);

fn tls_settings(tls: &Tls, folder: &Path) -> TlsSettings {
    let client = match (&tls.client_ca, tls.client_required) {
        (None, _) => ClientAuth::None,
        (Some(authorities), true) => ClientAuth::Required(folder.join(authorities)),
        (Some(authorities), false) => ClientAuth::Optional(folder.join(authorities)),
    };
    TlsSettings {
        certificates: folder.join(&tls.cert),
        key: folder.join(&tls.key),
        client,
    }
}

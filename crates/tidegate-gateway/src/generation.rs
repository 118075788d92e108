//! A configuration, compiled: what one request is answered by from its first to its last step.
//!
//! A reload builds a whole new generation and swaps it; requests under way finish with theirs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use http::HeaderName;
use subtle::ConstantTimeEq;
use tidegate_config::Config;
use tidegate_config::config::{Flow, Format, Identity, Service};
use tidegate_core::log::entry::EventEntry;
use tidegate_map::{CompileError, EventSpec, Filter};
use tidegate_types::id::FlowNamespace;
use tidegate_types::secret::Secret;
use tidegate_wire::signature::{SpecError, Verifier};
use tokio::sync::watch;

use crate::deliver::{self, DeliverFlow, EndpointProblem};
use crate::feeds::{FeedDoor, Found, KeyError, KeyFile};
use crate::horizon::Horizon;
use crate::mapper::FlowMapper;
use crate::metrics::{FlowMetrics, Metrics};
use crate::poll::{self, PollFlow, SourceProblem};

/// Everything that is made of one configuration.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) config: Arc<Config>,
    pub(crate) flows: Vec<Arc<ReceiveFlow>>,
    paths: HashMap<String, usize>,
    services: Vec<Arc<ServiceDoor>>,
    pub(crate) deliveries: Vec<Arc<DeliverFlow>>,
    pub(crate) polls: Vec<Arc<PollFlow>>,
    pub(crate) feeds: Vec<Arc<FeedDoor>>,
    feed_paths: HashMap<String, usize>,
    /// Whether another generation has taken over.
    retired: watch::Sender<bool>,
}

/// A flow that receives.
#[derive(Debug)]
pub(crate) struct ReceiveFlow {
    pub(crate) flow: Flow,
    pub(crate) namespace: FlowNamespace,
    pub(crate) verifier: Verifier,
    pub(crate) is_slack: bool,
    pub(crate) secret_headers: Vec<HeaderName>,
    pub(crate) secret_parameter: Option<String>,
    /// `None` for CloudEvents, which are taken as they are.
    pub(crate) mapper: Option<FlowMapper>,
    pub(crate) metrics: FlowMetrics,
    /// How far back repeats are recognised.
    pub(crate) horizon: Horizon,
}

/// One of our own services.
#[derive(Debug)]
pub(crate) struct ServiceDoor {
    pub(crate) service: Service,
    /// `services/NAME`: the flow of what it publishes.
    pub(crate) flow: String,
    pub(crate) namespace: FlowNamespace,
    pub(crate) subscriptions: Vec<SubscriptionDoor>,
    pub(crate) metrics: FlowMetrics,
}

/// One subscription of a service.
#[derive(Debug)]
pub(crate) struct SubscriptionDoor {
    /// Its name within the service.
    pub(crate) name: String,
    /// `SERVICE/NAME`: the name of its cursor in the log.
    pub(crate) cursor: String,
    pub(crate) on: Vec<String>,
    pub(crate) filter: Option<Filter>,
}

/// A configuration that cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub enum CompileFailure {
    /// A signature scheme does not accept its parameters.
    #[error("flow {flow}: the signature scheme cannot be used")]
    Scheme {
        /// Which flow.
        flow: String,
        /// What is wrong.
        source: SpecError,
    },
    /// An expression does not compile.
    #[error("{place}: the expression cannot be used: {}", listed(problems))]
    Expression {
        /// Where it stands.
        place: String,
        /// All that is wrong with it.
        problems: Vec<CompileError>,
    },
    /// A flow cannot deliver.
    #[error("flow {flow}: its endpoint cannot be used")]
    Deliver {
        /// Which flow.
        flow: String,
        /// Why not.
        source: Box<EndpointProblem>,
    },
    /// The source of a flow that polls cannot be used.
    #[error("flow {flow}: its source cannot be used")]
    Source {
        /// Which flow.
        flow: String,
        /// Why not.
        source: Box<SourceProblem>,
    },
    /// There is no key for the cursors of feeds.
    #[error(
        "the key of the cursors of feeds cannot be had; give `cursor-key`, or repair the data folder"
    )]
    CursorKey(#[source] KeyError),
}

fn listed(problems: &[CompileError]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

impl Generation {
    /// Whether a flow that delivers wants an event. Of one that is configured no longer nobody knows, and what it
    /// holds it wanted.
    pub(crate) fn wants(&self, flow: &str, event: &EventEntry) -> bool {
        let flow = self.deliveries.iter().find(|it| it.config.name == flow);
        flow.is_none_or(|flow| flow.wants(&event.event, &self.config.subsystem))
    }

    /// Compiles a configuration; reads certificates, and reads, or makes, the key of cursors where a
    /// feed needs it. `folder` is the one that file names are relative to, `before` the generation in
    /// force.
    pub(crate) fn compile(
        config: Arc<Config>,
        metrics: &Metrics,
        folder: &Path,
        before: Option<&Self>,
    ) -> Result<Self, CompileFailure> {
        let flows = config.flows.iter();
        let flows: Result<Vec<_>, _> = flows
            .map(|flow| ReceiveFlow::compile(&config, flow, metrics).map(Arc::new))
            .collect();
        let flows = flows?;
        let paths = flows
            .iter()
            .enumerate()
            .map(|(slot, flow)| (flow.flow.path.clone(), slot));
        let paths = paths.collect();
        let services = config.services.iter();
        let services: Result<Vec<_>, _> = services
            .map(|service| ServiceDoor::compile(&config.subsystem, service, metrics).map(Arc::new))
            .collect();
        let key = KeyFile::in_folder(Path::new(&config.data));
        let feeds = config.feeds.iter();
        let feeds: Result<Vec<_>, _> = feeds
            .map(|feed| FeedDoor::compile(&config, feed, metrics, &key).map(Arc::new))
            .collect();
        let feeds = feeds?;
        let feed_paths = feeds.iter().enumerate();
        let feed_paths = feed_paths.map(|(slot, feed)| (feed.feed.path.clone(), slot));
        let feed_paths = feed_paths.collect();
        let before = before.map_or(&[][..], |before| &before.deliveries);
        let deliveries = deliver::compile(&config, folder, metrics, before)?;
        let polls = poll::compile(&config, folder, metrics, &flows)?;
        Ok(Self {
            flows,
            paths,
            deliveries,
            polls,
            services: services?,
            feeds,
            feed_paths,
            retired: watch::Sender::new(false),
            config,
        })
    }

    /// The feed that this path belongs to: its own, or the one right below it.
    pub(crate) fn feed_at<'g>(&'g self, path: &'g str) -> Option<Found<'g>> {
        let feed = |path: &str| self.feeds.get(*self.feed_paths.get(path)?);
        if let Some(feed) = feed(path) {
            return Some(Found { feed, origin: None });
        }
        let (path, origin) = path.rsplit_once('/')?;
        feed(path).map(|feed| Found {
            feed,
            origin: Some(origin),
        })
    }

    /// Tells what goes on longer than a request that another generation has taken over.
    pub(crate) fn retire(&self) {
        self.retired.send_replace(true);
    }

    /// Whether another generation has taken over, and a way to wait for it.
    pub(crate) fn retired(&self) -> watch::Receiver<bool> {
        self.retired.subscribe()
    }

    /// The flow that receives at this path.
    pub(crate) fn flow_at(&self, path: &str) -> Option<&Arc<ReceiveFlow>> {
        self.flows.get(*self.paths.get(path)?)
    }

    /// The service with this token. Every token of every service is compared, each in constant time.
    pub(crate) fn service_of(&self, token: &[u8]) -> Option<&Arc<ServiceDoor>> {
        let mut found = None;
        for service in &self.services {
            for known in &service.service.tokens {
                if matches(known, token) {
                    found = Some(service);
                }
            }
        }
        found
    }
}

fn matches(known: &Secret, given: &[u8]) -> bool {
    known.expose().ct_eq(given).into()
}

impl ReceiveFlow {
    pub(crate) fn compile(
        config: &Config,
        flow: &Flow,
        metrics: &Metrics,
    ) -> Result<Self, CompileFailure> {
        let keep = config.log.keep;
        let verifier = Verifier::new(&flow.verify).map_err(|source| CompileFailure::Scheme {
            flow: flow.name.clone(),
            source,
        })?;
        let mapper = flow
            .mapping
            .as_ref()
            .map(|spec| mapper(flow, spec))
            .transpose()?;
        Ok(Self {
            namespace: FlowNamespace::new(&config.subsystem, &flow.name),
            verifier,
            is_slack: flow.verify.scheme() == "slack",
            secret_headers: flow.verify.secret_headers(),
            secret_parameter: flow.verify.secret_query_parameter().map(str::to_owned),
            mapper,
            metrics: metrics.flow(&flow.name, &flow.system),
            horizon: Horizon::new((flow.dedup < keep).then_some(flow.dedup)),
            flow: flow.clone(),
        })
    }

    /// Whether the body is CloudEvents.
    pub(crate) fn is_cloudevents(&self) -> bool {
        self.flow.format == Format::CloudEvents
    }
}

fn mapper(flow: &Flow, spec: &EventSpec) -> Result<FlowMapper, CompileFailure> {
    let by_expression = flow.identity == Identity::Expression;
    let mapper = FlowMapper::compile(spec, by_expression, flow.body_max);
    mapper.map_err(|problems| CompileFailure::Expression {
        place: format!("flow {}, event", flow.name),
        problems,
    })
}

impl ServiceDoor {
    fn compile(
        subsystem: &str,
        service: &Service,
        metrics: &Metrics,
    ) -> Result<Self, CompileFailure> {
        let flow = format!("services/{}", service.name);
        let subscriptions = service.subscriptions.iter();
        let subscriptions: Result<Vec<_>, _> = subscriptions
            .map(|subscription| {
                let place = format!(
                    "subscription {} of {}, when",
                    subscription.name, service.name
                );
                let filter = subscription
                    .when
                    .as_deref()
                    .map(Filter::compile)
                    .transpose();
                let filter =
                    filter.map_err(|problems| CompileFailure::Expression { place, problems })?;
                Ok(SubscriptionDoor {
                    name: subscription.name.clone(),
                    cursor: cursor_name(&service.name, &subscription.name),
                    on: subscription.on.clone(),
                    filter,
                })
            })
            .collect();
        Ok(Self {
            namespace: FlowNamespace::new(subsystem, &flow),
            subscriptions: subscriptions?,
            metrics: metrics.flow(&flow, "services"),
            flow,
            service: service.clone(),
        })
    }
}

/// The name of a subscription's cursor in the log.
pub(crate) fn cursor_name(service: &str, subscription: &str) -> String {
    format!("{service}/{subscription}")
}

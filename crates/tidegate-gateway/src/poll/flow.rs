//! A flow that polls, compiled.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tidegate_config::Config;
use tidegate_config::config::{
    HttpSource, Identity, Next, Poll, PollEvents, PollSource, SqsSource, System,
};
use tidegate_core::poll::{Backoff, Mark, Paging, Resume, Settings};
use tidegate_core::receive::fingerprint;
use tidegate_map::{CompileError, EventSpec, Filter, Mapping, RequestMapping};
use tidegate_types::id::FlowNamespace;
use tidegate_wire::aws::{CallError, Queue};

use super::items::Reader;
use crate::generation::{CompileFailure, ReceiveFlow};
use crate::horizon::Horizon;
use crate::mapper::FlowMapper;
use crate::metrics::polls::PollMetrics;
use crate::metrics::{FlowMetrics, Metrics};
use crate::outbound::aws::{QueueSource, QueueSourceSettings};
use crate::outbound::{Endpoint, EndpointError, InvalidCidr, aws_signature, configured};

/// A flow that polls.
#[derive(Debug)]
pub(crate) struct PollFlow {
    pub(crate) config: Poll,
    /// The system as it stands in the configuration, to see whether anything changed.
    system: System,
    /// The flow whose events they are: its own name, or that of the flow it reconciles.
    pub(crate) events_of: String,
    pub(crate) namespace: FlowNamespace,
    pub(crate) horizon: Horizon,
    pub(crate) source: Source,
    pub(crate) shape: Shape,
    pub(crate) events: FlowMetrics,
    pub(crate) metrics: PollMetrics,
}

/// Where items come from.
#[derive(Debug)]
pub(crate) enum Source {
    Http(Box<Lists>),
    Queue(Box<QueueSource>),
}

/// Lists over HTTP.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) config: HttpSource,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) method: Method,
    pub(crate) request: Arc<RequestMapping>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) settings: Settings,
}

/// What an item becomes.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) mapper: FlowMapper,
    pub(crate) identity: Identity,
    /// Whether the mapping makes data of its own, which is JSON.
    pub(crate) maps_data: bool,
    /// Makes of an item the request that another flow would have received.
    pub(crate) received: Option<Received>,
}

#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) id: Option<Filter>,
    pub(crate) headers: Option<Filter>,
    pub(crate) body: Option<Filter>,
}

/// Why the source of a flow cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceProblem {
    /// Its address, certificates or credentials.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A range of addresses.
    #[error(transparent)]
    Range(#[from] InvalidCidr),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] CallError),
    /// The flow it reconciles has no mapping.
    #[error("the flow it reconciles is none that maps what it receives")]
    NotMapped,
}

/// How long a call to a queue may take, beyond the time that the service waits.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(15);

impl PollFlow {
    pub(super) fn compile(
        config: &Config,
        flow: &Poll,
        (folder, metrics): (&Path, &Metrics),
        receives: &[Arc<ReceiveFlow>],
    ) -> Result<Self, CompileFailure> {
        let failed = |problem: SourceProblem| CompileFailure::Source {
            flow: flow.name.clone(),
            source: Box::new(problem),
        };
        let place = Expressions(&flow.name);
        let system = config.systems.iter().find(|it| it.name == flow.system);
        let system = system.ok_or_else(|| failed(SourceProblem::NotMapped))?;
        let (shape, events_of) = match &flow.events {
            PollEvents::Own { identity, mapping } => {
                (Shape::own(flow, *identity, mapping, &place)?, &flow.name)
            }
            PollEvents::Received(received) => {
                let of = receives.iter().find(|it| it.flow.name == received.flow);
                let of = of.ok_or_else(|| failed(SourceProblem::NotMapped))?;
                let mapping = of.flow.mapping.as_ref();
                let mapping = mapping.ok_or_else(|| failed(SourceProblem::NotMapped))?;
                let mut shape = Shape::own(flow, of.flow.identity, mapping, &place)?;
                let filter = |what, text: &Option<String>| {
                    let text = text.as_deref();
                    text.map(|text| place.filter(what, text)).transpose()
                };
                shape.received = Some(Received {
                    id: filter("received.id", &received.id)?,
                    headers: filter("received.headers", &received.headers)?,
                    body: filter("received.body", &received.body)?,
                });
                (shape, &received.flow)
            }
        };
        let source = match &flow.source {
            PollSource::Http(http) => {
                let endpoint = configured(&flow.url, system, folder);
                let endpoint = endpoint.map_err(|error| failed(error.into()))?;
                let endpoint = Endpoint::new(&endpoint).map_err(|error| failed(error.into()))?;
                Source::Http(Box::new(lists(flow, http, endpoint, &place)?))
            }
            PollSource::Sqs(sqs) => {
                let queue = queue(flow, sqs, system, folder).map_err(failed)?;
                Source::Queue(Box::new(queue))
            }
        };
        let keep = config.log.keep;
        Ok(Self {
            system: system.clone(),
            namespace: FlowNamespace::new(&config.subsystem, events_of),
            events_of: events_of.clone(),
            horizon: Horizon::new((flow.dedup < keep).then_some(flow.dedup)),
            source,
            shape,
            events: metrics.flow(&flow.name, &flow.system),
            metrics: metrics.poll(&flow.name, &flow.system),
            config: flow.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether nothing of it changed. Files of certificates may have, so a flow with any is another one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let tls = &self.system.calling.tls;
        tls.ca.is_none()
            && tls.identity.is_none()
            && self.system == other.system
            && self.config == other.config
            && self.namespace == other.namespace
            // A mapping that was switched off is tried again.
            && !self.shape.mapper.is_quarantined()
            // The mapping is that of another flow, and may have changed.
            && matches!(self.config.events, PollEvents::Own { .. })
    }

    /// Whether an event is known by its identity alone, since another flow has it in other words.
    pub(crate) const fn is_known_by_id(&self) -> bool {
        self.shape.received.is_some()
    }
}

/// Says of which flow an expression is that does not compile.
struct Expressions<'f>(&'f str);

impl Expressions<'_> {
    fn failed(&self, what: &str, problems: Vec<CompileError>) -> CompileFailure {
        CompileFailure::Expression {
            place: format!("flow {}, {what}", self.0),
            problems,
        }
    }

    fn filter(&self, what: &str, text: &str) -> Result<Filter, CompileFailure> {
        Filter::compile(text).map_err(|problems| self.failed(what, problems))
    }
}

impl Shape {
    fn own(
        flow: &Poll,
        identity: Identity,
        spec: &EventSpec,
        place: &Expressions<'_>,
    ) -> Result<Self, CompileFailure> {
        let body_max = match &flow.source {
            PollSource::Http(http) => http.body_max,
            PollSource::Sqs(_) => tidegate_wire::aws::sqs::MESSAGE_BYTES_MAX,
        };
        let by_expression = identity == Identity::Expression;
        let mapper = FlowMapper::compile(spec, by_expression, body_max);
        Ok(Self {
            mapper: mapper.map_err(|problems| place.failed("event", problems))?,
            identity,
            maps_data: spec.data.is_some(),
            received: None,
        })
    }
}

fn lists(
    flow: &Poll,
    http: &HttpSource,
    endpoint: Arc<Endpoint>,
    place: &Expressions<'_>,
) -> Result<Lists, CompileFailure> {
    let request = RequestMapping::compile(&http.request).map_err(|problems| {
        let problems = problems.into_iter().map(|(_, problem)| problem).collect();
        place.failed("request", problems)
    })?;
    let next = match &http.next {
        Next::Cursor(text) => Some(place.filter("next.cursor", text)?),
        Next::Url(text) => Some(place.filter("next.url", text)?),
        Next::None | Next::Link(_) | Next::Page { .. } => None,
    };
    let time = http.timestamp.as_ref().map(|timestamp| {
        let spec = EventSpec {
            kind: "\"item\"".to_owned(),
            time: Some(timestamp.field.clone()),
            data: Some("null".to_owned()),
            ..EventSpec::default()
        };
        Mapping::compile(&spec).map_err(|problems| place.failed("next.timestamp", problems))
    });
    // All outputs as one list.
    let items = place.filter("items", &format!("[{}\n]", http.items))?;
    Ok(Lists {
        config: http.clone(),
        endpoint,
        method: if http.method == "POST" {
            Method::POST
        } else {
            Method::GET
        },
        request: Arc::new(request),
        reader: Arc::new(Reader {
            items,
            next,
            time: time.transpose()?,
            body_max: http.body_max,
            items_max: http.items_max,
        }),
        settings: settings(flow, http),
    })
}

fn settings(flow: &Poll, http: &HttpSource) -> Settings {
    let paging = match &http.next {
        Next::None => Paging::Single,
        Next::Cursor(_) | Next::Url(_) | Next::Link(_) => Paging::Token,
        Next::Page { first, size } => Paging::Number {
            first: *first,
            size: *size,
        },
    };
    let resume = if http.resume_last {
        Resume::Last
    } else {
        Resume::Start
    };
    let mark = http.timestamp.as_ref().map(|timestamp| Mark {
        overlap: timestamp.overlap,
        reach: timestamp.reach,
        newest_first: timestamp.newest_first,
        page_size: timestamp.page_size,
    });
    // How requests are made, told from all others by its description.
    let described = format!(
        "{} {} {:?} {}",
        flow.url, http.method, http.request, http.items
    );
    Settings {
        mark,
        pages_max: http.pages_max,
        backoff: Backoff {
            most: http.backoff_max,
            ..Backoff::default()
        },
        retry_after_max: http.retry_after_max,
        request: fingerprint::of_original(described.as_bytes()),
        ..Settings::new(&flow.name, paging, resume)
    }
}

fn queue(
    flow: &Poll,
    sqs: &SqsSource,
    system: &System,
    folder: &Path,
) -> Result<QueueSource, SourceProblem> {
    let mut settings = configured(&flow.url, system, folder)?;
    settings.signature = aws_signature(&sqs.key);
    let mut how = QueueSourceSettings::new(Queue::new(sqs.queue_url.clone())?);
    how.receive.wait_seconds = sqs.wait_seconds;
    how.timeout = QUEUE_TIMEOUT;
    Ok(QueueSource::new(Endpoint::new(&settings)?, how)?)
}

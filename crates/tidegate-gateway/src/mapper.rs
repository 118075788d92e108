//! Running a flow's mapping: direct ones in place, interpreted ones on threads of their own.
//!
//! Every run ends after a fixed number of steps. A flow whose expressions overrun again and again
//! is quarantined: its events are set aside unmapped, so that it costs no more than a write, until
//! the configuration is loaded again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tidegate_core::log::entry::{Blame, FaultCause};
use tidegate_map::limits::DATA_BYTES_MAX;
use tidegate_map::{
    CompileError, EventSpec, Input, MapError, MapErrorKind, Mapped, MappedRequest, Mapping,
    RequestMapping,
};
use tidegate_types::event::Raw;
use tokio::sync::Semaphore;

/// Overruns in a row after which a flow is quarantined. One can be a single odd event.
const OVERRUNS_MAX: u32 = 3;

/// Interpreted mappings that run at once over all flows, so that they leave the runtime's threads
/// and most of the processor to everything else.
static THREADS: Semaphore = Semaphore::const_new(2);

/// The mapping of one flow.
#[derive(Debug)]
pub(crate) struct FlowMapper {
    mapping: Arc<Mapping>,
    /// Only the identity, for events whose mapping fails elsewhere.
    identity: Option<Arc<Mapping>>,
    overruns: AtomicU32,
}

/// What a mapping looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Headers and query.
    pub(crate) raw: &'a Raw,
    pub(crate) content_type: &'a str,
    /// The body after content decoding.
    pub(crate) body: &'a Bytes,
}

/// Why an event was not mapped.
#[derive(Debug)]
pub(crate) enum MapFailure {
    /// The mapping says so.
    Failed(MapError),
    /// The flow is quarantined.
    Quarantined,
}

impl MapFailure {
    /// What the event is set aside with: why, whose it is, and a text for people.
    pub(crate) fn told(self) -> (FaultCause, Blame, String) {
        match self {
            Self::Quarantined => (
                FaultCause::Quarantined,
                Blame::Us,
                "the flow's mapping overran several times and is switched off until the configuration is loaded again"
                    .to_owned(),
            ),
            Self::Failed(error) => {
                let (cause, blame) = match error.kind {
                    MapErrorKind::InvalidBody => (FaultCause::Format, Blame::Them),
                    MapErrorKind::Overrun => (FaultCause::Overrun, Blame::Us),
                    _ => (FaultCause::Mapping, Blame::Us),
                };
                (cause, blame, error.to_string())
            }
        }
    }
}

impl FlowMapper {
    pub(crate) fn compile(
        spec: &EventSpec,
        by_expression: bool,
        body_max: usize,
    ) -> Result<Self, Vec<CompileError>> {
        let only_id = EventSpec {
            id: spec.id.clone(),
            kind: "\"unmapped\"".to_owned(),
            data: Some("null".to_owned()),
            ..EventSpec::default()
        };
        // Whatever a flow takes it can map to itself.
        let data_max = body_max.max(DATA_BYTES_MAX);
        let identity = by_expression
            .then(|| compile(&only_id, data_max))
            .transpose()?;
        Ok(Self {
            mapping: compile(spec, data_max)?,
            identity,
            overruns: AtomicU32::new(0),
        })
    }

    /// Whether its events are set aside without being mapped.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.overruns.load(Ordering::Relaxed) >= OVERRUNS_MAX
    }

    /// Maps one request; `None` if the flow leaves it out.
    pub(crate) async fn map(&self, subject: Subject<'_>) -> Result<Option<Mapped>, MapFailure> {
        if self.is_quarantined() {
            return Err(MapFailure::Quarantined);
        }
        let mapped = run(&self.mapping, subject).await;
        if let Err(MapError {
            kind: MapErrorKind::Overrun,
            ..
        }) = mapped
        {
            let before = self.overruns.fetch_add(1, Ordering::Relaxed);
            if before.saturating_add(1) == OVERRUNS_MAX {
                tracing::error!(
                    "a mapping overran {OVERRUNS_MAX} times in a row; the flow's events are set aside unmapped until the configuration is loaded again"
                );
            }
        } else if self.overruns.load(Ordering::Relaxed) != 0 {
            self.overruns.store(0, Ordering::Relaxed);
        }
        mapped.map_err(MapFailure::Failed)
    }

    /// The sender's identity of an event that could not be mapped, if that much can be told.
    pub(crate) async fn identity(&self, subject: Subject<'_>) -> Option<String> {
        let mapping = self.identity.as_ref()?;
        run(mapping, subject).await.ok()??.external_id
    }
}

fn compile(spec: &EventSpec, data_max: usize) -> Result<Arc<Mapping>, Vec<CompileError>> {
    Mapping::compile(spec).map(|mapping| Arc::new(mapping.with_data_bytes_max(data_max)))
}

async fn run(mapping: &Arc<Mapping>, subject: Subject<'_>) -> Result<Option<Mapped>, MapError> {
    if mapping.is_direct() {
        return subject.run(mapping);
    }
    let mapping = Arc::clone(mapping);
    let (raw, content_type, body) = (
        subject.raw.clone(),
        subject.content_type.to_owned(),
        subject.body.clone(),
    );
    let run = on_a_thread(move || {
        Subject {
            raw: &raw,
            content_type: &content_type,
            body: &body,
        }
        .run(&mapping)
    });
    run.await
        .unwrap_or_else(|| Err(internal("the mapping panicked")))
}

/// Makes the request of a document, which is the event or whatever else its expressions look at.
pub(crate) async fn run_request(
    mapping: &Arc<RequestMapping>,
    document: Bytes,
) -> Result<MappedRequest, MapError> {
    if mapping.is_direct() {
        return mapping.run(&document);
    }
    let mapping = Arc::clone(mapping);
    let run = on_a_thread(move || mapping.run(&document));
    run.await
        .unwrap_or_else(|| Err(internal("the mapping panicked")))
}

/// Runs interpreted expressions where they leave the runtime's threads alone; `None` if they panicked.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // It is never closed.
    let _permit = THREADS.acquire().await.ok();
    tokio::task::spawn_blocking(work).await.ok()
}

fn internal(text: &str) -> MapError {
    MapError {
        field: tidegate_map::Field::Body,
        kind: MapErrorKind::Internal,
        text: text.to_owned(),
    }
}

impl Subject<'_> {
    fn run(&self, mapping: &Mapping) -> Result<Option<Mapped>, MapError> {
        mapping.run(&Input {
            headers: &self.raw.headers,
            query: &self.raw.query,
            content_type: self.content_type,
            body: self.body,
        })
    }
}

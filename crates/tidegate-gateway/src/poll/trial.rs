//! Fetching one page for a trial: it is asked for and read as its flow would, and nothing of it is kept.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_config::Config;
use tidegate_core::log::entry::{Blame, Entry, Fault, decode_entry};
use tidegate_core::poll::{AttemptId, Fetch, Fetched, Position};
use tidegate_core::receive::intake::Content;
use tidegate_types::event::Event;

use super::fetch::{Body, fetch, request};
use super::flow::{PollFlow, Source};
use crate::generation::{CompileFailure, ReceiveFlow};
use crate::metrics::Metrics;
use crate::outbound::{Failure, Preview, Transport, TransportSettings};

/// A flow that polls, about to ask for its first page.
#[derive(Debug)]
pub struct PageTrial {
    transport: Arc<Transport>,
    flow: Arc<PollFlow>,
}

/// A page, as the log would have got it.
#[derive(Debug)]
pub struct TriedPage {
    /// What its items became.
    pub items: Vec<TriedItem>,
    /// How many the flow leaves out.
    pub filtered: u32,
    /// What the next page is asked for with, if there is one.
    pub next: Option<String>,
}

/// What became of an item.
#[derive(Debug)]
pub enum TriedItem {
    /// An event.
    Event(Box<Event>),
    /// A fault.
    Fault(Box<Fault>),
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageTrialError {
    /// No flow of this name polls.
    #[error("no flow of this name polls")]
    UnknownFlow,
    /// The flow cannot be used.
    #[error(transparent)]
    Compile(#[from] CompileFailure),
    /// It takes from a queue.
    #[error(
        "the flow takes from a queue, and what is looked at there is hidden from others for a while"
    )]
    Queue,
    /// The request cannot be made.
    #[error("{0}")]
    Request(String),
    /// The request cannot be sent or signed.
    #[error(transparent)]
    Unsent(#[from] Failure),
    /// There was no page in the answer.
    #[error("there is no page: {text} (blame {})", blame.name())]
    Failed {
        /// Whose it is to repair.
        blame: Blame,
        /// What happened.
        text: String,
    },
}

impl PageTrial {
    /// Prepares the flow `name` of `config`. Reads certificates, relative to `folder`.
    ///
    /// # Errors
    /// See [`PageTrialError`].
    pub fn new(config: &Config, folder: &Path, name: &str) -> Result<Self, PageTrialError> {
        let poll = config.polls.iter().find(|it| it.name == name);
        let poll = poll.ok_or(PageTrialError::UnknownFlow)?;
        // Counted for nobody.
        let metrics = Metrics::new(&config.tags());
        let receives = config.flows.iter();
        let receives: Result<Vec<_>, _> = receives
            .map(|flow| ReceiveFlow::compile(config, flow, &metrics).map(Arc::new))
            .collect();
        let flow = PollFlow::compile(config, poll, (folder, &metrics), &receives?)?;
        match flow.source {
            Source::Http(_) => Ok(Self {
                transport: Arc::new(Transport::new(TransportSettings::default())),
                flow: Arc::new(flow),
            }),
            Source::Queue(_) => Err(PageTrialError::Queue),
        }
    }

    /// The request for the first page, credentials masked.
    ///
    /// # Errors
    /// It cannot be made or signed.
    pub async fn preview(&self) -> Result<Preview, PageTrialError> {
        let Source::Http(lists) = &self.flow.source else {
            return Err(PageTrialError::Queue);
        };
        let request = request(lists, &first()).await;
        let request = request.map_err(|(_, text)| PageTrialError::Request(text))?;
        Ok(self.transport.preview(&lists.endpoint, &request)?)
    }

    /// Fetches the first page.
    ///
    /// # Errors
    /// [`PageTrialError::Failed`].
    pub async fn fetch(&self) -> Result<TriedPage, PageTrialError> {
        let (transport, flow) = (Arc::clone(&self.transport), Arc::clone(&self.flow));
        let page = match fetch(None, transport, flow, first()).await {
            Fetched::Page(page) => page,
            Fetched::NotModified { .. } => {
                return Err(PageTrialError::Failed {
                    blame: Blame::Them,
                    text: "answered 304 to a request without a condition".to_owned(),
                });
            }
            Fetched::Failed(failed) => {
                return Err(PageTrialError::Failed {
                    blame: failed.blame,
                    text: failed.text,
                });
            }
        };
        let body: &Body = &page.body;
        Ok(TriedPage {
            items: body.items.iter().filter_map(tried).collect(),
            filtered: page.filtered,
            next: page.next,
        })
    }
}

/// What a flow asks for that has never run.
const fn first() -> Fetch {
    Fetch {
        attempt: AttemptId(0),
        position: Position::Start,
        since: None,
        etag: None,
    }
}

fn tried(content: &Content) -> Option<TriedItem> {
    match content {
        Content::Event { entry, .. } => {
            let entry = Bytes::copy_from_slice(entry.as_bytes());
            match decode_entry(&entry).ok()? {
                Entry::Event(entry) => Some(TriedItem::Event(Box::new(entry.event))),
                _ => None,
            }
        }
        Content::Fault(fault) => Some(TriedItem::Fault(Box::new(Fault::clone(fault)))),
        _ => None,
    }
}

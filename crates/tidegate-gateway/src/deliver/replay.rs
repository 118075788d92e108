//! Replaying: an event of the log is looked up, judged as a new one is, and handed to the machine.

use std::sync::Arc;

use tidegate_core::deliver::{Replay, fault_of};
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::ledger::Ledger as _;
use tidegate_hub::hub::Hub;
use tidegate_hub::query::QueryError;
use tidegate_types::id::EventId;

use super::Deliveries;
use super::commands::{Command, CommandError};
use super::flow::DeliverFlow;
use super::log::{Body, SCANS, kept};

/// A settled event that is to be sent once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The flow that shall send it.
    pub flow: String,
    /// The event.
    pub event: EventId,
    /// Send it although later events of its key were delivered.
    pub superseded: bool,
    /// Use a new idempotency key.
    pub renew_key: bool,
    /// Only say whether it would be sent.
    pub only_ask: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// The endpoint took it.
    Delivered,
    /// It did not, for this reason. The event stays settled as it was.
    Failed(String),
    /// The flow does not want the event, so it is not sent.
    PassedOver,
    /// It would be sent, if that were not only a question.
    Possible,
}

impl Deliveries {
    /// Sends a settled event once more, and waits until that has ended. It goes on if the caller does not wait.
    pub(crate) async fn replay(
        &self,
        request: ReplayRequest,
    ) -> Result<ReplayOutcome, CommandError> {
        let flow = self
            .tasks
            .with(&request.flow, |way| Arc::clone(&way.flow.borrow()));
        let flow = flow.ok_or(CommandError::UnknownFlow)?;
        let (hub, subsystem) = (Arc::clone(&self.hub), self.subsystem.clone());
        let (name, only_ask) = (request.flow.clone(), request.only_ask);
        // It is never closed.
        let permit = SCANS.acquire().await.ok();
        let find = move || find(&hub, &flow, &subsystem, &request);
        let found = match tokio::task::spawn_blocking(find).await {
            Ok(found) => found?,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
        drop(permit);
        let Some(replay) = found.map(Box::new) else {
            return Ok(ReplayOutcome::PassedOver);
        };
        self.command(&name, |answer| Command::Replay {
            replay,
            only_ask,
            answer,
        })
        .await
    }
}

/// The event as the machine takes it; `None` if the flow does not want it.
fn find(
    hub: &Hub,
    flow: &DeliverFlow,
    subsystem: &str,
    request: &ReplayRequest,
) -> Result<Option<Replay<Body>>, CommandError> {
    let found = hub
        .find(&request.event)
        .map_err(|error| unreadable(&error))?;
    let Some((place, Entry::Event(entry))) = found.map(|found| (found.place, found.entry)) else {
        return Err(CommandError::NoSuchEvent(request.event));
    };
    match flow.judge(&entry.event, subsystem) {
        None => return Ok(None),
        Some(Some(why)) => return Err(CommandError::FailsAgain(why.to_string())),
        Some(None) => {}
    }
    let fault = fault_of(&request.flow, request.event);
    if is_open(hub, &fault).map_err(|error| unreadable(&error))? {
        return Err(CommandError::SetAside(fault));
    }
    let (bytes, event) = kept(entry);
    Ok(Some(Replay {
        place,
        id: event.id,
        key: event.key.clone(),
        bytes,
        body: Body {
            event: Arc::new(event),
            unjudged: None,
        },
        superseded: request.superseded,
        renew_key: request.renew_key,
    }))
}

/// Whether there is an open fault of this identity.
fn is_open(hub: &Hub, fault: &EventId) -> Result<bool, QueryError> {
    let Some(known) = hub.views().known(fault)? else {
        return Ok(false);
    };
    match hub.at(known.place)?.map(|found| found.entry) {
        Some(Entry::Fault(entry)) => Ok(hub.views().open_fault(entry.time, fault)?.is_some()),
        _ => Ok(false),
    }
}

fn unreadable(error: &QueryError) -> CommandError {
    CommandError::Unreadable(error.to_string())
}

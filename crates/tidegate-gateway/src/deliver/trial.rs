//! Delivering one event for a trial: it is mapped, signed and sent as its flow would, once, and nothing of
//! it is kept. No hub is needed, so it works beside a running node and without one.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_config::Config;
use tidegate_core::deliver::{AttemptResult, Class, IdempotencyKey, SendEvent};
use tidegate_core::log::entry::Blame;
use tidegate_types::event::Event;
use tidegate_types::position::Place;

use super::attempt::kind;
use super::flow::DeliverFlow;
use super::log::Body;
use super::request::{Unmapped, request};
use crate::generation::CompileFailure;
use crate::metrics::Metrics;
use crate::outbound::{Failure, Outcome, Preview, Request, Transport, TransportSettings};

/// An event on its way to an endpoint.
#[derive(Debug)]
pub struct Trial {
    transport: Transport,
    flow: DeliverFlow,
    request: Request,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// The answer, or why there is none.
    pub outcome: Outcome,
    /// What the flow would make of that.
    pub class: Class,
    /// Whose it is to repair if it failed.
    pub blame: Blame,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No flow of this name delivers.
    #[error("no flow of this name delivers")]
    UnknownFlow,
    /// The flow cannot be used.
    #[error(transparent)]
    Compile(#[from] CompileFailure),
    /// The flow is not for such an event.
    #[error(
        "the flow would pass this event over: its `on`, `from` or `when` does not let it through"
    )]
    PassedOver,
    /// No request can be made of the event; the flow would set it aside.
    #[error("no request can be made of the event: {0}")]
    Unmapped(String),
}

impl Trial {
    /// Makes the request for `event` as the flow `name` of `config` would. Reads certificates, relative to
    /// `folder`; nothing is resolved or connected to.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub async fn new(
        config: &Config,
        folder: &Path,
        name: &str,
        event: Event,
    ) -> Result<Self, TrialError> {
        let deliver = config.deliveries.iter().find(|it| it.name == name);
        let deliver = deliver.ok_or(TrialError::UnknownFlow)?;
        // Counted for nobody.
        let metrics = Metrics::new(&config.tags());
        let flow = DeliverFlow::compile(config, deliver, folder, &metrics, &[])?;
        let subsystem = &config.subsystem;
        let unjudged = flow
            .judge(&event, subsystem)
            .ok_or(TrialError::PassedOver)?;
        let event = SendEvent {
            // It stands in no log.
            place: Place::NOWHERE,
            id: event.id,
            key: IdempotencyKey {
                id: event.id,
                renewed: 0,
            },
            sent_before: 0,
            body: Body {
                event: Arc::new(event),
                unjudged,
            },
        };
        let request = request(&flow, subsystem, &[event]).await;
        let request = request.map_err(|Unmapped(why)| TrialError::Unmapped(why))?;
        Ok(Self {
            transport: Transport::new(TransportSettings::default()),
            flow,
            request,
        })
    }

    /// The request as it would be sent now, credentials masked.
    ///
    /// # Errors
    /// It cannot be sent or signed.
    pub fn preview(&self) -> Result<Preview, Failure> {
        self.transport.preview(&self.flow.endpoint, &self.request)
    }

    /// The body of the request.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// Sends it once.
    pub async fn send(&self) -> Tried {
        let endpoint = &self.flow.endpoint;
        let outcome = self.transport.send(endpoint, &self.request).await;
        let result = match &outcome.result {
            Ok(answer) => AttemptResult::Status(answer.status.as_u16()),
            Err(failure) => AttemptResult::Failed(kind(failure)),
        };
        let (class, blame) = self.flow.settings.classification.judge(result);
        Tried {
            outcome,
            class,
            blame,
        }
    }
}

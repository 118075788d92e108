//! Faults of flows that receive, tried again from the kept original.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_config::config::Identity;
use tidegate_core::log::entry::Fault;
use tidegate_core::receive::intake::Content;
use tidegate_hub::clock::now;
use tidegate_types::event::Raw;
use tidegate_wire::cloudevents::{self, Limits};
use tidegate_wire::content::decode_body;

use super::{Accepted, Subject, content_encoding, content_id, data_type, text_header};
use crate::gateway::CommandError;
use crate::generation::ReceiveFlow;
use crate::mapper::MapFailure;
use crate::public::Public;

/// What comes of the original of a fault by the configuration in force.
pub(crate) async fn again(
    public: &Public,
    flow: &ReceiveFlow,
    fault: &Fault,
) -> Result<Vec<Content>, CommandError> {
    let headers = headers(&fault.raw);
    let body = decode_body(
        Some(&content_encoding(&headers)),
        &fault.raw.body,
        flow.flow.body_max,
    );
    let body = body.map_err(|error| CommandError::FailsAgain(error.to_string()))?;
    let known = Some(fault.external_id.clone()).filter(|id| !id.is_empty());
    let accepted = Accepted {
        public,
        flow,
        now: now(),
        external_id: known,
        headers,
    };
    if flow.is_cloudevents() {
        accepted.cloud_events_again(&body, &fault.raw)
    } else {
        accepted.webhook_again(&body, fault).await
    }
}

/// The kept headers; what cannot be one any more is left out.
fn headers(raw: &Raw) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &raw.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

impl Accepted<'_> {
    /// What the mapping makes of it now; nothing if the flow leaves it out.
    async fn webhook_again(
        &self,
        body: &Bytes,
        fault: &Fault,
    ) -> Result<Vec<Content>, CommandError> {
        let mapper = self.flow.mapper.as_ref().ok_or(CommandError::NoFlow)?;
        let content_type = text_header(&self.headers, &http::header::CONTENT_TYPE);
        let subject = Subject {
            raw: &fault.raw,
            content_type,
            body,
        };
        let mapped = match mapper.map(subject).await {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(mapped)) => mapped,
            Err(MapFailure::Failed(error)) => {
                return Err(CommandError::FailsAgain(error.to_string()));
            }
            Err(MapFailure::Quarantined) => {
                let why =
                    "the flow's mapping is switched off until the configuration is loaded again";
                return Err(CommandError::FailsAgain(why.to_owned()));
            }
        };
        let identity = match self.flow.flow.identity {
            Identity::Expression => mapped.external_id.clone(),
            Identity::Scheme => self.external_id.clone(),
            Identity::Content => Some(content_id(body)),
            // Of all that have none, each fault is one: tried twice, it is the same event.
            Identity::None | Identity::CloudEvent => Some(format!("fault:{}", fault.id)),
        };
        let id = identity.filter(|id| !id.is_empty()).ok_or_else(|| {
            let why = "the request has no identity where the flow looks for it";
            CommandError::FailsAgain(why.to_owned())
        })?;
        let content_type = data_type(self.flow, &self.headers);
        let content = self
            .door()
            .mapped(id, mapped, content_type, fault.raw.clone());
        Ok(vec![content])
    }

    fn cloud_events_again(&self, body: &Bytes, raw: &Raw) -> Result<Vec<Content>, CommandError> {
        let events = cloudevents::decode(&self.headers, body, Limits::default());
        let events = events.map_err(|error| CommandError::FailsAgain(error.to_string()))?;
        Ok(self.originals(events, raw.clone()))
    }
}

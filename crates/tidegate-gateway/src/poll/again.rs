//! Faults of flows that poll, tried again from the kept item.

use tidegate_core::log::entry::Fault;
use tidegate_core::receive::intake::Content;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;

use super::events::{Item, Made};
use super::flow::{PollFlow, Source};
use super::items::ITEM_TYPE;
use super::queue::media_type;
use crate::gateway::CommandError;

/// What comes of the item of a fault by the configuration in force; nothing if the flow leaves it out.
pub(crate) async fn again(
    hub: &Hub,
    flow: &PollFlow,
    fault: &Fault,
) -> Result<Vec<Content>, CommandError> {
    let content_type = match &flow.source {
        Source::Http(_) => ITEM_TYPE,
        Source::Queue(_) => media_type(&fault.raw.body),
    };
    let item = Item {
        raw: fault.raw.clone(),
        content_type: content_type.to_owned(),
        id: Some(fault.external_id.clone()).filter(|id| !id.is_empty()),
    };
    match flow.make(Some(hub), now(), item).await {
        Made::Event(content) => Ok(vec![content]),
        Made::Filtered => Ok(Vec::new()),
        Made::Fault(content) => Err(CommandError::FailsAgain(match content {
            Content::Fault(again) => again.message,
            _ => String::new(),
        })),
    }
}

//! An event as expressions and readers see it: a CloudEvent.

use tidegate_types::event::Event;
use tidegate_wire::cloudevents::{CloudEvent, encode_structured};

/// The event; its source is its flow, if it brought none of its own.
pub(crate) fn cloud_event(event: &Event, subsystem: &str) -> CloudEvent {
    CloudEvent::of(event, &format!("/{subsystem}/{}", event.flow))
}

/// The same as JSON, which is what expressions look at.
pub(crate) fn document(event: &Event, subsystem: &str) -> Vec<u8> {
    encode_structured(&cloud_event(event, subsystem))
}

//! Events of the hub as CloudEvents.

use tidegate_types::event::Event;

use super::{CloudEvent, PARTITION_KEY, syntax};

impl CloudEvent {
    /// `event` as it leaves Tidegate: `id` is the event's own identity, the partition key is the extension
    /// `partitionkey`, and `source`, `subject`, `dataschema` and extensions come from its attributes. Where it
    /// has no source, `source` is used.
    ///
    /// Attributes whose name the specification does not allow are left out, since no reader could take them.
    #[must_use]
    pub fn of(event: &Event, source: &str) -> Self {
        let mut out = Self {
            id: event.id.to_string(),
            source: source.to_owned(),
            kind: event.kind.clone(),
            time: Some(event.time),
            datacontenttype: (!event.content_type.is_empty()).then(|| event.content_type.clone()),
            data: event.data.clone(),
            ..Self::default()
        };
        for (name, value) in &event.attributes {
            match name.as_str() {
                "source" => value.clone_into(&mut out.source),
                "subject" => out.subject = Some(value.clone()),
                "dataschema" => out.dataschema = Some(value.clone()),
                "specversion" | "id" | "type" | "time" | "datacontenttype" | PARTITION_KEY => {}
                name if syntax::is_attribute_name(name) && out.extension(name).is_none() => {
                    out.extensions.push((name.to_owned(), value.clone()));
                }
                _ => {}
            }
        }
        if !event.key.is_empty() {
            out.extensions
                .push((PARTITION_KEY.to_owned(), event.key.clone()));
        }
        out
    }
}

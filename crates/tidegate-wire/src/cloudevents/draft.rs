//! An event in the making: attributes are set in any order, problems are collected.

use bytes::Bytes;

use super::error::{Fault, PROBLEMS_MAX, Problem};
use super::{ATTRIBUTE_BYTES_MAX, CloudEvent, EXTENSIONS_MAX, syntax};

/// Collects the attributes of one event and what is wrong with them.
pub(super) struct Draft {
    index: usize,
    event: CloudEvent,
    version_seen: bool,
    problems: Vec<Problem>,
}

impl Draft {
    /// Event `index` of its request.
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            event: CloudEvent::default(),
            version_seen: false,
            problems: Vec::new(),
        }
    }

    /// Notes that `attribute` is wrong, unless enough is wrong already.
    pub(super) fn fault(&mut self, attribute: &str, fault: Fault) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems
                .push(Problem::new(self.index, attribute, fault));
        }
    }

    /// Sets one attribute from its text form, if it is right.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if let Err(fault) = self.try_set(name, value) {
            self.fault(name, fault);
        }
    }

    fn try_set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if !syntax::is_attribute_name(name) {
            return Err(Fault::Name);
        }
        if value.len() > ATTRIBUTE_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        if !syntax::is_text(value) {
            return Err(Fault::Characters);
        }
        if name == "specversion" {
            let again = std::mem::replace(&mut self.version_seen, true);
            check(!again, Fault::Repeated)?;
            return check(value == "1.0", Fault::Version);
        }
        let event = &mut self.event;
        match name {
            "id" => fill(&mut event.id, value),
            "type" => fill(&mut event.kind, value),
            "source" => {
                check(syntax::is_uri_reference(value), Fault::UriReference)?;
                fill(&mut event.source, value)
            }
            "subject" => put(&mut event.subject, value),
            "datacontenttype" => {
                check(syntax::is_media_type(value), Fault::MediaType)?;
                put(&mut event.datacontenttype, value)
            }
            "dataschema" => {
                check(syntax::is_uri(value), Fault::Uri)?;
                put(&mut event.dataschema, value)
            }
            "time" => {
                let time = syntax::time(value).ok_or(Fault::Time)?;
                check(event.time.replace(time).is_none(), Fault::Repeated)
            }
            _ => {
                check(event.extension(name).is_none(), Fault::Repeated)?;
                check(
                    event.extensions.len() < EXTENSIONS_MAX,
                    Fault::TooManyExtensions,
                )?;
                event.extensions.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
        }
    }

    /// The media type of the data, as far as it was set.
    pub(super) fn content_type(&self) -> Option<&str> {
        self.event.datacontenttype.as_deref()
    }

    /// The payload of JSON without a media type is JSON, and says so from here on.
    pub(super) fn imply_json(&mut self) {
        self.event
            .datacontenttype
            .get_or_insert_with(|| "application/json".to_owned());
    }

    /// The event with its data.
    ///
    /// # Errors
    /// All its problems, missing attributes included.
    pub(super) fn finish(mut self, data: Bytes) -> Result<CloudEvent, Vec<Problem>> {
        let required = [
            ("specversion", self.version_seen),
            ("id", !self.event.id.is_empty()),
            ("source", !self.event.source.is_empty()),
            ("type", !self.event.kind.is_empty()),
        ];
        for (name, present) in required {
            if !present
                && !self
                    .problems
                    .iter()
                    .any(|problem| problem.attribute == name)
            {
                self.fault(name, Fault::Missing);
            }
        }
        if self.problems.is_empty() {
            self.event.data = data;
            Ok(self.event)
        } else {
            Err(self.problems)
        }
    }
}

fn check(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

/// Fills a required attribute once.
fn fill(slot: &mut String, value: &str) -> Result<(), Fault> {
    check(slot.is_empty(), Fault::Repeated)?;
    check(!value.is_empty(), Fault::Empty)?;
    value.clone_into(slot);
    Ok(())
}

/// Fills an optional attribute once.
fn put(slot: &mut Option<String>, value: &str) -> Result<(), Fault> {
    check(!value.is_empty(), Fault::Empty)?;
    check(slot.replace(value.to_owned()).is_none(), Fault::Repeated)
}

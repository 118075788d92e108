//! `next`: how one page leads to the next.

use tidegate_map::{EventSpec, Mapping};

use crate::config::{Next, TimeFormat, Timestamp};
use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;

/// Ways from page to page within a round; at most one holds.
const WAYS: [&str; 4] = ["cursor", "url", "link", "page"];

impl Decoder<'_> {
    pub(super) fn next(&mut self, poll: &Fields) -> Option<(Next, Option<Timestamp>)> {
        let nothing = Fields::default();
        let fields = match poll.get("next") {
            Some(item) => item.fields()?,
            None => &nothing,
        };
        let mut present = WAYS.iter().filter(|way| fields.get(way).is_some());
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            self.report(
                Problem::new(
                    Code::OneOf,
                    fields.span_of(second),
                    format!("`{first}` and `{second}` stand here together"),
                )
                .label("one too many")
                .help("keep one of `cursor`, `url`, `link` and `page`"),
            );
        }
        let next = if fields.get("cursor").is_some() {
            Next::Cursor(self.filter(fields, "cursor")?)
        } else if fields.get("url").is_some() {
            Next::Url(self.filter(fields, "url")?)
        } else if fields.get("link").is_some() {
            Next::Link(fields.text("link")?)
        } else if let Some(page) = fields.get("page") {
            let page = page.fields()?;
            Next::Page {
                first: page.integer("first")?,
                size: page
                    .integer("size")
                    .and_then(|size| u32::try_from(size).ok()),
            }
        } else {
            Next::None
        };
        let timestamp = match fields.get("timestamp") {
            None => None,
            Some(item) => Some(self.timestamp(item.fields()?, &next)?),
        };
        Some((next, timestamp))
    }

    fn timestamp(&mut self, fields: &Fields, next: &Next) -> Option<Timestamp> {
        let (written, span) = expression(fields, "field")?;
        let spec = EventSpec {
            kind: "\"\"".to_owned(),
            time: Some(written.text.clone()),
            ..EventSpec::default()
        };
        for error in Mapping::compile(&spec).err().unwrap_or_default() {
            self.jq(&error, written, span);
        }
        let page_size = fields
            .integer("page-size")
            .and_then(|size| u32::try_from(size).ok());
        let newest_first = fields.word("order")? == "newest-first";
        if page_size.is_some() && (*next != Next::None || newest_first) {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("page-size"),
                    "`page-size` is for a source that is read by time alone, oldest first",
                )
                .label("another way leads to the next page")
                .help("remove it"),
            );
        }
        Some(Timestamp {
            field: written.text.clone(),
            overlap: fields.duration("overlap")?,
            format: match fields.word("format")? {
                "seconds" => TimeFormat::Seconds,
                "millis" => TimeFormat::Millis,
                _ => TimeFormat::Rfc3339,
            },
            reach: fields.duration("reach"),
            newest_first,
            page_size,
        })
    }

    /// Whether a round begins at the last cursor.
    pub(super) fn resume(&mut self, poll: &Fields, next: &Next, has_mark: bool) -> Option<bool> {
        if poll.get("resume").is_none() {
            return Some(matches!(next, Next::Cursor(_) | Next::Url(_)) && !has_mark);
        }
        let last = poll.word("resume")? == "last";
        if last && (has_mark || !next.is_token()) {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    poll.span_of("resume"),
                    "`resume: last` needs a cursor that holds by itself",
                )
                .label("there is none to go on from")
                .help("remove it: with `page` and `timestamp` a round begins at the start"),
            );
        }
        Some(last)
    }
}
